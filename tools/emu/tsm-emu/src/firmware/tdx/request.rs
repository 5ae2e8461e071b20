// SPDX-License-Identifier: GPL-2.0

//! TDISP messages about device interfaces, the host's and those of guests (`tdisp.c`,
//! `tdh_devif_request.c`, `tdh_devif_response.c`, `tdg_devif_*.c` of the published source).

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::device_table::function;
use super::devif::{Devif, GuestRequest};
use super::key_management::{wait, Heard};
use super::message;
use super::Tdx;
use spdm::{vendor, Exchange};
use tdisp::interface_report::INFO_DMA_WITHOUT_PASID;
use tdisp::lock::{Flags, LockRequest};
use tdisp::report::ReportRequest;
use tdisp::{InterfaceId, Request, Response, State};
use tsm_wire::tdx::devif::{
    RequestOut, ResponseOut, TdispCode, TdispState, NO_FW_UPDATE, REPORT_PORTION, TD_FLAG,
};
use tsm_wire::tdx::status::{Operand, Status};
use zerocopy::little_endian::{U16, U64};

/// What the module puts on top of the addresses in reports, random there for each TD. Nobody guards
/// addresses here.
const REPORTING_OFFSET: u64 = 0;
/// Bytes of a report before its first range.
const REPORT_HEAD: usize = 16;
/// In the interface information of a report: what the module does not support, DMA with PASID, ATS and
/// PRS.
const INFO_UNSUPPORTED: u16 = 1 << 2 | 1 << 3 | 1 << 4;

/// Whether the module sends a request for the host, or for a guest.
fn is_allowed(code: TdispCode, guest: bool) -> bool {
    match code {
        TdispCode::GetState => true,
        TdispCode::Lock | TdispCode::Stop => !guest,
        TdispCode::GetReport | TdispCode::Start => guest,
        _ => false,
    }
}

/// The request of this code. The report is read on from where it was left.
fn request(devif: &Devif, code: TdispCode, no_fw_update: bool) -> Option<Request> {
    let flags = if no_fw_update {
        Flags::NO_FW_UPDATE
    } else {
        Flags::default()
    };
    let (offset, length) = devif.report;
    Some(match code {
        TdispCode::Lock => Request::Lock(LockRequest {
            flags: U16::new(flags.0),
            default_stream: devif.stream,
            reserved: 0,
            mmio_reporting_offset: U64::new(REPORTING_OFFSET),
            bind_p2p_mask: U64::new(0),
        }),
        TdispCode::GetReport => Request::GetReport(ReportRequest {
            offset: U16::new(offset),
            length: U16::new(length),
        }),
        TdispCode::GetState => Request::GetState,
        TdispCode::Start => Request::Start(devif.nonce),
        TdispCode::Stop => Request::Stop,
        _ => return None,
    })
}

/// The code of a message.
fn code_of(message: &[u8]) -> u8 {
    message.get(1).copied().unwrap_or(0)
}

