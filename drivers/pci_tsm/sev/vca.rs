// SPDX-License-Identifier: GPL-2.0

//! Version, capabilities and algorithms: how an SPDM connection began.
//!
//! The PSP has no command that tells this to the host. But the messages pass in the clear, through
//! the host's hands: it keeps them.

use kernel::prelude::*;
use tsm_wire::refusal::{
    Refusal,
    Refused, //
};

/// Codes of a request and of its response (DSP0274 "SPDM request and response code tables").
const PAIRS: [(u8, u8); 3] = [(0x84, 0x04), (0xe1, 0x61), (0xe3, 0x63)];
/// Most bytes that are kept.
const VCA_MAX: usize = 4096;

/// Messages from GET_VERSION to ALGORITHMS.
pub(crate) struct Vca {
    bytes: KVVec<u8>,
    /// Pairs that are in there.
    pairs: usize,
}

impl Vca {
    pub(crate) fn new() -> Self {
        Vca {
            bytes: KVVec::new(),
            pairs: 0,
        }
    }

    /// Sees a request and its answer pass, of which a connection may begin.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`].
    pub(crate) fn note(&mut self, request: &[u8], answer: &[u8]) -> Result<(), Refused> {
        let Some(code) = request.get(1).copied() else {
            return Ok(());
        };
        if PAIRS.first().is_some_and(|(first, _)| *first == code) {
            // whatever was said before, the connection begins anew
            self.bytes = KVVec::new();
            self.pairs = 0;
        }
        let Some((expected, response)) = PAIRS.get(self.pairs).copied() else {
            return Ok(());
        };
        let len = message_len(answer).filter(|len| *len <= answer.len());
        let (Some(len), true) = (len, code == expected && answer.get(1) == Some(&response)) else {
            return Ok(());
        };
        let Some(answer) = answer.get(..len) else {
            return Ok(());
        };
        if self.bytes.len() + request.len() + len > VCA_MAX {
            return Ok(());
        }
        for part in [request, answer] {
            self.bytes
                .extend_from_slice(part, GFP_KERNEL)
                .map_err(|_| Refusal::Memory)?;
        }
        self.pairs += 1;
        Ok(())
    }

    /// What was kept, if it is whole.
    pub(crate) fn take(&mut self) -> Option<KVVec<u8>> {
        let whole = self.pairs == PAIRS.len();
        let bytes = core::mem::replace(&mut self.bytes, KVVec::new());
        self.pairs = 0;
        whole.then_some(bytes)
    }
}

/// Bytes in one of the three responses, which DOE makes longer by up to three: DSP0274 has tables
/// "VERSION", "CAPABILITIES" and "ALGORITHMS response message format".
fn message_len(answer: &[u8]) -> Option<usize> {
    let byte = |at: usize| answer.get(at).copied();
    match byte(1)? {
        0x04 => Some(6 + 2 * usize::from(byte(5)?)),
        0x61 => match byte(0)? {
            0x10 | 0x11 => Some(12),
            _ => Some(20),
        },
        0x63 => Some(usize::from(u16::from_le_bytes([byte(4)?, byte(5)?]))),
        _ => None,
    }
}
