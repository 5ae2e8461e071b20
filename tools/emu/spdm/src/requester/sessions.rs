// SPDX-License-Identifier: GPL-2.0

//! KEY_EXCHANGE, FINISH, HEARTBEAT, KEY_UPDATE, END_SESSION: the life of a session.

use super::exchange::Stage;
use super::{Requester, Step, CAPABILITIES};
use crate::capabilities::{HBEAT_CAP, KEY_UPD_CAP, SESSION_CAPS};
use crate::ephemeral::EphemeralKey;
use crate::key_exchange::{KeyExchange, SIGNING_CONTEXT};
use crate::key_update::Operation;
use crate::session::{transcript, Session};
use crate::{
    end_session, finish, heartbeat, key_exchange, key_update, signature, Fault, Packet, Signed,
};
use zerocopy::little_endian::U16;

impl Requester {
    pub(super) fn open_session(&mut self, slot: u8) -> Result<Packet, Fault> {
        let connection = self.capable(CAPABILITIES, SESSION_CAPS)?;
        let version = connection.version;
        if !connection.agreed.session {
            return Err(Fault::NoCommonAlgorithms);
        }
        self.peer(slot)?;
        if self.session.is_some() {
            return Err(Fault::Order);
        }
        let key = EphemeralKey::new(self.entropy.as_mut()).ok_or(Fault::Entropy)?;
        // Neither half is one that stands for no session somewhere.
        let half = u16::from_le_bytes(self.draw()?).clamp(1, 0xfffe);
        let fixed = KeyExchange {
            session: U16::new(half),
            policy: 0,
            reserved: 0,
            random: self.draw()?,
            point: key.point().ok_or(Fault::Entropy)?,
        };
        let request = key_exchange::encode(version, slot, &fixed);
        self.send(Stage::KeyExchange { slot, half, key }, request, false)
    }

    pub(super) fn take_key_exchange(
        &mut self,
        slot: u8,
        half: u16,
        key: EphemeralKey,
        request: &[u8],
        message: &[u8],
    ) -> Result<Step, Fault> {
        let version = self.agreed()?;
        let answer = key_exchange::decode_response(version, message)?;
        let connection = self.connection.as_ref().ok_or(Fault::Order)?;
        let peer = self.peer(slot)?;
        let covered = message.get(..answer.signed).ok_or(Fault::Short)?;
        let mut transcript = transcript(connection, &peer.chain, request, covered);
        let digest = signature::digest(version, SIGNING_CONTEXT, transcript.hash());
        if !peer.key.verify(&digest, &answer.signature) {
            return Err(Fault::Signature(Signed::KeyExchange));
        }
        transcript.push(&answer.signature);
        let shared = key.agree(&answer.fixed.point).ok_or(Fault::Malformed)?;
        let id = key_exchange::session_id(half, answer.fixed.session.get());
        let heartbeat = if connection.both(CAPABILITIES, HBEAT_CAP) {
            answer.heartbeat
        } else {
            0
        };
        let mut session = Session::new(connection, (id, heartbeat), transcript, shared.as_slice())
            .ok_or(Fault::Malformed)?;
        if !session.check_exchange(&answer.hmac) {
            return Err(Fault::Hmac);
        }
        session.push(&answer.hmac);
        let mut finish = finish::encode(version);
        session.push(&finish);
        let hmac = session.finish_hmac().ok_or(Fault::Malformed)?;
        session.push(&hmac);
        finish.extend_from_slice(&hmac);
        self.session = Some(session);
        self.then(Stage::Finish, finish, true, Vec::new())
    }

    pub(super) fn take_finish(&mut self, message: &[u8]) -> Result<Step, Fault> {
        let version = self.agreed()?;
        let length = finish::decode_response(version, message)?;
        let session = self.session.as_mut().ok_or(Fault::Order)?;
        session.push(message.get(..length).ok_or(Fault::Short)?);
        session.establish().ok_or(Fault::Malformed)?;
        Ok(Step::Done { found: Vec::new() })
    }

    /// The exchange needs a session.
    fn in_session(&self) -> Result<(), Fault> {
        self.session().map(|_| ()).ok_or(Fault::Order)
    }

    pub(super) fn ask_heartbeat(&mut self) -> Result<Packet, Fault> {
        self.in_session()?;
        let version = self.capable(CAPABILITIES, HBEAT_CAP)?.version;
        if self.heartbeat_period() == 0 {
            return Err(Fault::MissingCapability);
        }
        self.send(Stage::Heartbeat, heartbeat::encode(version), true)
    }

    pub(super) fn take_heartbeat(&mut self, message: &[u8]) -> Result<Step, Fault> {
        heartbeat::decode_response(self.agreed()?, message)?;
        Ok(Step::Done { found: Vec::new() })
    }

    pub(super) fn update_keys(&mut self, all: bool) -> Result<Packet, Fault> {
        self.in_session()?;
        let version = self.capable(CAPABILITIES, KEY_UPD_CAP)?.version;
        let [tag] = self.draw()?;
        let request = key_update::encode(version, operation(all), tag);
        self.send(Stage::UpdateKeys { all, tag }, request, true)
    }

    pub(super) fn take_update(
        &mut self,
        all: bool,
        tag: u8,
        message: &[u8],
    ) -> Result<Step, Fault> {
        let version = self.agreed()?;
        key_update::decode_response(version, message, operation(all), tag)?;
        let session = self.session.as_mut().ok_or(Fault::Order)?;
        session.request = session.request.next().ok_or(Fault::Malformed)?;
        let tag = tag.wrapping_add(1);
        let request = key_update::encode(version, Operation::VerifyNewKey, tag);
        self.then(Stage::VerifyKey { tag }, request, true, Vec::new())
    }

    pub(super) fn take_verification(&mut self, tag: u8, message: &[u8]) -> Result<Step, Fault> {
        let version = self.agreed()?;
        key_update::decode_response(version, message, Operation::VerifyNewKey, tag)?;
        Ok(Step::Done { found: Vec::new() })
    }

    pub(super) fn close_session(&mut self) -> Result<Packet, Fault> {
        self.in_session()?;
        let request = end_session::encode(self.agreed()?);
        self.send(Stage::EndSession, request, true)
    }

    pub(super) fn take_end_session(&mut self, message: &[u8]) -> Result<Step, Fault> {
        end_session::decode_response(self.agreed()?, message)?;
        self.session = None;
        Ok(Step::Done { found: Vec::new() })
    }
}

fn operation(all: bool) -> Operation {
    if all {
        Operation::UpdateAllKeys
    } else {
        Operation::UpdateKey
    }
}
