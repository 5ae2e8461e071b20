// SPDX-License-Identifier: GPL-2.0

//! Something to do with a TDI. When it fails, the device is asked for the state of the TDI before the
//! failure is told, since that decides what the VDEV is now. If the session failed, there is nobody
//! to ask.

use super::super::fault::of_tdisp;
use super::super::peer::Line;
use spdm::measurements::NONCE_SIZE;
use spdm::{measurements, vendor, Exchange, Found};
use tdisp::{Nonce, Operation, Procedure, State};
use tsm_wire::detail::{Detail, DetailClass};
use tsm_wire::object::ObjectType;

#[derive(Debug)]
enum Work {
    Tdisp(Procedure),
    Measure {
        raw: bool,
        nonce: Option<[u8; NONCE_SIZE]>,
    },
}

/// A conversation about a TDI.
#[derive(Debug)]
pub(super) struct Tdi {
    requester_id: u16,
    work: Work,
    request: Option<Vec<u8>>,
    asking: Option<(Procedure, Detail)>,
}

impl Tdi {
    /// Does something with the TDI of this requester ID.
    pub(super) fn operate(requester_id: u16, operation: Operation) -> Self {
        Self {
            requester_id,
            work: Work::Tdisp(Procedure::new(requester_id, operation)),
            request: None,
            asking: None,
        }
    }

    /// Measures the device for it, with this nonce or a fresh one.
    pub(super) fn measure(requester_id: u16, raw: bool, nonce: Option<[u8; NONCE_SIZE]>) -> Self {
        Self {
            work: Work::Measure { raw, nonce },
            ..Self::operate(requester_id, Operation::State)
        }
    }

    pub(super) fn begin(&mut self, line: &mut Line<'_>) -> Exchange {
        match &mut self.work {
            Work::Tdisp(procedure) => {
                if let Some(link) = line.peer.link {
                    *procedure = procedure.clone().on_stream(link.stream);
                }
                exchange(procedure.begin())
            }
            Work::Measure { raw, nonce } => Exchange::Measure {
                slot: line.peer.slot(),
                operation: measurements::OPERATION_ALL,
                raw: *raw,
                signed: true,
                nonce: *nonce,
            },
        }
    }

    pub(super) fn take(&mut self, found: Found) -> Result<Option<(ObjectType, Vec<u8>)>, Detail> {
        if let Some((procedure, detail)) = &mut self.asking {
            if let Found::Vendor(answer) = found {
                let _ = procedure.take(&answer);
            }
            return Err(*detail);
        }
        match (&mut self.work, found) {
            (Work::Tdisp(procedure), Found::Vendor(answer)) => {
                let step = procedure.take(&answer).map_err(of_tdisp)?;
                self.request = step.request;
                let portion = step.take.and_then(|range| answer.get(range));
                Ok(portion.map(|bytes| (ObjectType::InterfaceReport, bytes.to_vec())))
            }
            (Work::Measure { .. }, Found::Measurement(bytes)) => {
                Ok(Some((ObjectType::Measurement, bytes)))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn go_on(&mut self) -> Option<Exchange> {
        self.request.take().map(exchange)
    }

    /// The exchange that asks for the state after this failure; without one, the failure to tell.
    pub(super) fn falter(&mut self, detail: Detail, in_session: bool) -> Result<Exchange, Detail> {
        if let Some((_, first)) = &self.asking {
            return Err(*first);
        }
        // It told its state, and that was what is wrong.
        if detail.class == DetailClass::WrongState || !in_session {
            return Err(detail);
        }
        let procedure = Procedure::new(self.requester_id, Operation::State);
        let request = procedure.begin();
        self.asking = Some((procedure, detail));
        Ok(exchange(request))
    }

    /// State of the TDI, if the device told it.
    pub(super) fn state(&self) -> Option<State> {
        match (&self.asking, &self.work) {
            (Some((procedure, _)), _) => procedure.state(),
            (None, Work::Tdisp(procedure)) => procedure.state(),
            (None, Work::Measure { .. }) => None,
        }
    }

    /// The nonce that came with a lock.
    pub(super) fn nonce(&self) -> Option<Nonce> {
        match &self.work {
            Work::Tdisp(procedure) => procedure.nonce(),
            Work::Measure { .. } => None,
        }
    }
}

fn exchange(payload: Vec<u8>) -> Exchange {
    Exchange::Vendor {
        protocol: vendor::PROTOCOL_TDISP,
        payload,
    }
}
