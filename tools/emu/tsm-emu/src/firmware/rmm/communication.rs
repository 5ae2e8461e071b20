// SPDX-License-Identifier: GPL-2.0

//! Device communication, see [`tsm_wire::rmi::dev_comm`]: an errand whose messages the host
//! carries, one call at a time.

use super::granule::Granules;
use super::Refused;
use crate::firmware::errand::{Errand, Leg};
use crate::firmware::fault::transport;
use crate::firmware::ground::{read, Ground};
use crate::firmware::peer::Line;
use spdm::Carriage;
use tdisp::State;
use tsm_wire::detail::{Detail, TransportFault};
use tsm_wire::rmi::{
    CommStatus, DevCommEnter, DevCommExit, ExitFlags, Fid, Protocol, Status, GRANULE_SIZE,
};
use zerocopy::{FromZeros, IntoBytes};

/// Offset of the exit block in the page.
const EXIT: u64 = 0x800;
/// What an answer may take, in milliseconds; longer than DOE allows.
const TIMEOUT_MS: u64 = 2000;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is nothing to talk about.
    Idle,
    /// Nothing was sent yet.
    Pending,
    /// A request was sent.
    Waiting,
    /// The last answer is there; the host has something of it to keep.
    Draining,
    /// It failed.
    Failed,
}

/// How a call to go on ended.
#[derive(Debug)]
pub(super) enum Progress {
    /// It goes on.
    More,
    /// It is over. The errand tells what came of it.
    Done(Errand),
    /// It failed, and this is the state of the TDI if the device told it since.
    Failed(Option<State>, Detail),
}

/// A communication.
#[derive(Debug)]
pub(super) struct Communication {
    phase: Phase,
    errand: Errand,
    /// The call that began it.
    fid: Option<Fid>,
}

impl Communication {
    pub(super) fn idle() -> Self {
        Self {
            phase: Phase::Idle,
            errand: Errand::nothing(),
            fid: None,
        }
    }

    pub(super) fn pending(fid: Fid, errand: Errand) -> Self {
        Self {
            phase: Phase::Pending,
            errand,
            fid: Some(fid),
        }
    }

    /// The call that began it.
    pub(super) fn fid(&self) -> Option<Fid> {
        self.fid
    }

    /// Whether another can begin.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Failed)
    }

    /// Whether messages are under way.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Draining)
    }

    /// Gives up. Returns whether messages were under way.
    pub(super) fn abort(&mut self) -> Result<bool, Refused> {
        let active = self.is_active();
        if self.phase == Phase::Idle {
            return Err(Status::ErrorDevice.into());
        }
        *self = Self::idle();
        Ok(active)
    }

    /// Marks it as failed.
    pub(super) fn fail(&mut self) {
        self.phase = Phase::Failed;
        self.errand = Errand::nothing();
    }

    /// Goes on.
    pub(super) fn go_on(
        &mut self,
        ground: &dyn Ground,
        granules: &Granules,
        line: &mut Line<'_>,
        data: u64,
    ) -> Result<Progress, Refused> {
        if self.is_free() {
            return Err(Status::ErrorDevice.into());
        }
        let (enter, status) = entry(ground, granules, data)?;
        let leg = match (self.phase, status) {
            (Phase::Pending, CommStatus::None) => self.errand.begin(line),
            (Phase::Waiting, CommStatus::Response) => {
                let length = usize::try_from(enter.resp_len).unwrap_or(0);
                let mut answer = vec![0; length.min(GRANULE_SIZE)];
                ground
                    .read(enter.resp_addr, &mut answer)
                    .map_err(|_| Status::ErrorInput)?;
                self.errand.take(line, &answer)
            }
            (Phase::Waiting, CommStatus::Error) => {
                line.peer.forget();
                Err(transport(TransportFault::NoAnswer))
            }
            (Phase::Draining, CommStatus::None) => Ok(Leg::default()),
            _ => return Err(Status::ErrorDevice.into()),
        };
        let put = leg.and_then(|leg| {
            put(ground, &enter, data, leg).inspect_err(|_| {
                // The request that is in the requester's books never left.
                line.peer.forget();
            })
        });
        Ok(match put {
            Ok(phase) => {
                self.phase = phase;
                match phase {
                    Phase::Idle => {
                        Progress::Done(std::mem::replace(&mut self.errand, Errand::nothing()))
                    }
                    _ => Progress::More,
                }
            }
            Err(detail) => {
                // What the device said in a session that is lost counts no more.
                let session = line.peer.session();
                let state = session.and_then(|_| self.errand.state());
                self.fail();
                Progress::Failed(state, detail)
            }
        })
    }
}

