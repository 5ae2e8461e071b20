// SPDX-License-Identifier: GPL-2.0

//! A port: however it is keyed and configured, a stream is secure only with a key in use for all that
//! it carries, and nobody misses the moment when it is not any more.

use crate::{seeds, Input};
use ide_km::{
    k_gostop_ack, k_set_go, k_set_stop, query, Direction, Key, KeyProg, KeySet, Keys, KpAck, Port,
    QueryResp, Shape, Slot, Status, Target, RESERVED_STREAM,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most events of an input.
const EVENTS: usize = 96;
const SETS: [KeySet; 2] = [KeySet::K0, KeySet::K1];

/// What the answers of the port say that it has: slots with a key, and whether it is in use.
#[derive(Default)]
struct Model {
    slots: BTreeMap<(u8, u8), bool>,
}

impl Model {
    fn clear(&mut self, stream: u8) {
        self.slots.retain(|(of, _), _| *of != stream);
    }

    fn go(&mut self, stream: u8, slot: u8) {
        if self.slots.get(&(stream, slot ^ 1)) == Some(&true) {
            self.slots.remove(&(stream, slot ^ 1));
        }
        self.slots.insert((stream, slot), true);
    }

    fn full(&self, stream: u8, set: KeySet) -> bool {
        Slot::of(set).all(|slot| self.slots.contains_key(&(stream, slot.encode())))
    }

    /// Whether each direction of each sub-stream has a key in use.
    fn runs(&self, stream: u8) -> bool {
        let used = |slot: u8| self.slots.get(&(stream, slot)) == Some(&true);
        Slot::of(KeySet::K0).all(|slot| used(slot.encode()) || used(slot.encode() ^ 1))
    }
}

/// Which streams are keyed, and which are secure.
fn condition(port: &Port) -> [BTreeSet<u8>; 2] {
    let keys = port.keys();
    let of = |is: &dyn Fn(u8) -> bool| keys.streams().filter(|stream| is(*stream)).collect();
    [
        of(&|stream| keys.is_keyed(stream)),
        of(&|stream| keys.is_secure(stream)),
    ]
}

struct Rig {
    port: Port,
    index: u8,
    model: Model,
    owner: Option<u32>,
    /// Streams that were keyed or secure and are not, and nobody was told yet.
    lost: BTreeSet<u8>,
}

/// What kind of port it is, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let shape = Shape {
        streams: kind & 3,
        associations: kind >> 2 & 3,
        endpoint: kind & 16 != 0,
    };
    let index = kind >> 5 & 1;
    let mut rig = Rig {
        port: Port::new(index, shape),
        index,
        model: Model::default(),
        owner: None,
        lost: BTreeSet::new(),
    };
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
    rig.told();
}

/// Streams that are keyed, in several orders, and lost.
pub fn seeds() -> Vec<Vec<u8>> {
    let write =
        |offset: u8, value: u32| [&[1, offset / 4], &value.to_le_bytes()[..], &[0xff; 4]].concat();
    let message = |bytes: Vec<u8>| [&[0, 0][..], &seeds::bytes(&bytes)].concat();
    let program = |slot: Slot| {
        let key = Key::new([slot.encode(); 32]);
        let target = Target::new(0, 5, slot);
        message(KeyProg { target, key }.encode())
    };
    let go = |slot| message(k_set_go::encode(Target::new(0, 5, slot)));
    let stop = |slot| message(k_set_stop::encode(Target::new(0, 5, slot)));
    let configured = [
        vec![0x15],
        write(0x10, 0x0540_0000),
        message(query::encode(0)),
    ]
    .concat();
    let keyed = |set| Slot::of(set).flat_map(program).collect::<Vec<_>>();
    let started = |set| Slot::of(set).flat_map(go).collect::<Vec<_>>();
    let secure = [configured.clone(), keyed(KeySet::K0), started(KeySet::K0)].concat();
    let enabled = [secure.clone(), write(0x10, 0x0540_0001)].concat();
    let refreshed = [enabled.clone(), keyed(KeySet::K1), started(KeySet::K1)].concat();
    let direct = [
        &[0x11][..],
        &[6, 5, 0],
        &[7, 5, 0, 0],
        &[7, 5, 0, 1],
        &[8, 5, 0],
    ]
    .concat();
    let ends: [&[u8]; 6] = [
        &[2, 0],
        &[3, 5],
        &[4, 5],
        &[5],
        &[9],
        &write(0x10, 0x0540_0000),
    ];
    let mut all = vec![configured, secure, refreshed, direct];
    all.extend(ends.map(|end| [&enabled, end].concat()));
    all.push([enabled, Slot::of(KeySet::K0).flat_map(stop).collect()].concat());
    all
}

