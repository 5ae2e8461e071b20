// SPDX-License-Identifier: GPL-2.0

//! START_INTERFACE_REQUEST and STOP_INTERFACE_REQUEST with their responses (11.3.14 to 11.3.17).

use crate::Nonce;

/// START_INTERFACE_REQUEST. Body: the nonce that LOCK_INTERFACE_RESPONSE had.
pub(crate) const REQUEST: u8 = 0x86;
/// START_INTERFACE_RESPONSE. Without body.
pub(crate) const RESPONSE: u8 = 0x06;
/// STOP_INTERFACE_REQUEST. Without body.
pub(crate) const STOP_REQUEST: u8 = 0x87;
/// STOP_INTERFACE_RESPONSE. Without body.
pub(crate) const STOP_RESPONSE: u8 = 0x07;

pub(crate) fn decode(body: &[u8]) -> Option<Nonce> {
    body.try_into().ok()
}
