// SPDX-License-Identifier: GPL-2.0

//! SET_MMIO_ATTRIBUTE_REQUEST and its response (11.3.22, 11.3.23).

use crate::interface_report::WireRange;
use zerocopy::FromBytes;

/// SET_MMIO_ATTRIBUTE_REQUEST. Body: one range as in the report.
pub(crate) const REQUEST: u8 = 0x8a;
/// SET_MMIO_ATTRIBUTE_RESPONSE. Without body.
pub(crate) const RESPONSE: u8 = 0x0a;

pub(crate) fn decode(body: &[u8]) -> Option<WireRange> {
    WireRange::read_from_bytes(body).ok()
}
