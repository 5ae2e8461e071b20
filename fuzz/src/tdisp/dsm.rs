// SPDX-License-Identifier: GPL-2.0

//! The Device Security Manager: whatever happens, TDIs move along the arrows of TDISP and no others
//! (PCI Express 6.0, figure 11-5 and 11.4).

use super::functions::{Functions, TDIS};
use crate::Input;
use tdisp::interface_report::{Range, WireRange, RANGE_UPDATABLE};
use tdisp::lock::{Flags, LockRequest};
use tdisp::report::{Portion, ReportRequest};
use tdisp::vdm::Vdm;
use tdisp::{Dsm, Hosting, InterfaceId, InterfaceReport, Nonce, Request, Response, State};
use zerocopy::little_endian::{U16, U32, U64};

/// Most bytes of a report at a time.
const PORTION_MAX: usize = 40;
/// Most events of an input.
const EVENTS: usize = 64;

/// What is known of a TDI that is locked, or was.
#[derive(Clone, Debug, Default)]
struct Locked {
    nonce: Nonce,
    session: u32,
    stream: u8,
    offset: u64,
    flags: Flags,
    peers: Vec<u8>,
}

struct Rig {
    dsm: Dsm,
    functions: Functions,
    known: [Locked; TDIS],
}

/// What the device can do, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rig = Rig {
        dsm: Dsm::new(TDIS, PORTION_MAX),
        functions: Functions::new(input.byte()),
        known: Default::default(),
    };
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
}

/// Lives of a TDI.
pub fn seeds() -> Vec<Vec<u8>> {
    let lock = [0u8, 0, 0, 2, 8, 0, 5, 0, 0x10, 0, 0, 0, 0, 0, 0];
    let run = [0u8, 0, 0, 5, 0];
    let bind = [0u8, 0, 0, 7, 6];
    let part = [0u8, 0, 0, 3, 10, 0, 30, 0];
    let attribute = [
        &[0u8, 0, 0, 9][..],
        &[8 + 0x10, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 2, 0],
    ]
    .concat();
    let stop = [0u8, 0, 0, 6];
    let whole = [
        &[7][..],
        &lock,
        &part,
        &run,
        &bind,
        &attribute,
        &part,
        &stop,
    ]
    .concat();
    let lost = |event: &[u8]| [&[7][..], &lock, &run, &bind, event, &run, &stop].concat();
    vec![
        whole,
        lost(&[2, 6]),
        lost(&[2, 5]),
        lost(&[3, 0]),
        lost(&[4, 0]),
        lost(&[5]),
        lost(&[6, 3]),
        [&[0][..], &lock, &[1, 0, 3, 0, 0x10, 0x85, 0]].concat(),
    ]
}

impl Rig {
    fn states(&self) -> [State; TDIS] {
        [0, 1].map(|tdi| self.dsm.state(tdi).unwrap())
    }

    fn event(&mut self, input: &mut Input<'_>) {
        let before = self.states();
        match input.byte() % 7 {
            0 => {
                let session = u32::from(input.byte() % 2) + 1;
                let tdi = input.byte() % 3;
                let id = InterfaceId::of(tdi.into());
                let known = self
                    .known
                    .get(usize::from(tdi))
                    .cloned()
                    .unwrap_or_default();
                let request = request(input, &known);
                self.ask(session, &request.encode(id));
            }
            1 => {
                let session = u32::from(input.byte() % 2) + 1;
                let bytes = input.bytes();
                self.ask(session, bytes);
            }
            2 => {
                let stream = input.byte();
                let hit = |tdi: usize| {
                    let known = &self.known[tdi];
                    known.stream == stream || known.peers.contains(&stream)
                };
                let expected = [0, 1].map(|tdi| before[tdi].is_locked() && hit(tdi));
                let count = self.dsm.stream_lost(stream);
                self.failed(before, expected, count);
            }
            3 => {
                let session = u32::from(input.byte() % 2) + 1;
                let mine = |tdi: usize| self.known[tdi].session == session;
                let expected = [0, 1].map(|tdi| before[tdi].is_locked() && mine(tdi));
                let count = self.dsm.session_ended(session);
                self.failed(before, expected, count);
            }
            4 => {
                let which = usize::from(input.byte() % 3);
                let expected = [0, 1].map(|tdi| before[tdi].is_locked() && tdi == which);
                let failed = self.dsm.fail(which);
                self.failed(before, expected, usize::from(failed));
            }
            5 => {
                self.dsm.reset();
                assert_eq!(self.states(), [State::Unlocked; TDIS]);
            }
            _ => {
                let choice = input.byte();
                self.functions.configured = choice & 1 != 0;
                self.functions.entropy = choice & 2 != 0;
                self.functions.keyed = match choice >> 2 & 3 {
                    0 => vec![(5, 1), (6, 1), (7, 1)],
                    1 => vec![(5, 2), (6, 1), (7, 2)],
                    2 => Vec::new(),
                    _ => vec![(6, 1), (5, 1)],
                };
            }
        }
        for tdi in 0..TDIS {
            let interface = self.dsm.interface(tdi).unwrap();
            let locked = interface.state().is_locked();
            assert_eq!(interface.locked_with().is_some(), locked);
            if !locked {
                self.known[tdi].peers.clear();
            }
            let known = &self.known[tdi];
            let others = [known.stream, known.stream ^ 1, 5, 6, 7];
            for stream in known.peers.iter().copied().chain(others) {
                let uses = locked && (known.stream == stream || known.peers.contains(&stream));
                assert_eq!(interface.uses(stream), uses);
            }
        }
        assert_eq!(self.dsm.state(TDIS), None);
    }

