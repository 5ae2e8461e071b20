// SPDX-License-Identifier: GPL-2.0

//! The keys that a port has, and which of them it uses.
//!
//! | | slot empty | programmed | in use |
//! |---|---|---|---|
//! | program | programmed | programmed with the new key | refused |
//! | go | refused | in use; the other key set's slot is emptied if it was in use | in use |
//! | stop | empty | empty | empty |
//!
//! A key that was in use is not kept for later: its invocation field has moved on, and starting it
//! again would use initialization vectors twice.

use crate::{Direction, Key, KeySet, Slot, SubStream};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a key slot is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// There is no key in it that could be used.
    #[error("no key was programmed")]
    Empty,
    /// The key in it is being used.
    #[error("the key is in use")]
    InUse,
}

#[derive(Clone, Debug)]
enum Place {
    Programmed(Key),
    InUse(Key),
}

#[derive(Clone, Debug, Default)]
struct Stream {
    places: BTreeMap<Slot, Place>,
    secure: bool,
}

impl Stream {
    fn uses(&self, slot: Slot) -> bool {
        matches!(self.places.get(&slot), Some(Place::InUse(_)))
    }

    /// Whether all slots of a key set are in use: how a stream becomes secure.
    fn started(&self) -> bool {
        [KeySet::K0, KeySet::K1]
            .into_iter()
            .any(|set| Slot::of(set).all(|slot| self.uses(slot)))
    }

    /// Whether each sub-stream has a key in use in each direction, of whichever set: how a stream
    /// stays secure while one set of keys takes the place of the other.
    fn running(&self) -> bool {
        Slot::of(KeySet::K0).all(|slot| self.uses(slot) || self.uses(other(slot)))
    }

    fn update(&mut self) {
        self.secure = self.started() || self.secure && self.running();
    }
}

/// The same slot of the other key set.
fn other(slot: Slot) -> Slot {
    let set = match slot.set {
        KeySet::K0 => KeySet::K1,
        KeySet::K1 => KeySet::K0,
    };
    Slot { set, ..slot }
}

/// Keys of a port, by stream.
#[derive(Clone, Debug, Default)]
pub struct KeyStore {
    streams: BTreeMap<u8, Stream>,
}

impl KeyStore {
    /// Puts a key into a slot that is not in use.
    pub fn program(&mut self, stream: u8, slot: Slot, key: Key) -> Result<(), Refused> {
        let stream = self.streams.entry(stream).or_default();
        if stream.uses(slot) {
            return Err(Refused::InUse);
        }
        stream.places.insert(slot, Place::Programmed(key));
        Ok(())
    }

    /// Uses the key in a slot from now on, in place of that of the other key set.
    pub fn go(&mut self, stream: u8, slot: Slot) -> Result<(), Refused> {
        let stream = self.streams.get_mut(&stream).ok_or(Refused::Empty)?;
        let key = match stream.places.get(&slot) {
            None => return Err(Refused::Empty),
            Some(Place::InUse(_)) => return Ok(()),
            Some(Place::Programmed(key)) => key.clone(),
        };
        if stream.uses(other(slot)) {
            stream.places.remove(&other(slot));
        }
        stream.places.insert(slot, Place::InUse(key));
        stream.update();
        Ok(())
    }

