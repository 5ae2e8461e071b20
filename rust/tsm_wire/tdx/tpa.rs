// SPDX-License-Identifier: GPL-2.0

//! The TEE-IO provisioning agent: a VM that opens the SPDM sessions.
//!
//! On real machines it is a TD of its own that the module knows by its measurement. The VMM tells
//! it by `TDG.VP.VMCALL<Service.TPA>` what to do, carries the messages that it wants sent to the
//! device (`Service.SPDM`, command PCI DOE), gets the device information that it collected, and
//! the agent binds the session to the module's entry by `TDG.SPDM.TPA.SET` (the QEMU of that
//! generation, `tdxio.h`, and `src/common/tdxio/spdm.c` of the module). None of that is a
//! SEAMCALL, and the emulation has no TD: the agent's part is a [`super::StandIn`] call, which the
//! host makes as long as it returns [`super::Status::GoOn`], with a message carried in between.
//!
//! Operands, `RCX` on: IOMMU, SPDM session, page with the answer, [`Turn`], page for the request, page
//! for device information, then for `TpaConnect` the requester ID of function 0, for `TpaMeasure`
//! the page of a nonce of [`NONCE_LEN`] bytes (0: the agent draws one) and [`MEASURE_RAW`] or 0.
//!
//! Results: `RCX` is 1 if there is a request in its page, `RDX` the [`Information`] in its page,
//! `R14` how long to wait before the request is sent, in microseconds. When `TpaConnect` is done, `R8`
//! to `R13` are the SHA-384 of the device information, which the guest validates.

use crate::word::word_enum;

word_enum! {
    /// What the host has to say in a call.
    pub enum Turn {
        /// It begins; what was under way is given up.
        Begin = 0,
        /// The answer is in its page.
        Answer = 1,
        /// There is no answer.
        NoAnswer = 2,
        /// Nothing was asked.
        Nothing = 3,
    }
}

/// Bytes in a nonce.
pub const NONCE_LEN: usize = 32;
/// Measurements as raw bit streams, not as digests.
pub const MEASURE_RAW: u64 = 1;
/// How many words the hash of device information has.
pub const HASH_WORDS: usize = 6;

/// A part of the device information, to be appended to an object. What a conversation collects
/// replaces the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Information {
    /// Bytes in the page, bits 31:0.
    pub len: u32,
    /// Which object (`enum iommu_tsm_object_type`), bits 63:32.
    pub object: u32,
}

impl Information {
    /// As it stands in `RDX`.
    pub const fn raw(self) -> u64 {
        self.len as u64 | (self.object as u64) << 32
    }

    /// From `RDX`.
    pub const fn from_raw(rdx: u64) -> Self {
        Self {
            len: rdx as u32,
            object: (rdx >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information() {
        let part = Information {
            len: 0x400,
            object: 1,
        };
        assert_eq!(part.raw().to_le_bytes(), [0, 4, 0, 0, 1, 0, 0, 0]);
        assert_eq!(Information::from_raw(part.raw()), part);
    }
}
