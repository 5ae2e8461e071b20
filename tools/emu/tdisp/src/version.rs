// SPDX-License-Identifier: GPL-2.0

//! GET_TDISP_VERSION and TDISP_VERSION (11.3.4, 11.3.5).

/// GET_TDISP_VERSION. Without body.
pub(crate) const REQUEST: u8 = 0x81;
/// TDISP_VERSION. Body: how many entries, then one byte each.
pub(crate) const RESPONSE: u8 = 0x01;

/// Version 1.0: major in bits 7:4, minor in bits 3:0.
pub const VERSION_1_0: u8 = 0x10;

pub(crate) fn encode(versions: &[u8]) -> Vec<u8> {
    let versions = versions.get(..255).unwrap_or(versions);
    let mut body = vec![versions.len() as u8];
    body.extend_from_slice(versions);
    body
}

pub(crate) fn decode(body: &[u8]) -> Option<Vec<u8>> {
    let (&count, entries) = body.split_first()?;
    (count != 0 && entries.len() == usize::from(count)).then(|| entries.to_vec())
}
