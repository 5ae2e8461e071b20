// SPDX-License-Identifier: GPL-2.0

//! What a responder asks of the device around it.

use crate::{Entropy, MeasurementRecord, DIGEST_SIZE, SIGNATURE_SIZE};

/// A device.
pub trait Services: Entropy {
    /// The certificate chain of a slot, whole; `None` if there is none.
    fn chain(&self, slot: u8) -> Option<&[u8]>;

    /// Signs a digest with the key of a slot (ECDSA over P-384, both integers big-endian); `None` if
    /// that is not possible.
    fn sign(&mut self, slot: u8, digest: &[u8; DIGEST_SIZE]) -> Option<[u8; SIGNATURE_SIZE]>;

    /// The measurements, taken now.
    fn measurements(&self) -> &MeasurementRecord;

    /// Answer to a vendor defined message of PCI-SIG, or `None` if this protocol is not there.
    ///
    /// `session` is the id of the session that it came in. Messages of IDE_KM and TDISP come in
    /// sessions only.
    fn vendor_defined(
        &mut self,
        protocol: u8,
        payload: &[u8],
        session: Option<u32>,
    ) -> Option<Vec<u8>>;

    /// An established session is over, however it ended.
    fn session_ended(&mut self, id: u32);
}
