// SPDX-License-Identifier: GPL-2.0

//! Security Protocol and Data Model, and its secured messages.

pub mod chain;
mod device;
mod honest;
mod identity;
mod keys;
pub mod request;
pub mod requester;
pub mod responder;
pub mod response;
pub mod secured;

/// Whether these bytes are an answer, with padding or without: what makes it whole words, or blocks of 32
/// bytes that are filled with zeroes.
pub(crate) fn is_padded(bytes: &[u8], answer: &[u8]) -> bool {
    bytes
        .strip_prefix(answer)
        .is_some_and(|padding| padding.len() < 32 && padding.iter().skip(3).all(|byte| *byte == 0))
}

/// ERROR.
pub(crate) const ERROR: u8 = 0x7f;