    /// Those that were to fail are in ERROR, and the others are as they were.
    fn failed(&self, before: [State; TDIS], expected: [bool; TDIS], count: usize) {
        let after = [0, 1].map(|tdi| {
            if expected[tdi] {
                State::Error
            } else {
                before[tdi]
            }
        });
        assert_eq!(self.states(), after);
        assert_eq!(count, expected.iter().filter(|failed| **failed).count());
    }

    fn ask(&mut self, session: u32, bytes: &[u8]) {
        let before = self.states();
        let scrubbed = self.functions.scrubbed.len();
        let changed = self.functions.attributes.len();
        let answer = self.dsm.respond(&mut self.functions, session, bytes);
        let (id, response) = Response::decode(&answer).unwrap();
        let decoded = Request::decode(bytes);
        match &decoded {
            Ok((asked, _)) => assert_eq!(id, *asked),
            Err(refused) => {
                let error = Response::Error(refused.code as u32, refused.data);
                assert_eq!((id, &response), (refused.interface, &error));
            }
        }
        let tdi = usize::from(id.requester_id());
        let after = self.states();
        if tdi >= TDIS || !id.is_well_formed() {
            assert!(matches!(response, Response::Error(..)));
            assert_eq!(after, before);
            return;
        }
        assert_eq!(after[1 - tdi], before[1 - tdi], "another TDI moved");
        let (from, to) = (before[tdi], after[tdi]);
        let known = &mut self.known[tdi];
        // What is locked obeys the session that locked it.
        let obeys = !from.is_locked() || known.session == session;
        match (decoded.map(|(_, request)| request), &response) {
            (Ok(Request::Lock(wanted)), Response::Lock(nonce)) => {
                assert_eq!((from, to), (State::Unlocked, State::Locked));
                assert_ne!(*nonce, known.nonce, "a nonce came twice");
                let stream = wanted.default_stream;
                assert!(self.functions.configured && self.functions.entropy);
                assert!(self.functions.stream_is_ready(stream, session));
                *known = Locked {
                    nonce: *nonce,
                    session,
                    stream,
                    offset: wanted.mmio_reporting_offset.get(),
                    flags: Flags(wanted.flags.get() & 0x1f),
                    peers: Vec::new(),
                };
                let interface = self.dsm.interface(tdi).unwrap().locked_with().unwrap();
                assert_eq!((interface.flags, interface.stream), (known.flags, stream));
                return;
            }
            (Ok(Request::Start(nonce)), Response::Start) => {
                assert_eq!((from, to), (State::Locked, State::Run));
                assert!(obeys && nonce == known.nonce, "started by somebody else");
            }
            (Ok(Request::Stop), Response::Stop) => {
                assert_eq!(to, State::Unlocked);
                assert!(obeys, "stopped by somebody else");
                assert_eq!(self.functions.scrubbed[scrubbed..], [tdi]);
                return;
            }
            (Ok(Request::BindP2p(stream)), Response::BindP2p) => {
                assert!(obeys && from == State::Run && known.flags.contains(Flags::BIND_P2P));
                assert!(self.functions.p2p_stream_is_ready(stream, session));
                assert!(!known.peers.contains(&stream) && stream != known.stream);
                known.peers.push(stream);
            }
            (Ok(Request::UnbindP2p(stream)), Response::UnbindP2p) => {
                assert!(obeys && from == State::Run && known.peers.contains(&stream));
                known.peers.retain(|peer| *peer != stream);
            }
            (Ok(Request::SetMmioAttribute(wanted)), Response::SetMmioAttribute) => {
                assert!(obeys && from == State::Run);
                let (of, range) = self.functions.attributes[changed];
                assert_eq!(of, tdi);
                inside(&range, &wanted, known.offset);
            }
            (Ok(Request::GetReport(part)), Response::Report(portion)) => {
                assert!(from.is_locked());
                report(&self.functions, tdi, known, part, portion);
            }
            (Ok(Request::GetState), Response::State(state)) => assert_eq!(*state, from),
            (Ok(Request::GetVersion), Response::Version(versions)) => {
                assert_eq!(versions[..], [0x10]);
            }
            (Ok(Request::GetCapabilities(_)), Response::Capabilities(_)) => {}
            (Ok(Request::Vdm(_)), Response::Vdm(_)) => assert!(self.functions.features.vdm),
            (_, Response::Error(..)) => {}
            (asked, response) => panic!("{response:?} to {asked:?}"),
        }
        if to != from {
            assert!(
                matches!(response, Response::Start),
                "{from:?} to {to:?}: {response:?}"
            );
        }
        assert_eq!(self.functions.scrubbed.len(), scrubbed);
        let calls = self.functions.attributes.len() - changed;
        assert!(calls == 0 || from == State::Run && obeys);
    }
}

