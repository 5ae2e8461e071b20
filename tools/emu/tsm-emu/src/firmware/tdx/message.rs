// SPDX-License-Identifier: GPL-2.0

//! Messages as the module and the host exchange them: a whole DOE object in a page of the host's.

use super::super::ground::Ground;
use super::completion::Outcome;
use super::pamt::Pamt;
use spdm::Packet;
use tsm_wire::tdx::doe::{DoeHeader, HEADER_SIZE};
use tsm_wire::tdx::status::Operand;
use tsm_wire::tdx::PAGE_SIZE;
use zerocopy::{FromBytes, IntoBytes};

/// Writes a message; how many bytes the object has.
pub(super) fn write(
    pamt: &Pamt,
    ground: &dyn Ground,
    page: u64,
    packet: &Packet,
    operand: Operand,
) -> Outcome<u16> {
    let header = DoeHeader::new(packet.carriage.data_object_type(), packet.bytes.len());
    let mut object = header.as_bytes().to_vec();
    object.extend_from_slice(&packet.bytes);
    object.resize(object.len().next_multiple_of(4), 0);
    pamt.write(ground, page, &object, operand)?;
    Ok(u16::try_from(object.len()).unwrap_or(u16::MAX))
}

/// Reads the payload of a message; `None` if there is none, or the page has something else.
pub(super) fn read(
    pamt: &Pamt,
    ground: &dyn Ground,
    page: u64,
    operand: Operand,
) -> Outcome<Option<Vec<u8>>> {
    let mut object = vec![0; PAGE_SIZE];
    pamt.read(ground, page, &mut object, operand)?;
    let Ok((header, rest)) = DoeHeader::read_from_prefix(&object) else {
        return Ok(None);
    };
    debug_assert_eq!(object.len() - rest.len(), HEADER_SIZE);
    let payload = header.payload().filter(|length| *length != 0);
    Ok(payload
        .and_then(|length| rest.get(..length))
        .map(<[u8]>::to_vec))
}
