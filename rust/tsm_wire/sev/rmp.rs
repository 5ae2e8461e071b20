// SPDX-License-Identifier: GPL-2.0

//! What the host does with its own instructions and not by a command.
//!
//! On a real host RMPUPDATE changes the entry of a page in the reverse map, and WBINVD writes back
//! caches. An emulated PSP has its own reverse map, so that these are calls of the mailbox there: bit
//! 63 of `X0` is set. They are stand-ins, no part of what AMD has.

use crate::word::word_enum;

/// In `X0`: a stand-in for an instruction.
pub const INSTRUCTION: u64 = 1 << 63;

word_enum! {
    /// `X0` without [`INSTRUCTION`].
    pub enum Instruction {
        /// RMPUPDATE for each page of a range: `(address, gpa, state, pages)` in `X1` to `X4`.
        /// Answers an [`RmpResult`] in `X0`, and how many pages it was done for in `X1`. The
        /// guest physical address grows with the address where pages are a guest's.
        RmpUpdate = 1,
        /// WBINVD on every processor. Answers 0.
        Wbinvd = 2,
    }
}

word_enum! {
    /// What RMPUPDATE leaves in EAX (AMD 24594 "RMPUPDATE"; sev.h has RMPUPDATE_FAIL_OVERLAP).
    pub enum RmpResult {
        /// Done.
        Success = 0,
        /// The page is not one of the reverse map, or the new state is not a state.
        FailInput = 1,
        /// The entry is immutable, or a page of the firmware's.
        FailPermission = 2,
        /// The page is in use.
        FailInUse = 3,
        /// Entries overlap; the kernel tries again at once.
        FailOverlap = 4,
    }
}

/// The new state of a page, `struct rmp_state` (sev.h) without its first word, the guest physical
/// address: assigned in bits 7:0, page size in bits 15:8 (0: 4 KiB), immutable in bits 23:16, ASID in
/// bits 63:32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// The host's: rmp_make_shared().
    Shared,
    /// The firmware's: assigned, immutable, no ASID (`rmp_mark_pages_firmware()`).
    Firmware,
    /// That of the guest with this ASID, which is not zero: rmp_make_private().
    Guest(u32),
}

impl PageState {
    const ASSIGNED: u64 = 1;
    const IMMUTABLE: u64 = 1 << 16;

    /// As it stands in `X3`.
    pub const fn raw(self) -> u64 {
        match self {
            Self::Shared => 0,
            Self::Firmware => Self::ASSIGNED | Self::IMMUTABLE,
            Self::Guest(asid) => Self::ASSIGNED | (asid as u64) << 32,
        }
    }

    /// From `X3`; `None` if it is none of these.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        let asid = (raw >> 32) as u32;
        match (raw & 0xffff_ffff, asid) {
            (0, 0) => Some(Self::Shared),
            (flags, 0) if flags == Self::ASSIGNED | Self::IMMUTABLE => Some(Self::Firmware),
            (_, 0) => None,
            (flags, asid) if flags == Self::ASSIGNED => Some(Self::Guest(asid)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_rmp_state_has_it_in_memory() {
        // assigned, pagesize, immutable, rsvd, asid
        let firmware = u64::from_le_bytes([1, 0, 1, 0, 0, 0, 0, 0]);
        let guest = u64::from_le_bytes([1, 0, 0, 0, 0x34, 0x12, 0, 0]);
        assert_eq!(PageState::Firmware.raw(), firmware);
        assert_eq!(PageState::Guest(0x1234).raw(), guest);
        assert_eq!(PageState::Shared.raw(), 0);
    }

    proptest! {
        #[test]
        fn any_word(raw: u64) {
            if let Some(state) = PageState::from_raw(raw) {
                prop_assert_eq!(state.raw(), raw);
            }
        }

        #[test]
        fn round_trip(asid in 1u32..) {
            let state = PageState::Guest(asid);
            prop_assert_eq!(PageState::from_raw(state.raw()), Some(state));
        }
    }
}