/// Tells the host what to do. What it is to keep of an answer that it could not read is put in the
/// place of that answer.
fn put(ground: &dyn Ground, enter: &DevCommEnter, data: u64, leg: Leg) -> Result<Phase, Detail> {
    let outside = |_| transport(TransportFault::Malformed);
    let mut exit = DevCommExit::new_zeroed();
    let mut flags = ExitFlags::default();
    let mut phase = Phase::Idle;
    if let Some((object, bytes)) = leg.take {
        flags = flags.union(ExitFlags::CACHE_RSP);
        exit.cache_obj_id = object as u64;
        exit.cache_rsp_len = bytes.len() as u64;
        ground.write(enter.resp_addr, &bytes).map_err(outside)?;
        phase = Phase::Draining;
    }
    if let Some(request) = leg.request {
        flags = flags.union(ExitFlags::SEND).union(ExitFlags::WAIT);
        exit.protocol = match request.carriage {
            Carriage::Plain => Protocol::Spdm.into(),
            Carriage::Secured => Protocol::SecureSpdm.into(),
        };
        exit.req_delay = u64::try_from(leg.delay.as_micros()).unwrap_or(u64::MAX);
        exit.req_len = request.bytes.len() as u64;
        exit.rsp_timeout = TIMEOUT_MS;
        if let Some(object) = leg.keep_request {
            flags = flags.union(ExitFlags::CACHE_REQ);
            exit.cache_obj_id = object as u64;
            exit.cache_req_len = request.bytes.len() as u64;
        }
        phase = Phase::Waiting;
        ground
            .write(enter.req_addr, &request.bytes)
            .map_err(outside)?;
    }
    exit.flags = flags.0;
    write_exit(ground, data, &exit)?;
    Ok(phase)
}

/// Tells the host of a communication that has no message: flags, and nothing else.
pub(super) fn tell(
    ground: &dyn Ground,
    granules: &Granules,
    data: u64,
    flags: ExitFlags,
) -> Result<(), Refused> {
    check(ground, granules, data)?;
    let mut exit = DevCommExit::new_zeroed();
    exit.flags = flags.0;
    write_exit(ground, data, &exit).map_err(|_| Status::ErrorInput.into())
}

fn write_exit(ground: &dyn Ground, data: u64, exit: &DevCommExit) -> Result<(), Detail> {
    ground
        .write(data + EXIT, exit.as_bytes())
        .map_err(|_| transport(TransportFault::Malformed))
}

/// Checks what the host says, of a communication that may have no message.
pub(super) fn check(ground: &dyn Ground, granules: &Granules, data: u64) -> Result<(), Refused> {
    entry(ground, granules, data).map(drop)
}

/// Reads and checks what the host says.
fn entry(
    ground: &dyn Ground,
    granules: &Granules,
    data: u64,
) -> Result<(DevCommEnter, CommStatus), Refused> {
    let input = Refused::from(Status::ErrorInput);
    if !granules.is_host_memory(ground, data) {
        return Err(input);
    }
    let enter: DevCommEnter = read(ground, data).ok_or(input)?;
    let status = CommStatus::try_from(enter.status).map_err(|_| input)?;
    let well_formed = granules.is_host_memory(ground, enter.req_addr)
        && granules.is_host_memory(ground, enter.resp_addr)
        && enter.resp_len <= GRANULE_SIZE as u64
        && (status != CommStatus::Response || enter.resp_len != 0)
        && enter.reserved.iter().all(|byte| *byte == 0);
    if well_formed {
        Ok((enter, status))
    } else {
        Err(input)
    }
}