impl Rig {
    fn event(&mut self, input: &mut Input<'_>) {
        let [keyed, secure] = condition(&self.port);
        let size = self.port.size();
        let mut may_start = false;
        match input.byte() % 10 {
            0 => {
                let session = u32::from(input.byte() % 2);
                may_start = self.message(session, input.bytes());
            }
            1 => self.write(usize::from(input.byte()) * 4, input.word(), input.word()),
            2 => {
                let session = u32::from(input.byte() % 2);
                self.port.session_ended(session);
                if self.owner == Some(session) {
                    self.owner = None;
                    self.model.slots.clear();
                }
            }
            3 => {
                let stream = input.byte();
                self.port.fail(stream);
                self.model.clear(stream);
            }
            4 => {
                let stream = input.byte();
                let fails = |rig: &Self| rig.statuses().iter().filter(|it| **it >> 31 != 0).count();
                let before = fails(self);
                self.port.receive_fail(stream);
                assert!(self.port.capability().has(stream) || fails(self) == before);
            }
            5 => {
                self.port.reset();
                self.owner = None;
                self.model.slots.clear();
                assert!(self.statuses().iter().all(|status| *status == 0));
            }
            6 => {
                let (stream, set) = (input.byte(), input.pick(&SETS));
                let mut byte = input.byte();
                let keys = Keys::generate(&mut |bytes| {
                    byte = byte.wrapping_add(1);
                    bytes.fill(byte);
                    true
                });
                let slots = || Slot::of(set).map(|slot| (stream, slot.encode()));
                let used = slots().find(|at| self.model.slots.get(at) == Some(&true));
                let result = self.port.program(stream, set, &keys.unwrap());
                assert_eq!(result.is_ok(), used.is_none());
                for at in slots().take_while(|at| Some(*at) != used) {
                    self.model.slots.insert(at, false);
                }
            }
            7 => {
                let (stream, set) = (input.byte(), input.pick(&SETS));
                let direction = input.pick(&Direction::ALL);
                let slots = || Slot::towards(set, direction).map(|slot| slot.encode());
                let empty = slots().find(|slot| !self.model.slots.contains_key(&(stream, *slot)));
                let result = self.port.go(stream, set, direction);
                assert_eq!(result.is_ok(), empty.is_none());
                for slot in slots().take_while(|slot| Some(*slot) != empty) {
                    self.model.go(stream, slot);
                }
                may_start = true;
            }
            8 => {
                let (stream, set) = (input.byte(), input.pick(&SETS));
                self.port.stop(stream, set);
                for slot in Slot::of(set) {
                    self.model.slots.remove(&(stream, slot.encode()));
                }
            }
            _ => self.told(),
        }
        self.check([keyed, secure], may_start);
        assert_eq!(self.port.size(), size);
    }

    /// What has to hold after each event.
    fn check(&mut self, [keyed, secure]: [BTreeSet<u8>; 2], may_start: bool) {
        let [now_keyed, now_secure] = condition(&self.port);
        for stream in &now_secure {
            assert!(self.model.runs(*stream), "stream {stream} lacks a key");
            assert!(now_keyed.contains(stream));
            assert!(
                may_start || secure.contains(stream),
                "stream {stream} secure by itself"
            );
        }
        for stream in &now_keyed {
            let full = SETS.iter().any(|set| self.model.full(*stream, *set));
            assert!(
                full || now_secure.contains(stream),
                "stream {stream} lacks a key"
            );
        }
        self.lost.extend(keyed.difference(&now_keyed));
        self.lost.extend(secure.difference(&now_secure));
        let blocks = self.port.capability().shape().streams;
        for (block, status) in (0..blocks).zip(self.statuses()) {
            let control = self.port.read(self.block(block) + 4);
            let stream = (control >> 24) as u8;
            let right = control & 1 != 0 && now_secure.contains(&stream);
            assert!(
                status & 0xf == 0 || status & 0xf == 2 && right,
                "{status:#x}"
            );
        }
        for session in 0..2 {
            let mine = self.owner == Some(session);
            // One that is never used is there, too.
            for stream in self.port.keys().streams().chain([5, 6, RESERVED_STREAM]) {
                let keyed = self.port.is_keyed_by(stream, session);
                assert_eq!(keyed, mine && now_keyed.contains(&stream));
                assert!(keyed || !self.port.serves_as_default(stream, session));
            }
        }
        assert_eq!(self.port.read(0), 0x0001_0030);
        assert_eq!(self.port.read(self.port.size()), 0);
    }

