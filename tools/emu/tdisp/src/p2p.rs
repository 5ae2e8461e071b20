// SPDX-License-Identifier: GPL-2.0

//! BIND_P2P_STREAM_REQUEST and UNBIND_P2P_STREAM_REQUEST (11.3.18 to 11.3.21).

/// BIND_P2P_STREAM_REQUEST. Body: the stream, one byte.
pub(crate) const BIND_REQUEST: u8 = 0x88;
/// BIND_P2P_STREAM_RESPONSE. Without body.
pub(crate) const BIND_RESPONSE: u8 = 0x08;
/// UNBIND_P2P_STREAM_REQUEST. Body: the stream, one byte.
pub(crate) const UNBIND_REQUEST: u8 = 0x89;
/// UNBIND_P2P_STREAM_RESPONSE. Without body.
pub(crate) const UNBIND_RESPONSE: u8 = 0x09;

pub(crate) fn decode(body: &[u8]) -> Option<u8> {
    match body {
        [stream] => Some(*stream),
        _ => None,
    }
}
