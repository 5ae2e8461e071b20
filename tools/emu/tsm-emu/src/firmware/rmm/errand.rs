// SPDX-License-Identifier: GPL-2.0

//! What the monitor talks with a device for: conversations, each at most an answer away from its
//! next request, so that the host can carry every message.

use spdm::{vendor, CertificateRead, Conversation, MeasurementRead, Negotiation, Turn};
use std::ops::Range;
use tdisp::{Nonce, Operation, Procedure, State};
use tsm_wire::rmi::status::TransportFault;
use tsm_wire::rmi::{Detail, DetailClass, DevObject};

/// What follows from an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Leg {
    /// Which bytes of the answer belong to an object.
    pub(super) take: Option<(DevObject, Range<usize>)>,
    /// The next request; without one the errand is done.
    pub(super) request: Option<Vec<u8>>,
    /// The whole of that request belongs to this object, too.
    pub(super) keep_request: Option<DevObject>,
}

/// A conversation with a purpose.
#[derive(Debug)]
pub(super) enum Errand {
    /// None: it is done at once.
    Nothing,
    /// Connect to a device and read who it is.
    Identify {
        negotiation: Option<Negotiation>,
        certificate: CertificateRead,
    },
    /// Do something with a TDI.
    Tdi(TdiErrand),
}

impl Errand {
    /// Connects to a device and reads the certificates in a slot.
    pub(super) fn identify(slot: u8) -> Self {
        Self::Identify {
            negotiation: Some(Negotiation::new()),
            certificate: CertificateRead::new(slot),
        }
    }

    /// Does something with the TDI of this requester ID.
    pub(super) fn tdi(requester_id: u16, operation: Operation) -> Self {
        let work = Work::Tdisp(Procedure::new(requester_id, operation));
        Self::Tdi(TdiErrand::new(requester_id, work))
    }

    /// Measures the device, for the TDI of this requester ID.
    pub(super) fn measure(requester_id: u16, raw: bool) -> Self {
        let work = Work::Measure(MeasurementRead::new(raw));
        Self::Tdi(TdiErrand::new(requester_id, work))
    }

    /// The first request.
    pub(super) fn begin(&mut self) -> Leg {
        match self {
            Self::Nothing => Leg::default(),
            Self::Identify {
                negotiation: Some(negotiation),
                ..
            } => leg(DevObject::Vca, negotiation.begin()),
            Self::Identify { certificate, .. } => leg(DevObject::Certificate, certificate.begin()),
            Self::Tdi(tdi) => tdi.begin(),
        }
    }

    /// Takes the answer to the request before.
    pub(super) fn take(&mut self, answer: &[u8]) -> Result<Leg, Detail> {
        match self {
            Self::Nothing => Ok(Leg::default()),
            Self::Identify {
                negotiation,
                certificate,
            } => match negotiation {
                Some(connecting) => {
                    let mut turn = connecting.take(answer).map_err(of_spdm)?;
                    if turn.request.is_some() {
                        return Ok(leg(DevObject::Vca, turn));
                    }
                    *negotiation = None;
                    turn.request = certificate.begin().request;
                    Ok(leg(DevObject::Vca, turn))
                }
                None => Ok(leg(
                    DevObject::Certificate,
                    certificate.take(answer).map_err(of_spdm)?,
                )),
            },
            Self::Tdi(tdi) => tdi.take(answer),
        }
    }

    /// State of the TDI, if the device told it.
    pub(super) fn state(&self) -> Option<State> {
        match self {
            Self::Tdi(tdi) => tdi.state(),
            _ => None,
        }
    }

