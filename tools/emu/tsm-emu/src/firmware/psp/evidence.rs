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

/// Its digest.
pub(super) fn digest(data: &[u8]) -> [u8; 48] {
    Sha384::digest(data).into()
}
