// SPDX-License-Identifier: GPL-2.0

//! IDE streams between PDEVs, see [`tsm_wire::rmi::stream`].

use super::communication::{check as check_page, tell, Communication, Progress};
use super::pdev::Pdev;
use super::{injected, Refused, Rmm};
use crate::firmware::errand::Errand;
use crate::firmware::ground::{is_aligned, read, Ground};
use crate::firmware::peer::Link;
use crate::firmware::tsm::Machine;
use tsm_wire::rmi::stream::{STREAM_ADDR_RANGE_MAX, STREAM_NCOH};
use tsm_wire::rmi::{ExitFlags, Fid, PdevStreamParams, Status};

/// Stream IDs that a stream can have are below this one.
const STREAM_IDS: u64 = ide_km::RESERVED_STREAM as u64;

/// Where the communication of both ends stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing was said yet.
    Begun,
    /// The root port is there; it is the endpoint's turn.
    Endpoint,
    /// The endpoint is done.
    RootPort,
    /// So is the root port; the endpoint does not know.
    Last,
    /// Both are over.
    Over,
    /// Nothing is under way.
    None,
}

/// Which of the two a PDEV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The device.
    Endpoint,
    /// The root port above it.
    RootPort,
}

/// What a call to communicate means for an end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// Wait for the other end.
    Wait,
    /// Its messages are due.
    Talk,
    /// It is over.
    Over,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    endpoint: u64,
    root_port: u64,
    link: Link,
    /// The call that began what is under way.
    fid: Fid,
    turn: Turn,
}

impl Stream {
    fn end(&self, pdev: u64) -> Option<End> {
        if pdev == self.endpoint {
            Some(End::Endpoint)
        } else {
            (pdev == self.root_port).then_some(End::RootPort)
        }
    }

    /// What the endpoint has to say.
    fn errand(&self) -> Errand {
        match self.fid {
            Fid::PdevStreamDisconnect => Errand::unkey(self.link),
            _ => Errand::key(self.link),
        }
    }

    /// Whether something is under way that this PDEV is not done with.
    fn concerns(&self, pdev: u64) -> bool {
        match self.end(pdev) {
            Some(End::Endpoint) => !matches!(self.turn, Turn::Over | Turn::None),
            Some(End::RootPort) => !matches!(self.turn, Turn::Last | Turn::Over | Turn::None),
            None => false,
        }
    }

    fn advance(&mut self, end: End) -> Move {
        let (turn, next) = match (end, self.turn) {
            (End::RootPort, Turn::Begun) => (Turn::Endpoint, Move::Wait),
            (End::RootPort, Turn::RootPort) => (Turn::Last, Move::Over),
            (End::Endpoint, Turn::Endpoint) => (Turn::Endpoint, Move::Talk),
            (End::Endpoint, Turn::Last) => (Turn::Over, Move::Over),
            (_, turn) => (turn, Move::Wait),
        };
        self.turn = turn;
        next
    }
}

impl Rmm {
    /// Whether a PDEV is an end of a stream.
    pub(super) fn has_stream(&self, pdev: u64) -> bool {
        self.streams
            .values()
            .any(|stream| stream.end(pdev).is_some())
    }

    /// Gives up what is under way with a stream of a PDEV's. Returns whether there was something.
    pub(super) fn stream_abort(&mut self, pdev: u64) -> bool {
        let of_it = |stream: &&mut Stream| stream.turn != Turn::None && stream.end(pdev).is_some();
        let stream = self.streams.values_mut().find(of_it);
        stream.map(|stream| stream.turn = Turn::None).is_some()
    }

    /// Goes on with what is under way with a stream of a PDEV's, if that is what it is about.
    pub(super) fn stream_communicate(
        &mut self,
        machine: &mut Machine<'_>,
        address: u64,
        data: u64,
    ) -> Option<Result<(), Refused>> {
        let stream = self.streams.values_mut().find(|s| s.concerns(address))?;
        let ground = machine.ground;
        // A call that is refused changes nothing.
        if let Err(refused) = check_page(ground, &self.granules, data) {
            return Some(Err(refused));
        }
        let (end, fid) = (stream.end(address)?, stream.fid);
        let pdev = self.pdevs.get_mut(&address)?;
        if !pdev.communication().is_active() {
            match stream.advance(end) {
                Move::Wait => {
                    return Some(tell(ground, &self.granules, data, ExitFlags::STREAM_WAIT))
                }
                Move::Over if end == End::Endpoint && machine.knobs.fails_after(fid.into()) => {
                    return Some(Err(injected(true)));
                }
                Move::Over => {
                    return Some(tell(ground, &self.granules, data, ExitFlags::default()))
                }
                Move::Talk => {
                    *pdev.communication() = Communication::pending(fid, stream.errand());
                }
            }
        }
        Some(self.stream_talk(machine, address, data))
    }