    /// The nonce that came with a lock.
    pub(super) fn nonce(&self) -> Option<Nonce> {
        match self {
            Self::Tdi(TdiErrand {
                work: Work::Tdisp(procedure),
                ..
            }) => procedure.nonce(),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Work {
    Tdisp(Procedure),
    Measure(MeasurementRead),
}

/// Something to do with a TDI. When it fails, the device is asked for the state of the TDI before
/// the failure is told, since that decides what the VDEV is now.
#[derive(Debug)]
pub(super) struct TdiErrand {
    requester_id: u16,
    work: Work,
    asking: Option<(Procedure, Detail)>,
}

impl TdiErrand {
    fn new(requester_id: u16, work: Work) -> Self {
        Self {
            requester_id,
            work,
            asking: None,
        }
    }

    fn begin(&mut self) -> Leg {
        match &mut self.work {
            Work::Tdisp(procedure) => Leg {
                request: Some(seal(&procedure.begin())),
                ..Leg::default()
            },
            Work::Measure(measure) => leg(DevObject::Measurement, measure.begin()),
        }
    }

    fn take(&mut self, answer: &[u8]) -> Result<Leg, Detail> {
        if let Some((procedure, detail)) = &mut self.asking {
            if let Ok(payload) = open(answer) {
                let _ = procedure.take(answer.get(payload).unwrap_or_default());
            }
            return Err(*detail);
        }
        let outcome = match &mut self.work {
            Work::Tdisp(procedure) => step(procedure, answer),
            Work::Measure(measure) => {
                let turn = measure.take(answer).map_err(of_spdm);
                turn.map(|turn| leg(DevObject::Measurement, turn))
            }
        };
        match outcome {
            Ok(leg) => Ok(leg),
            // It told its state, and that was what is wrong.
            Err(detail) if detail.class == DetailClass::WrongState => Err(detail),
            Err(detail) => {
                let procedure = Procedure::new(self.requester_id, Operation::State);
                let request = Some(seal(&procedure.begin()));
                self.asking = Some((procedure, detail));
                Ok(Leg {
                    request,
                    ..Leg::default()
                })
            }
        }
    }

    fn state(&self) -> Option<State> {
        match (&self.asking, &self.work) {
            (Some((procedure, _)), _) => procedure.state(),
            (None, Work::Tdisp(procedure)) => procedure.state(),
            (None, Work::Measure(_)) => None,
        }
    }
}

fn step(procedure: &mut Procedure, answer: &[u8]) -> Result<Leg, Detail> {
    let payload = open(answer).map_err(of_spdm)?;
    let start = payload.start;
    let step = procedure
        .take(answer.get(payload).unwrap_or_default())
        .map_err(of_tdisp)?;
    let shift = |range: Range<usize>| {
        (
            DevObject::InterfaceReport,
            range.start + start..range.end + start,
        )
    };
    Ok(Leg {
        take: step.take.map(shift),
        request: step.request.map(|request| seal(&request)),
        keep_request: None,
    })
}

/// How a TDISP message travels. Here a session comes in: it would seal and open as well.
fn seal(message: &[u8]) -> Vec<u8> {
    vendor::wrap(vendor::PROTOCOL_TDISP, message)
}

/// Where the TDISP message is in what travelled.
fn open(bytes: &[u8]) -> Result<Range<usize>, spdm::Fault> {
    vendor::unwrap(bytes, vendor::PROTOCOL_TDISP)
}

fn leg(object: DevObject, turn: Turn) -> Leg {
    Leg {
        take: turn
            .take
            .filter(|range| !range.is_empty())
            .map(|range| (object, range)),
        keep_request: turn.keep_request.then_some(object),
        request: turn.request,
    }
}

fn transport(fault: TransportFault) -> Detail {
    Detail {
        class: DetailClass::Transport,
        value: fault as u16,
    }
}

fn of_spdm(fault: spdm::Fault) -> Detail {
    match fault {
        spdm::Fault::Refused(code) => Detail {
            class: DetailClass::Spdm,
            value: u16::from(code),
        },
        spdm::Fault::Short => transport(TransportFault::Short),
        spdm::Fault::TooLong => transport(TransportFault::TooLong),
        spdm::Fault::Unexpected(_) => transport(TransportFault::Unexpected),
        spdm::Fault::Malformed => transport(TransportFault::Malformed),
    }
}

fn of_tdisp(fault: tdisp::Fault) -> Detail {
    match fault {
        tdisp::Fault::Refused(code) => Detail {
            class: DetailClass::Tdisp,
            value: code as u16,
        },
        tdisp::Fault::WrongState(state) => Detail {
            class: DetailClass::WrongState,
            value: state as u16,
        },
        tdisp::Fault::Unexpected => transport(TransportFault::Unexpected),
        tdisp::Fault::Malformed(tdisp::Malformed::Short) => transport(TransportFault::Short),
        tdisp::Fault::Malformed(_) | tdisp::Fault::Inconsistent => {
            transport(TransportFault::Malformed)
        }
    }
}
