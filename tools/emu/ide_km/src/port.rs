// SPDX-License-Identifier: GPL-2.0

//! A port with IDE: its registers, its keys, and, in a device, what answers IDE_KM.
//!
//! A stream is as good as its weakest moment: whoever relies on one (a TDI that is locked) has to be
//! told when it becomes insecure, loses a key that it needs, or is configured differently. A port
//! remembers that until it is asked by [`Port::take_lost`].

use crate::key_prog::Malformed;
use crate::{
    k_gostop_ack, k_set_go, k_set_stop, key_prog, query, Capability, Direction, KeyProg, KeySet,
    KeyStore, Keys, KpAck, QueryResp, Refused, Shape, Slot, Status, Target, RESERVED_STREAM,
};
use std::collections::BTreeSet;

/// One end of selective streams.
#[derive(Clone, Debug)]
pub struct Port {
    index: u8,
    requester_id: u16,
    segment: u8,
    capability: Capability,
    keys: KeyStore,
    owner: Option<u32>,
    lost: BTreeSet<u8>,
}

impl Port {
    /// After power on. The index is how messages name it; a device with one port has 0.
    pub fn new(index: u8, shape: Shape) -> Self {
        Self {
            index,
            requester_id: 0,
            segment: 0,
            capability: Capability::new(shape),
            keys: KeyStore::default(),
            owner: None,
            lost: BTreeSet::new(),
        }
    }

    /// Sets which function QUERY_RESP says that the port belongs to.
    pub fn belongs_to(&mut self, segment: u8, requester_id: u16) {
        self.segment = segment;
        self.requester_id = requester_id;
    }

    /// Bytes of its extended capability with the header.
    pub fn size(&self) -> usize {
        self.capability.size()
    }

    /// Reads a doubleword of its extended capability; see [`Capability::read`].
    pub fn read(&self, offset: usize) -> u32 {
        self.capability.read(offset, &self.keys)
    }

    /// Writes to its extended capability those bits of a doubleword that `enables` has.
    pub fn write(&mut self, offset: usize, value: u32, enables: u32) {
        let Self {
            capability, keys, ..
        } = self;
        let changed = capability.write(offset, value, enables, keys);
        self.lost
            .extend(changed.filter(|stream| *stream != RESERVED_STREAM));
    }

    /// The registers.
    pub fn capability(&self) -> &Capability {
        &self.capability
    }

    /// The keys.
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// Conventional reset: registers, keys and sessions are gone.
    pub fn reset(&mut self) {
        for stream in self.keys.streams().collect::<Vec<_>>() {
            self.fail(stream);
        }
        self.capability = Capability::new(self.capability.shape());
        self.owner = None;
    }

    /// Whether a stream has all its keys, and got them over this SPDM session.
    pub fn is_keyed_by(&self, stream: u8, session: u32) -> bool {
        self.owner == Some(session) && self.keys.is_keyed(stream)
    }

    /// Whether a TDI may be locked over this session with this default stream (11.3.8): it is the
    /// default stream of the registers, and keyed over the same session.
    pub fn serves_as_default(&self, stream: u8, session: u32) -> bool {
        self.capability.default_stream() == Some(stream) && self.is_keyed_by(stream, session)
    }

