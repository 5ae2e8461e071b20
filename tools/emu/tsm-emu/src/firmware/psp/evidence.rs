// SPDX-License-Identifier: GPL-2.0

//! What a device proves itself with, as the host gets it: an object in the output buffer.

use super::super::ground::Ground;
use super::buffer::{Buffer, Buffers};
use super::platform::OUTPUT;
use super::Refused;
use sha2::{Digest, Sha384};
use tsm_wire::sev::object::{EvidenceHeader, ObjectId, EVIDENCE, VERSION_MAJOR};
use tsm_wire::sev::Status;
use zerocopy::{FromZeros, IntoBytes};

/// Puts it into the output buffer. If that is too short, the host is told how long it has to be.
pub(super) fn put(
    ground: &dyn Ground,
    buffers: &Buffers,
    id: ObjectId,
    device_id: u16,
    data: &[u8],
) -> Result<(), Refused> {
    let mut header = EvidenceHeader::new_zeroed();
    let length = size_of::<EvidenceHeader>() + data.len();
    header.object.id = u64::from(id) as u32;
    header.object.length = u32::try_from(length).map_err(|_| Status::ResponseTooLarge)?;
    header.object.major = VERSION_MAJOR;
    header.device_id = device_id;
    header.r#type = EVIDENCE;
    let object = [header.as_bytes(), data].concat();
    let wanted = Buffer::length_for(object.len());
    let output = &buffers.output;
    if output.put(ground, &object).is_some() {
        return Ok(());
    }
    if wanted > OUTPUT.max {
        return Err(Status::ResponseTooLarge.into());
    }
    output.want(ground, wanted).ok_or(Status::InvalidAddress)?;
    Err(Status::ExpandBufferLengthRequest.into())
}

/// A certificate chain as SPDM has it (DSP0274, "Certificate chain format"), of the certificates in DER,
/// root first: length, hash of the root, certificates. `None` if it is none.
pub(super) fn chain(certificates: &[u8]) -> Option<Vec<u8>> {
    let root = digest(certificates.get(..certificate_length(certificates)?)?);
    let length = size_of::<u32>() + root.len() + certificates.len();
    let length = u16::try_from(length).ok()?;
    Some([&u32::from(length).to_le_bytes(), &root[..], certificates].concat())
}

/// Bytes of the certificate in front: a SEQUENCE whose length has two bytes, as those of this size have.
fn certificate_length(certificates: &[u8]) -> Option<usize> {
    const SEQUENCE: [u8; 2] = [0x30, 0x82];
    let (head, rest) = certificates.split_first_chunk::<2>()?;
    let (length, _) = rest.split_first_chunk::<2>()?;
    (*head == SEQUENCE).then(|| usize::from(u16::from_be_bytes(*length)) + 4)
}

/// Its digest.
pub(super) fn digest(data: &[u8]) -> [u8; 48] {
    Sha384::digest(data).into()
}