    fn stream_talk(
        &mut self,
        machine: &mut Machine<'_>,
        address: u64,
        data: u64,
    ) -> Result<(), Refused> {
        let Self {
            granules,
            pdevs,
            streams,
            ..
        } = self;
        let pdev = pdevs.get_mut(&address).ok_or(Status::ErrorInput)?;
        let (communication, peer) = pdev.conversation();
        let ground = machine.ground;
        let mut line = machine.line(peer);
        match communication.go_on(ground, granules, &mut line, data)? {
            Progress::More => Ok(()),
            Progress::Done(_) => {
                let stream = streams.values_mut().find(|s| s.concerns(address));
                if let Some(stream) = stream {
                    stream.turn = Turn::RootPort;
                }
                tell(ground, granules, data, ExitFlags::STREAM_WAIT)
            }
            Progress::Failed(_, detail) => {
                pdev.break_down();
                Err(Refused::with(Status::ErrorDevice, detail.raw()))
            }
        }
    }

    pub(super) fn stream_connect(
        &mut self,
        ground: &dyn Ground,
        params: u64,
    ) -> Result<u64, Refused> {
        let input = Refused::from(Status::ErrorInput);
        if !self.granules.is_host_memory(ground, params) {
            return Err(input);
        }
        let params: PdevStreamParams = read(ground, params).ok_or(input)?;
        let id = check(&params)?;
        let ready = |pdev: u64| self.pdevs.get(&pdev).filter(|pdev| pdev.is_ready());
        let (endpoint, root_port) = (params.pdev_1, params.pdev_2);
        let is_device = ready(endpoint).is_some_and(|pdev| pdev.root_port().is_none());
        let number = ready(root_port).and_then(Pdev::root_port);
        // One stream of this type a device, one operation a port, and no second stream of that ID.
        let taken = self.streams.values().any(|stream| {
            stream.endpoint == endpoint
                || stream.root_port == root_port
                    && (stream.link.stream == id || stream.turn != Turn::None)
        });
        let number = number.filter(|_| is_device && !taken).ok_or(input)?;
        // As TF-RMM has it: the endpoint's address with the type below its page.
        let handle = endpoint | STREAM_NCOH;
        let stream = Stream {
            endpoint,
            root_port,
            link: Link {
                root_port: number,
                stream: id,
            },
            fid: Fid::PdevStreamConnect,
            turn: Turn::Begun,
        };
        self.streams.insert(handle, stream);
        Ok(handle)
    }

    pub(super) fn stream_disconnect(
        &mut self,
        endpoint: u64,
        root_port: u64,
        handle: u64,
    ) -> Result<(), Refused> {
        let used = self.vdevs.values().any(|vdev| vdev.pdev() == endpoint);
        let stream = self.stream(endpoint, root_port, handle)?;
        // Of a connection that was given up, too: its PDEVs could not be stopped otherwise.
        if used || stream.turn != Turn::None {
            return Err(Status::ErrorDevice.into());
        }
        stream.fid = Fid::PdevStreamDisconnect;
        stream.turn = Turn::Begun;
        Ok(())
    }

    pub(super) fn stream_complete(
        &mut self,
        endpoint: u64,
        root_port: u64,
        handle: u64,
    ) -> Result<(), Refused> {
        let stream = self.stream(endpoint, root_port, handle)?;
        if stream.turn != Turn::Over {
            return Err(Status::ErrorDevice.into());
        }
        stream.turn = Turn::None;
        if stream.fid == Fid::PdevStreamDisconnect {
            self.streams.remove(&handle);
        }
        Ok(())
    }

    fn stream(
        &mut self,
        endpoint: u64,
        root_port: u64,
        handle: u64,
    ) -> Result<&mut Stream, Refused> {
        self.streams
            .get_mut(&handle)
            .filter(|stream| stream.endpoint == endpoint && stream.root_port == root_port)
            .ok_or(Status::ErrorInput.into())
    }
}

/// The stream ID, if the parameters are well formed.
fn check(params: &PdevStreamParams) -> Result<u8, Refused> {
    let ranges = usize::try_from(params.num_addr_range).unwrap_or(usize::MAX);
    let used = params.addr_range.iter().take(ranges);
    let mut end = 0;
    let ascending = used.clone().all(|range| {
        let fits = is_aligned(range.base)
            && is_aligned(range.top)
            && range.base >= end
            && range.base < range.top;
        end = range.top;
        fits
    });
    let well_formed = params.flags == 0
        && is_aligned(params.pdev_1)
        && is_aligned(params.pdev_2)
        && params.ide_sid < STREAM_IDS
        && ranges <= STREAM_ADDR_RANGE_MAX
        && ascending
        && params
            .reserved0
            .iter()
            .chain(&params.reserved1)
            .all(|byte| *byte == 0);
    if !well_formed {
        return Err(Status::ErrorInput.into());
    }
    if params.stream_type != STREAM_NCOH {
        return Err(Status::ErrorNotSupported.into());
    }
    Ok(params.ide_sid as u8)
}