    /// Streams that something happened to since this was last asked: they became insecure, lost a key,
    /// or their registers were changed.
    pub fn take_lost(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lost).into_iter().collect()
    }

    /// The stream fails here, as if an integrity check had: its keys are gone.
    pub fn fail(&mut self, stream: u8) {
        self.watch(stream, |keys| keys.forget(stream));
    }

    /// The partner port says that the stream failed there.
    pub fn receive_fail(&mut self, stream: u8) {
        self.capability.receive_fail(stream);
    }

    /// The SPDM session ended: what was keyed over it is insecure (11.4.5), and another session may
    /// key the port.
    pub fn session_ended(&mut self, session: u32) {
        if self.owner == Some(session) {
            self.owner = None;
            for stream in self.keys.streams().collect::<Vec<_>>() {
                self.fail(stream);
            }
        }
    }

    /// Programs a whole key set, as the firmware of a root complex does to its own port. `keys` are
    /// as this end has them.
    pub fn program(&mut self, stream: u8, set: KeySet, keys: &Keys) -> Result<(), Refused> {
        keys.slots(set)
            .try_for_each(|(slot, key)| self.keys.program(stream, slot, key.clone()))
    }

    /// Uses the keys of a set in one direction from now on; likewise.
    pub fn go(&mut self, stream: u8, set: KeySet, direction: Direction) -> Result<(), Refused> {
        self.watch(stream, |keys| {
            Slot::towards(set, direction).try_for_each(|slot| keys.go(stream, slot))
        })
    }

    /// Ends the use of a key set; likewise.
    pub fn stop(&mut self, stream: u8, set: KeySet) {
        self.watch(stream, |keys| {
            Slot::of(set).for_each(|slot| keys.stop(stream, slot));
        });
    }

    /// Answers a message that came in an SPDM session, or does not: IDE_KM has no message that says
    /// that something was wrong but KP_ACK, so what else is wrong is discarded.
    ///
    /// The first session whose message is answered owns the port until it ends. Messages of another
    /// one are discarded: all keys of a stream have to come over one session (11.4.5).
    pub fn respond(&mut self, session: u32, request: &[u8]) -> Option<Vec<u8>> {
        if self.owner.is_some_and(|owner| owner != session) {
            return None;
        }
        let answer = match *request.first()? {
            query::OBJECT => self.query(query::decode(request)?),
            key_prog::OBJECT => key_prog(self, request),
            k_set_go::OBJECT => self.set_go(k_set_go::decode(request)?),
            k_set_stop::OBJECT => self.set_stop(k_set_stop::decode(request)?),
            _ => None,
        }?;
        self.owner = Some(session);
        Some(answer)
    }

    fn query(&self, port_index: u8) -> Option<Vec<u8>> {
        let registers = (4..self.size()).step_by(4).map(|at| self.read(at));
        (port_index == self.index).then(|| {
            QueryResp {
                port_index,
                requester_id: self.requester_id,
                segment: self.segment,
                max_port_index: self.index,
                registers: registers.collect(),
            }
            .encode()
        })
    }

    fn key_prog(&mut self, request: &KeyProg) -> Status {
        let target = request.target;
        if target.port_index != self.index {
            return Status::UnsupportedPortIndex;
        }
        let Some(slot) = Slot::decode(target.slot) else {
            return Status::UnsupportedValue;
        };
        if !self.capability.has(target.stream) || !request.key.is_fresh() {
            return Status::UnsupportedValue;
        }
        match self.keys.program(target.stream, slot, request.key.clone()) {
            Ok(()) => Status::Successful,
            Err(_) => Status::UnspecifiedFailure,
        }
    }

    fn set_go(&mut self, target: Target) -> Option<Vec<u8>> {
        let slot = self.slot(target)?;
        self.watch(target.stream, |keys| keys.go(target.stream, slot))
            .ok()?;
        Some(k_gostop_ack::encode(target))
    }

    /// There is nothing to stop in a slot that is empty, and so nothing that could fail: a requester
    /// that cleans up is not to be kept waiting.
    fn set_stop(&mut self, target: Target) -> Option<Vec<u8>> {
        let slot = self.slot(target)?;
        self.watch(target.stream, |keys| keys.stop(target.stream, slot));
        Some(k_gostop_ack::encode(target))
    }

    fn slot(&self, target: Target) -> Option<Slot> {
        let here = target.port_index == self.index && target.stream != RESERVED_STREAM;
        here.then(|| Slot::decode(target.slot)).flatten()
    }

    /// Does something to the keys of a stream and notes if it is the worse for it.
    fn watch<T>(&mut self, stream: u8, act: impl FnOnce(&mut KeyStore) -> T) -> T {
        let before = (self.keys.is_secure(stream), self.keys.is_keyed(stream));
        let outcome = act(&mut self.keys);
        let after = (self.keys.is_secure(stream), self.keys.is_keyed(stream));
        if before.0 && !after.0 || before.1 && !after.1 {
            self.lost.insert(stream);
        }
        outcome
    }
}

fn key_prog(port: &mut Port, request: &[u8]) -> Option<Vec<u8>> {
    let (target, status) = match KeyProg::decode(request) {
        Ok(request) => (request.target, port.key_prog(&request)),
        Err(Malformed::Answer(target, status)) => (target, status),
        Err(Malformed::Unanswerable) => return None,
    };
    Some(KpAck { target, status }.encode())
}

#[cfg(test)]
mod tests;