    /// All that was lost is told.
    fn told(&mut self) {
        let told: BTreeSet<u8> = self.port.take_lost().into_iter().collect();
        let silent: Vec<_> = self.lost.difference(&told).collect();
        assert!(silent.is_empty(), "lost, and not told: {silent:?}");
        assert!(!told.contains(&RESERVED_STREAM) || self.lost.contains(&RESERVED_STREAM));
        self.lost.clear();
        assert!(self.port.take_lost().is_empty());
    }

    fn block(&self, number: u8) -> usize {
        let shape = self.port.capability().shape();
        0xc + usize::from(number) * (20 + 12 * usize::from(shape.associations))
    }

    fn statuses(&self) -> Vec<u32> {
        let blocks = self.port.capability().shape().streams;
        (0..blocks)
            .map(|block| self.port.read(self.block(block) + 8))
            .collect()
    }

    fn write(&mut self, offset: usize, value: u32, enables: u32) {
        let before = self.port.read(offset);
        let writable = self.port.capability().writable(offset);
        let blocks = self.port.capability().shape().streams;
        let control = (0..blocks).any(|block| self.block(block) + 4 == offset);
        self.port.write(offset, value, enables);
        let after = self.port.read(offset);
        let changed = before ^ after;
        // What is read-only stays, but for a status that follows another register.
        assert_eq!(changed & !(writable & enables), 0, "{offset:#x}");
        if control && before & 1 != 0 && after & 1 == 0 {
            self.model.clear((before >> 24) as u8);
        }
    }

    /// Whether a stream may have become secure by it.
    fn message(&mut self, session: u32, bytes: &[u8]) -> bool {
        let before = condition(&self.port);
        let other = self.owner.is_some_and(|owner| owner != session);
        let Some(answer) = self.port.respond(session, bytes) else {
            assert_eq!(condition(&self.port), before, "silence, and a change");
            return false;
        };
        assert!(!other, "another session was answered");
        self.owner = Some(session);
        if let Some(index) = query::decode(bytes) {
            let response = QueryResp::decode(&answer).unwrap();
            assert_eq!((index, response.port_index), (self.index, index));
            for (at, register) in response.registers.iter().enumerate() {
                assert_eq!(self.port.read(4 * at + 4), *register);
            }
            assert_eq!(response.registers.len() * 4 + 4, self.port.size());
            return false;
        }
        if let Some(ack) = KpAck::decode(&answer) {
            let status = ack.status;
            let Ok(request) = KeyProg::decode(bytes) else {
                assert_eq!(status, Status::IncorrectLength);
                return false;
            };
            assert_eq!(request.target, ack.target);
            if status == Status::Successful {
                let Target {
                    stream, port_index, ..
                } = ack.target;
                let slot = Slot::decode(ack.target.slot).unwrap().encode();
                assert!(port_index == self.index && request.key.is_fresh());
                assert!(self.port.capability().has(stream) && stream != RESERVED_STREAM);
                let was = self.model.slots.insert((stream, slot), false);
                assert_ne!(was, Some(true), "a key in use was replaced");
            }
            return false;
        }
        let target = k_gostop_ack::decode(&answer).unwrap();
        assert_eq!(target.port_index, self.index);
        let slot = Slot::decode(target.slot).unwrap().encode();
        if let Some(asked) = k_set_go::decode(bytes) {
            assert_eq!(asked, target);
            assert!(
                self.model.slots.contains_key(&(target.stream, slot)),
                "no key to use"
            );
            self.model.go(target.stream, slot);
            return true;
        }
        assert_eq!(k_set_stop::decode(bytes), Some(target));
        self.model.slots.remove(&(target.stream, slot));
        false
    }
}