/// Whether the first portion of a report says what the module can live with.
fn is_supported(report: &[u8]) -> Option<bool> {
    let head = report.get(..REPORT_HEAD)?;
    let half = |offset: usize| {
        let bytes = head.get(offset..offset + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let info = half(0)?;
    let controls = [half(4)?, half(6)?, half(8)?, half(10)?];
    Some(
        info & INFO_DMA_WITHOUT_PASID != 0
            && info & INFO_UNSUPPORTED == 0
            && controls.iter().all(|control| *control == 0),
    )
}

/// Takes an answer; what to say about it.
fn process(devif: &mut Devif, response: &Response) -> Result<ResponseOut, Status> {
    Ok(match response {
        Response::Error(code, _) => ResponseOut::new(TdispCode::Error, 0).with_error(*code),
        Response::Start => {
            devif.state = State::Run;
            ResponseOut::new(TdispCode::Started, 0)
        }
        Response::Stop => {
            devif.state = State::Unlocked;
            devif.valid = false;
            devif.nonce = Default::default();
            ResponseOut::new(TdispCode::Stopped, 0)
        }
        Response::Lock(nonce) => {
            devif.nonce = *nonce;
            devif.state = State::Locked;
            devif.rewind_report();
            ResponseOut::new(TdispCode::Locked, 0)
        }
        Response::State(state) => {
            devif.state = *state;
            if *state == State::Error {
                devif.fail();
            }
            let state = match state {
                State::Unlocked => TdispState::Unlocked,
                State::Locked => TdispState::Locked,
                State::Run => TdispState::Run,
                State::Error => TdispState::Error,
            };
            ResponseOut::new(TdispCode::State, 0).with_state(state)
        }
        Response::Report(part) => {
            let (offset, most) = devif.report;
            if offset == 0 {
                match is_supported(&part.bytes) {
                    None => return Err(Status::DevifTdispInvalidMessage),
                    Some(false) => {
                        devif.valid = false;
                        return Err(Status::DevifInvalidTdiConfiguration);
                    }
                    Some(true) => {}
                }
            }
            let length = u16::try_from(part.bytes.len()).unwrap_or(u16::MAX);
            devif.report = (offset.saturating_add(length), most.min(part.remainder));
            ResponseOut::new(TdispCode::Report, 0).with_portion(length, part.remainder)
        }
        _ => return Err(Status::DevifTdispInvalidMessage),
    })
}

/// The answer in a message, if it is about this function.
fn decode(message: &[u8], number: u16) -> Option<Response> {
    let (interface, response) = Response::decode(message).ok()?;
    (interface == InterfaceId::of(number)).then_some(response)
}

/// The same with how many bytes of the message were given to the caller.
fn written(out: ResponseOut, length: usize) -> ResponseOut {
    ResponseOut(out.0 | (length as u64 & 0xffff) << 8)
}

impl Tdx {
    pub(super) fn devif_request(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let guest = x.rdx & TD_FLAG != 0;
        let (number, no_fw_update) = (x.rdx & 0xff, x.rdx & NO_FW_UPDATE != 0);
        let locks = number == u64::from(TdispCode::Lock);
        let reserved = x.rdx & !(TD_FLAG | NO_FW_UPDATE | 0xff) != 0;
        let valid = !reserved && (!guest || number == 0) && (locks || !no_fw_update);
        demand(valid, Status::OperandInvalid, Operand::Rdx)?;
        demand(x.r9 == 0, Status::OperandInvalid, Operand::R9)?;
        let function = function(x.rcx, Operand::Rcx)?;
        let devif = self.devif(function, Operand::Rcx)?;
        let code = TdispCode::try_from(number).ok();
        let harmless = matches!(code, Some(TdispCode::GetState | TdispCode::Stop));
        demand(
            devif.state != State::Error || harmless,
            Status::DevifTdispErrorState,
            Operand::Rcx,
        )?;
        let free = devif.outstanding.is_none();
        demand(free, Status::DevifTdispOutReq, Operand::Rcx)?;
        let payload = if guest {
            let GuestRequest::Requested(payload) = &devif.guest else {
                return Err(Refused::at(Status::DevifTdispInvalidReqSts, Operand::Rcx));
            };
            payload.clone()
        } else {
            let code = code.filter(|code| is_allowed(*code, false));
            let request = code.and_then(|code| request(devif, code, no_fw_update));
            let request = request.ok_or(Refused::at(Status::OperandInvalid, Operand::Rdx))?;
            request.encode(InterfaceId::of(function))
        };
        let session = devif.spdm;
        self.pamt.check_shared(machine.ground, x.r8, Operand::R8)?;
        let spdm = self.bound(session, Operand::Rcx)?;
        let code = code_of(&payload);
        let packet = spdm.peer.begin(Exchange::Vendor {
            protocol: vendor::PROTOCOL_TDISP,
            payload,
        });
        let Ok(packet) = packet else {
            self.session_over(session);
            return Err(Refused::at(Status::SpdmInvalidState, Operand::Rcx));
        };
        let len = message::write(&self.pamt, machine.ground, x.r8, &packet, Operand::R8)?;
        let devif = self.devif(function, Operand::Rcx)?;
        devif.outstanding = Some(x.r8);
        if guest {
            devif.guest = GuestRequest::Generated;
        }
        Ok(Gprs {
            rcx: RequestOut { code, len }.raw(),
            ..Gprs::default()
        })
    }

    pub(super) fn devif_response(
        &mut self,
        machine: &Machine<'_>,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        let guest = x.rdx & TD_FLAG != 0;
        let page = x.rdx & !TD_FLAG;
        self.pamt.check_shared(machine.ground, page, Operand::Rdx)?;
        demand(x.r9 == 0, Status::OperandInvalid, Operand::R9)?;
        let number = function(x.rcx, Operand::Rcx)?;
        let devif = self.devif(number, Operand::Rcx)?;
        let asked = devif.outstanding;
        let asked = asked.ok_or(Refused::at(Status::DevifTdispOutReq, Operand::Rcx))?;
        let of_guest = devif.guest == GuestRequest::Generated;
        let session = devif.spdm;
        demand(
            of_guest == guest,
            Status::DevifTdispInvalidReqSts,
            Operand::Rdx,
        )?;
        if guest {
            demand(x.r8 == 0, Status::OperandInvalid, Operand::R8)?;
        } else if x.r8 != 0 {
            self.pamt.check_shared(machine.ground, x.r8, Operand::R8)?;
        }
        self.bound(session, Operand::Rcx)?;
        let answer = message::read(&self.pamt, machine.ground, page, Operand::Rdx)?;
        let invalid = Refused::at(Status::DevifTdispInvalidMessage, Operand::Rdx);
        let answer = match self.heard(machine, session, answer, asked)? {
            Heard::Answer(answer) => answer,
            Heard::AskAgain(delay) => return Ok((wait(delay), Status::GoOn)),
            Heard::Nothing => {
                self.devif(number, Operand::Rcx)?.forget_request();
                return Err(invalid);
            }
            Heard::Lost => return Err(Refused::at(Status::SpdmInvalidState, Operand::Rdx)),
        };
        let pamt = &self.pamt;
        let devif = self
            .devifs
            .get_mut(&number)
            .ok_or(Refused::at(Status::DevifmtNotPresent, Operand::Rcx))?;
        devif.outstanding = None;
        let mut out = Gprs::default();
        if guest {
            // What it is the guest will see.
            let code = u64::from(code_of(&answer));
            devif.guest = GuestRequest::Processed(answer);
            out.rcx = code;
            return Ok((out, Status::Success));
        }
        let response = decode(&answer, number).ok_or(invalid)?;
        let guests = matches!(response, Response::Report(_) | Response::Start);
        demand(!guests, Status::OperandInvalid, Operand::Rdx)?;
        let told = process(devif, &response);
        let mut told = told.map_err(|status| Refused::at(status, Operand::Rdx))?;
        if x.r8 != 0 {
            pamt.write(machine.ground, x.r8, &answer, Operand::R8)?;
            told = written(told, answer.len());
        }
        out.rcx = told.0;
        Ok((out, Status::Success))
    }

    /// The guest wants a request to be sent.
    pub(super) fn guest_request(&mut self, x: &Gprs) -> Outcome {
        let code = TdispCode::try_from(x.rdx).ok();
        let code = code.filter(|code| is_allowed(*code, true));
        let code = code.ok_or(Refused::at(Status::OperandInvalid, Operand::Rdx))?;
        demand(x.r9 == 0, Status::OperandInvalid, Operand::R9)?;
        let devif = self.guest_devif(x, true)?;
        demand(
            devif.state != State::Error || code == TdispCode::GetState,
            Status::DevifTdispErrorState,
            Operand::Rcx,
        )?;
        let free = devif.guest == GuestRequest::Available;
        demand(free, Status::DevifTdispInvalidReqSts, Operand::Rcx)?;
        // A report that was read to its end is read again.
        if code == TdispCode::GetReport && devif.report.1 == 0 {
            devif.rewind_report();
        }
        let request = request(devif, code, false);
        let request = request.ok_or(Refused::at(Status::OperandInvalid, Operand::Rdx))?;
        let function = function(x.rcx, Operand::Rcx)?;
        let payload = request.encode(InterfaceId::of(function));
        self.guest_devif(x, true)?.guest = GuestRequest::Requested(payload);
        Ok(Gprs::default())
    }

    /// The guest takes the answer.
    pub(super) fn guest_response(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        demand(x.r9 == 0, Status::OperandInvalid, Operand::R9)?;
        if x.rdx != 0 {
            self.pamt
                .check_shared(machine.ground, x.rdx, Operand::Rdx)?;
        }
        let number = function(x.rcx, Operand::Rcx)?;
        let devif = self.guest_devif(x, true)?;
        let GuestRequest::Processed(answer) = &devif.guest else {
            return Err(Refused::at(Status::DevifTdispInvalidReqSts, Operand::Rcx));
        };
        let answer = answer.clone();
        // Whatever it is: there is nobody who could do anything about it later.
        devif.guest = GuestRequest::Available;
        let invalid = Refused::at(Status::DevifTdispInvalidMessage, Operand::Rcx);
        let response = decode(&answer, number).ok_or(invalid)?;
        let hosts = matches!(response, Response::Lock(_) | Response::Stop);
        demand(!hosts, Status::OperandInvalid, Operand::Rcx)?;
        let told = process(devif, &response);
        let mut told = told.map_err(|status| Refused::at(status, Operand::Rcx))?;
        if x.rdx != 0 {
            self.pamt
                .write(machine.ground, x.rdx, &answer, Operand::Rdx)?;
            told = written(told, answer.len());
        }
        Ok(Gprs {
            rcx: told.0,
            ..Gprs::default()
        })
    }
}

const _: () = assert!(REPORT_PORTION == tdisp::HEADER_SIZE + tdisp::report::PORTION_HEADER_SIZE);