/// A request that is in good form.
fn request(input: &mut Input<'_>, known: &Locked) -> Request {
    match input.byte() % 11 {
        0 => Request::GetVersion,
        1 => Request::GetCapabilities(input.word()),
        2 => Request::Lock(LockRequest {
            flags: U16::new(input.half()),
            default_stream: input.byte(),
            reserved: 0,
            mmio_reporting_offset: U64::new(input.double() << 12),
            bind_p2p_mask: U64::new(0),
        }),
        3 => Request::GetReport(ReportRequest {
            offset: U16::new(input.half()),
            length: U16::new(input.half()),
        }),
        4 => Request::GetState,
        5 => {
            let mut nonce = known.nonce;
            nonce[0] ^= input.byte();
            Request::Start(nonce)
        }
        6 => Request::Stop,
        7 => Request::BindP2p(input.byte()),
        8 => Request::UnbindP2p(input.byte()),
        9 => Request::SetMmioAttribute(WireRange {
            first_page: U64::new(input.double()),
            pages: U32::new(input.word()),
            attributes: U16::new(input.half()),
            id: U16::new(input.half()),
        }),
        _ => Request::Vdm(Vdm {
            registry: 0,
            vendor: vec![0x34, 0x12],
            data: input.bytes().to_vec(),
        }),
    }
}

/// The portion is that part of the report that was asked for.
fn report(
    functions: &Functions,
    tdi: usize,
    known: &Locked,
    part: ReportRequest,
    portion: &Portion,
) {
    let whole: InterfaceReport = functions.report(tdi, known.flags).unwrap();
    let bytes = whole.encode(known.offset);
    let (offset, length) = (part.offset.get().into(), part.length.get().into());
    let end: usize = offset + portion.bytes.len();
    assert_eq!(bytes[offset..end], portion.bytes);
    assert_eq!(bytes.len() - end, usize::from(portion.remainder));
    let most = PORTION_MAX.min(length).min(bytes.len() - offset);
    assert_eq!(portion.bytes.len(), most);
    assert_ne!(most, 0);
}

/// What was changed is what was named, and part of a range that can be changed.
fn inside(changed: &Range, wanted: &WireRange, offset: u64) {
    let all = Functions::ranges();
    let of = all.iter().find(|range| range.id == changed.id).unwrap();
    assert_ne!(of.attributes & RANGE_UPDATABLE, 0);
    let (first, last) = (of.address >> 12, (of.address >> 12) + u64::from(of.pages));
    let page = changed.address >> 12;
    assert!(page >= first && page + u64::from(changed.pages) <= last);
    assert_eq!(
        (changed.pages, changed.id),
        (wanted.pages.get(), wanted.id.get())
    );
    // The device sees no other address than the one that was reported. Numbers of pages have 52 bits.
    let reported = changed.address.wrapping_add(offset) >> 12;
    assert_eq!(reported, wanted.first_page.get() & ((1 << 52) - 1));
}
