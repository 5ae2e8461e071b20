// SPDX-License-Identifier: GPL-2.0

//! DIGESTS, CERTIFICATE, CHALLENGE_AUTH (10.6 to 10.8): who the device is.

use super::exchange::Stage;
use super::{Found, Requester, Step};
use crate::capabilities::CHAL_CAP;
use crate::certificate::PORTION_OFFSET;
use crate::digests::SLOTS;
use crate::{
    certificate, challenge, digests, signature, ChainFault, Fault, Packet, PublicKey, Signed,
    CHAIN_PREFIX_SIZE, DIGEST_SIZE,
};
use sha2::{Digest, Sha384};

/// A device whose chain was verified.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) slot: u8,
    /// Digest of the whole chain.
    pub(super) chain: [u8; DIGEST_SIZE],
    pub(super) key: PublicKey,
}

/// A chain that is being read.
#[derive(Clone, Debug)]
pub(super) struct CertificateRead {
    slot: u8,
    /// Most bytes of a chain in a message.
    room: usize,
    chain: Vec<u8>,
    total: Option<usize>,
}

impl CertificateRead {
    pub(super) fn new(slot: u8, data_transfer_size: u32) -> Self {
        Self {
            slot,
            room: (data_transfer_size as usize).saturating_sub(PORTION_OFFSET),
            chain: Vec::new(),
            total: None,
        }
    }

    /// How many bytes to ask for next.
    fn wanted(&self) -> usize {
        let left = self
            .total
            .map(|total| total.saturating_sub(self.chain.len()));
        left.unwrap_or(self.room).min(self.room)
    }

    /// Takes a portion, and how much of the chain follows it: those of its bytes that belong to the
    /// certificates.
    fn take<'a>(&mut self, portion: &'a [u8], remainder: usize) -> Result<&'a [u8], Fault> {
        let prefix = CHAIN_PREFIX_SIZE.saturating_sub(self.chain.len());
        let total = self.chain.len() + portion.len() + remainder;
        let consistent = *self.total.get_or_insert(total) == total;
        if !consistent || portion.len() > self.wanted() || total > usize::from(u16::MAX) {
            return Err(Fault::Malformed);
        }
        self.chain.extend_from_slice(portion);
        Ok(portion.get(prefix..).unwrap_or_default())
    }
}

impl Requester {
    /// The device whose chain was in this slot.
    pub(super) fn peer(&self, slot: u8) -> Result<&Peer, Fault> {
        let peer = self.peer.as_ref().filter(|peer| peer.slot == slot);
        peer.ok_or(Fault::Order)
    }

    /// What goes on outside of a session is part of what CHALLENGE_AUTH signs.
    fn push_challenge(&mut self, request: &[u8], response: Option<&[u8]>, secured: bool) {
        if let Some(connection) = self.connection.as_mut().filter(|_| !secured) {
            connection.push_challenge(request);
            connection.push_challenge(response.unwrap_or_default());
        }
    }

    pub(super) fn ask_digests(&mut self, secured: bool) -> Result<Packet, Fault> {
        let request = digests::encode(self.agreed()?);
        self.send(Stage::Digests, request, secured)
    }

    pub(super) fn take_digests(
        &mut self,
        request: &[u8],
        secured: bool,
        message: &[u8],
    ) -> Result<Step, Fault> {
        let (length, digests) = digests::decode_response(self.agreed()?, message)?;
        self.push_challenge(request, message.get(..length), secured);
        let found = Found::Digests {
            slots: digests.slots,
            digests: digests.digests.clone(),
        };
        self.digests = Some(digests);
        Ok(Step::done(found))
    }

    fn certificate_request(&self, read: &CertificateRead) -> Result<Vec<u8>, Fault> {
        let version = self.agreed()?;
        let (offset, length) = (read.chain.len() as u16, read.wanted() as u16);
        Ok(certificate::encode(version, read.slot, offset, length))
    }

    pub(super) fn ask_certificate(
        &mut self,
        read: CertificateRead,
        secured: bool,
    ) -> Result<Packet, Fault> {
        let request = self.certificate_request(&read)?;
        if read.slot >= SLOTS {
            return Err(Fault::Order);
        }
        self.send(Stage::Certificate(read), request, secured)
    }

    pub(super) fn take_certificate(
        &mut self,
        mut read: CertificateRead,
        request: &[u8],
        secured: bool,
        message: &[u8],
    ) -> Result<Step, Fault> {
        let version = self.agreed()?;
        let (range, remainder) = certificate::decode_response(version, message, read.slot)?;
        let portion = message.get(range.clone()).ok_or(Fault::Short)?;
        let certificates = read.take(portion, usize::from(remainder))?;
        let found = vec![Found::Certificate(certificates.to_vec())];
        self.push_challenge(request, message.get(..range.end), secured);
        if remainder != 0 {
            let request = self.certificate_request(&read)?;
            return self.then(Stage::Certificate(read), request, secured, found);
        }
        self.peer = None;
        let chain: [u8; DIGEST_SIZE] = Sha384::digest(&read.chain).into();
        let told = self.digests.as_ref().map(|digests| digests.of(read.slot));
        if told.is_some_and(|told| told != Some(&chain)) {
            return Err(ChainFault::Digest.into());
        }
        let key = self.trust.verify(&read.chain)?;
        self.peer = Some(Peer {
            slot: read.slot,
            chain,
            key,
        });
        Ok(Step::Done { found })
    }

    pub(super) fn ask_challenge(&mut self, slot: u8) -> Result<Packet, Fault> {
        let version = self.agreed()?;
        self.peer(slot)?;
        if self.session.is_some() {
            return Err(Fault::Order);
        }
        self.capable(CHAL_CAP, CHAL_CAP)?;
        let nonce = self.draw()?;
        let request = challenge::encode(version, slot, &nonce);
        self.send(Stage::Challenge { slot }, request, false)
    }

    pub(super) fn take_challenge(
        &mut self,
        slot: u8,
        request: &[u8],
        message: &[u8],
    ) -> Result<Step, Fault> {
        let version = self.agreed()?;
        let answer = challenge::decode_response(version, message, slot)?;
        let peer = self.peer(slot)?.clone();
        if answer.chain != peer.chain {
            return Err(ChainFault::Digest.into());
        }
        self.push_challenge(request, message.get(..answer.signed), false);
        let connection = self.connection.as_mut().ok_or(Fault::Order)?;
        let hash = connection.take_challenge();
        let digest = signature::digest(version, challenge::SIGNING_CONTEXT, hash);
        if !peer.key.verify(&digest, &answer.signature) {
            return Err(Fault::Signature(Signed::Challenge));
        }
        connection.authenticated = true;
        Ok(Step::Done { found: Vec::new() })
    }
}
