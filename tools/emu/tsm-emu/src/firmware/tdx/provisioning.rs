// SPDX-License-Identifier: GPL-2.0

//! The TEE-IO provisioning agent, a TD that opens SPDM sessions for the module. There is no TD here, so
//! it is part of the emulated firmware and the host makes its part go on, see [`tsm_wire::tdx::tpa`].

use super::super::errand::{Errand, Leg};
use super::super::fault::transport;
use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::message;
use super::spdm_session::{check_iommu, session_number};
use super::Tdx;
use sha2::{Digest, Sha384};
use tsm_wire::detail::{Detail, TransportFault};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::tpa::{Information, Turn, MEASURE_RAW, NONCE_LEN};
use tsm_wire::tdx::StandIn;

/// What the agent is about, and where that is.
#[derive(Debug)]
pub(super) struct Conversation {
    call: StandIn,
    errand: Errand,
    /// A request was written.
    asked: bool,
}

impl Tdx {
    /// A call of the agent's.
    pub(super) fn provision(
        &mut self,
        machine: &mut Machine<'_>,
        call: StandIn,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        check_iommu(x.rcx, Operand::Rcx)?;
        let number = session_number(x.rdx, Operand::Rdx)?;
        let turn =
            Turn::try_from(x.r9).map_err(|_| Refused::at(Status::OperandInvalid, Operand::R9))?;
        for (page, operand) in [(x.r10, Operand::R10), (x.r11, Operand::R11)] {
            self.pamt.check_shared(machine.ground, page, operand)?;
        }
        let answer = match turn {
            Turn::Answer => message::read(&self.pamt, machine.ground, x.r8, Operand::R8)?,
            _ => None,
        };
        if turn == Turn::Begin {
            let errand = self.errand(machine, number, call, x)?;
            let spdm = self.spdm(number, Operand::Rdx)?;
            // What is given up half-way is missing in the session.
            if spdm.conversation.take().is_some_and(|before| before.asked) {
                self.session_over(number);
                if call == StandIn::TpaMeasure {
                    return Err(Refused::at(Status::SpdmInvalidState, Operand::Rdx));
                }
            }
            self.spdm(number, Operand::Rdx)?.conversation = Some(Conversation {
                call,
                errand,
                asked: false,
            });
        }
        let spdm = self.spdm(number, Operand::Rdx)?;
        let conversation = spdm.conversation.as_mut();
        let conversation = conversation.filter(|under_way| {
            let fits = match turn {
                Turn::Begin => true,
                Turn::Answer | Turn::NoAnswer => under_way.asked,
                Turn::Nothing => !under_way.asked,
            };
            fits && under_way.call == call
        });
        let conversation =
            conversation.ok_or(Refused::at(Status::SpdmInvalidState, Operand::R9))?;
        let mut line = machine.line(&mut spdm.peer);
        let leg = match (turn, &answer) {
            (Turn::Begin, _) => conversation.errand.begin(&mut line),
            (Turn::Nothing, _) => Ok(Leg::default()),
            (_, Some(answer)) => conversation.errand.take(&mut line, answer),
            (_, None) => Err(transport(TransportFault::NoAnswer)),
        };
        match leg {
            Ok(leg) => self.proceed(machine, number, call, leg, x),
            Err(detail) => Err(self.give_up(number, call, detail)),
        }
    }

    /// The conversation of a call, if it can begin now.
    fn errand(
        &mut self,
        machine: &Machine<'_>,
        number: u64,
        call: StandIn,
        x: &Gprs,
    ) -> Outcome<Errand> {
        let bound = self.spdm(number, Operand::Rdx)?.bound;
        let wants = call != StandIn::TpaConnect;
        demand(bound == wants, Status::SpdmInvalidState, Operand::Rdx)?;
        match call {
            StandIn::TpaConnect => {
                let known = u16::try_from(x.r12).is_ok();
                demand(known, Status::OperandInvalid, Operand::R12)?;
                Ok(Errand::identify())
            }
            StandIn::TpaMeasure => {
                let raw = x.r13 & MEASURE_RAW != 0;
                demand(x.r13 <= MEASURE_RAW, Status::OperandInvalid, Operand::R13)?;
                let mut nonce = [0; NONCE_LEN];
                if x.r12 != 0 {
                    let ground = machine.ground;
                    self.pamt.read(ground, x.r12, &mut nonce, Operand::R12)?;
                }
                let nonce = Some(nonce).filter(|nonce| *nonce != [0; NONCE_LEN]);
                Ok(Errand::measure(0, raw, nonce))
            }
            _ => Ok(Errand::farewell()),
        }
    }

    /// Tells the host what to do next.
    fn proceed(
        &mut self,
        machine: &Machine<'_>,
        number: u64,
        call: StandIn,
        leg: Leg,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        let mut out = Gprs::default();
        let mut kept: Option<(u32, Vec<u8>)> = None;
        if let Some((object, bytes)) = leg.take {
            kept = Some((object as u32, bytes));
        }
        if let (Some(object), Some(request)) = (leg.keep_request, &leg.request) {
            let object = object as u32;
            let (_, bytes) = kept.get_or_insert((object, Vec::new()));
            bytes.extend_from_slice(&request.bytes);
        }
        if let Some((object, bytes)) = kept {
            self.pamt
                .write(machine.ground, x.r11, &bytes, Operand::R11)?;
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.rdx = Information { len, object }.raw();
        }
        let over = leg.request.is_none();
        if let Some(request) = leg.request {
            message::write(&self.pamt, machine.ground, x.r10, &request, Operand::R10)?;
            out.rcx = 1;
            out.r14 = u64::try_from(leg.delay.as_micros()).unwrap_or(u64::MAX);
        }
        let spdm = self.spdm(number, Operand::Rdx)?;
        if !over {
            if let Some(conversation) = spdm.conversation.as_mut() {
                conversation.asked = true;
            }
            return Ok((out, Status::GoOn));
        }
        spdm.conversation = None;
        match call {
            StandIn::TpaConnect => {
                let certificates = spdm.peer.certificates.as_deref().unwrap_or_default();
                spdm.hash = hash(certificates);
                spdm.bound = true;
                [out.r8, out.r9, out.r10, out.r11, out.r12, out.r13] = spdm.hash;
            }
            StandIn::TpaDisconnect => self.session_over(number),
            _ => {}
        }
        Ok((out, Status::Success))
    }

    /// A conversation failed.
    fn give_up(&mut self, number: u64, call: StandIn, detail: Detail) -> Refused {
        let lost = self.sessions.get_mut(&number).is_none_or(|spdm| {
            spdm.conversation = None;
            spdm.peer.session().is_none()
        });
        // A message that is missing is missing in the session.
        let unanswered = detail == transport(TransportFault::NoAnswer);
        if lost || unanswered || call != StandIn::TpaMeasure {
            self.session_over(number);
        }
        Refused(Status::tpa_failed(detail))
    }
}

/// SHA-384 of the device information, in words.
fn hash(certificates: &[u8]) -> [u64; 6] {
    let digest = Sha384::digest(certificates);
    let mut words = [0; 6];
    for (word, bytes) in words.iter_mut().zip(digest.chunks(8)) {
        let bytes = <[u8; 8]>::try_from(bytes).unwrap_or_default();
        *word = u64::from_le_bytes(bytes);
    }
    words
}