    /// Empties a slot.
    pub fn stop(&mut self, stream: u8, slot: Slot) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.places.remove(&slot);
            stream.update();
        }
    }

    /// Empties all slots of a stream.
    pub fn forget(&mut self, stream: u8) {
        self.streams.remove(&stream);
    }

    /// Streams that were ever programmed since they were last forgotten.
    pub fn streams(&self) -> impl Iterator<Item = u8> + '_ {
        self.streams.keys().copied()
    }

    /// Whether a stream has all keys of a key set, be they in use or not; or is secure.
    pub fn is_keyed(&self, stream: u8) -> bool {
        self.streams.get(&stream).is_some_and(|stream| {
            let full = |set| Slot::of(set).all(|slot| stream.places.contains_key(&slot));
            stream.secure || full(KeySet::K0) || full(KeySet::K1)
        })
    }

    /// Whether keys are in use for every sub-stream in both directions. It takes one whole key set to
    /// get there.
    pub fn is_secure(&self, stream: u8) -> bool {
        self.streams
            .get(&stream)
            .is_some_and(|stream| stream.secure)
    }

    /// Whether what each of two ports transmits on a stream, the other can read. There are no TLPs in
    /// an emulation, and so no integrity check that would fail: this stands for it.
    pub fn agrees_with(&self, partner: &Self, stream: u8) -> bool {
        Direction::ALL.into_iter().all(|direction| {
            SubStream::ALL.into_iter().all(|sub_stream| {
                let key = self.in_use(stream, direction, sub_stream);
                key.is_some() && key == partner.in_use(stream, direction.mirrored(), sub_stream)
            })
        })
    }

    fn in_use(&self, stream: u8, direction: Direction, sub_stream: SubStream) -> Option<&Key> {
        let places = &self.streams.get(&stream)?.places;
        [KeySet::K0, KeySet::K1].into_iter().find_map(|set| {
            let slot = Slot {
                set,
                direction,
                sub_stream,
            };
            match places.get(&slot) {
                Some(Place::InUse(key)) => Some(key),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> Key {
        Key::new([byte; 32])
    }

    fn establish(store: &mut KeyStore, stream: u8, set: KeySet, first: u8) {
        for (byte, slot) in (first..).zip(Slot::of(set)) {
            store.program(stream, slot, key(byte)).unwrap();
        }
        for slot in Slot::of(set) {
            store.go(stream, slot).unwrap();
        }
    }

    #[test]
    fn keyed_then_secure() {
        let mut store = KeyStore::default();
        let slots: Vec<_> = Slot::of(KeySet::K0).collect();
        for slot in &slots {
            assert!(!store.is_keyed(1));
            store.program(1, *slot, key(1)).unwrap();
        }
        assert!(store.is_keyed(1) && !store.is_keyed(2));
        for slot in &slots {
            assert!(!store.is_secure(1));
            store.go(1, *slot).unwrap();
        }
        assert!(store.is_secure(1) && store.is_keyed(1));
        store.stop(1, slots[3]);
        assert!(!store.is_secure(1) && !store.is_keyed(1));
        assert_eq!(store.go(1, slots[3]), Err(Refused::Empty));
        store.program(1, slots[3], key(2)).unwrap();
        store.go(1, slots[3]).unwrap();
        assert!(store.is_secure(1));
        assert_eq!(store.streams().collect::<Vec<_>>(), [1]);
        store.forget(1);
        assert!(!store.is_secure(1) && !store.is_keyed(1));
    }

    #[test]
    fn halves_of_two_sets_do_not_make_a_stream() {
        let mut store = KeyStore::default();
        let slots = Slot::towards(KeySet::K0, Direction::Receive)
            .chain(Slot::towards(KeySet::K1, Direction::Transmit));
        for slot in slots {
            store.program(1, slot, key(1)).unwrap();
            store.go(1, slot).unwrap();
        }
        assert!(!store.is_secure(1) && !store.is_keyed(1));
    }

    #[test]
    fn refresh() {
        let mut store = KeyStore::default();
        establish(&mut store, 1, KeySet::K0, 1);
        for slot in Slot::of(KeySet::K0) {
            assert_eq!(store.program(1, slot, key(9)), Err(Refused::InUse));
        }
        for (byte, slot) in (10..).zip(Slot::of(KeySet::K1)) {
            store.program(1, slot, key(byte)).unwrap();
            store.go(1, slot).unwrap();
            assert!(store.is_secure(1));
        }
        for slot in Slot::of(KeySet::K0) {
            assert_eq!(store.go(1, slot), Err(Refused::Empty));
            store.stop(1, slot);
        }
        assert!(store.is_secure(1));
        establish(&mut store, 1, KeySet::K0, 20);
        assert!(store.is_secure(1));
    }

    #[test]
    fn both_ends() {
        let (mut device, mut root) = (KeyStore::default(), KeyStore::default());
        establish(&mut device, 1, KeySet::K0, 1);
        assert!(!device.agrees_with(&root, 1));
        for (byte, slot) in (1..).zip(Slot::of(KeySet::K0)) {
            root.program(1, slot.mirrored(), key(byte)).unwrap();
            root.go(1, slot.mirrored()).unwrap();
        }
        assert!(device.agrees_with(&root, 1) && root.agrees_with(&device, 1));
        assert!(!device.agrees_with(&device, 1));
        root.forget(1);
        assert!(!device.agrees_with(&root, 1));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Program(Slot),
        Go(Slot),
        Stop(Slot),
        Forget,
    }

    fn events() -> impl Strategy<Value = Event> {
        let slot = || {
            (any::<bool>(), 0usize..6).prop_map(|(first, at)| {
                let set = if first { KeySet::K0 } else { KeySet::K1 };
                Slot::of(set).nth(at).unwrap()
            })
        };
        prop_oneof![
            6 => slot().prop_map(Event::Program),
            6 => slot().prop_map(Event::Go),
            2 => slot().prop_map(Event::Stop),
            1 => Just(Event::Forget),
        ]
    }

    proptest! {
        /// Against two plain sets of slots, and security as the history of events has it.
        #[test]
        fn model(mut secure: bool, events in proptest::collection::vec(events(), 0..200)) {
            let mut store = KeyStore::default();
            let (mut programmed, mut used) = (Vec::<Slot>::new(), Vec::<Slot>::new());
            if secure {
                establish(&mut store, 7, KeySet::K0, 1);
                used.extend(Slot::of(KeySet::K0));
            }
            for event in events {
                match event {
                    Event::Program(slot) => {
                        let result = store.program(7, slot, key(1));
                        prop_assert_eq!(result.is_ok(), !used.contains(&slot));
                        if result.is_ok() && !programmed.contains(&slot) {
                            programmed.push(slot);
                        }
                    }
                    Event::Go(slot) => {
                        let possible = programmed.contains(&slot) || used.contains(&slot);
                        prop_assert_eq!(store.go(7, slot).is_ok(), possible);
                        if programmed.contains(&slot) {
                            programmed.retain(|other| *other != slot);
                            used.retain(|used| used.encode() & !1 != slot.encode() & !1);
                            used.push(slot);
                        }
                    }
                    Event::Stop(slot) => {
                        programmed.retain(|other| *other != slot);
                        used.retain(|other| *other != slot);
                        store.stop(7, slot);
                    }
                    Event::Forget => {
                        programmed.clear();
                        used.clear();
                        store.forget(7);
                    }
                }
                let of_one_set = used.iter().all(|slot| slot.set == used[0].set);
                secure = used.len() == 6 && (secure || of_one_set);
                prop_assert_eq!(store.is_secure(7), secure);
                if secure {
                    prop_assert!(store.is_keyed(7));
                }
                prop_assert!(!store.is_keyed(8) && !store.is_secure(8));
            }
        }
    }
}
