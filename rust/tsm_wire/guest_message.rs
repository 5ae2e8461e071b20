// SPDX-License-Identifier: GPL-2.0

//! SNP guest messages: what a guest and the PSP say to each other past the host.
//!
//! The host carries them, and of what they say it can read the header only: the rest is encrypted.
//! The type in the header is what it holds against the operation or the scope that a message comes
//! under, so that neither is a way to something else; whether a message is genuine, and what is in
//! it, is for the PSP to say. Enabling and disabling DMA are the same type: which of the two it is,
//! the host is not told.

use crate::{op::Op, refusal::Refusal, scope::Scope};

/// Bytes in the header: AMD 56860, "Guest Messages"; `struct snp_guest_msg_hdr` in
/// `arch/x86/include/asm/sev.h` of the kernel.
pub const HEADER_LEN: usize = 96;
/// Offset of `MSG_TYPE` in it, one byte.
pub const MSG_TYPE: usize = 52;
/// Most bytes in a message, and the room that a response has to have: the page of
/// `SNP_GUEST_REQUEST`.
pub const MESSAGE_LEN: usize = 4096;

/// What a message asks for: the types that SEV-TIO adds (`TIO_MSG_*_REQ`, as the SEV-TIO guest
/// series of February 2026 and OpenVMM number them; the answer to each is the next number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `TIO_MSG_TDI_INFO_REQ`: what the PSP knows of a TDI.
    TdiInfo = 19,
    /// `TIO_MSG_MMIO_VALIDATE_REQ`: pages of MMIO are the guest's, or are not.
    MmioValidate = 21,
    /// `TIO_MSG_MMIO_CONFIG_REQ`: attributes of a range of MMIO.
    MmioConfig = 23,
    /// `TIO_MSG_SDTE_WRITE_REQ`: the secure device table entry, by which DMA is possible or not.
    SdteWrite = 25,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [
        Kind::TdiInfo,
        Kind::MmioValidate,
        Kind::MmioConfig,
        Kind::SdteWrite,
    ];

    /// Of this message.
    ///
    /// # Errors
    ///
    /// [`Refusal::Payload`] if it is shorter than its header, longer than a page, or of another
    /// type.
    pub fn of(message: &[u8]) -> Result<Kind, Refusal> {
        if !(HEADER_LEN..=MESSAGE_LEN).contains(&message.len()) {
            return Err(Refusal::Payload);
        }
        let number = message.get(MSG_TYPE).copied().ok_or(Refusal::Payload)?;
        let mut kinds = Kind::ALL.into_iter();
        kinds
            .find(|kind| *kind as u8 == number)
            .ok_or(Refusal::Payload)
    }

    /// Does this operation carry it?
    pub const fn is_of_op(self, op: Op) -> bool {
        match self {
            Kind::TdiInfo => false,
            Kind::MmioValidate | Kind::MmioConfig => matches!(op, Op::ValidateMmio),
            Kind::SdteWrite => matches!(op, Op::SevEnableDma | Op::SevDisableDma),
        }
    }

    /// Does this scope cover it?
    pub const fn is_of_scope(self, scope: Scope) -> bool {
        match self {
            Kind::TdiInfo => matches!(scope, Scope::Info),
            Kind::MmioValidate | Kind::MmioConfig | Kind::SdteWrite => {
                matches!(scope, Scope::StateChange)
            }
        }
    }
}

/// A message on its way to the PSP, and the room for what comes back.
pub struct GuestMessage<'a> {
    /// What it asks for.
    pub kind: Kind,
    /// It, at most [`MESSAGE_LEN`] bytes.
    pub request: &'a [u8],
    /// [`MESSAGE_LEN`] bytes, zeroes.
    pub response: &'a mut [u8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header without anything but its type.
    fn header(kind: u8) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[MSG_TYPE] = kind;
        header
    }

    #[test]
    fn types_are_those_of_tio_requests() {
        assert_eq!(Kind::of(&header(19)), Ok(Kind::TdiInfo));
        assert_eq!(Kind::of(&header(21)), Ok(Kind::MmioValidate));
        assert_eq!(Kind::of(&header(23)), Ok(Kind::MmioConfig));
        assert_eq!(Kind::of(&header(25)), Ok(Kind::SdteWrite));
        for number in (0..=u8::MAX).filter(|n| ![19, 21, 23, 25].contains(n)) {
            assert_eq!(Kind::of(&header(number)), Err(Refusal::Payload), "{number}");
        }
    }

    #[test]
    fn a_message_is_no_shorter_than_its_header_and_no_longer_than_a_page() {
        let mut bytes = vec![0; MESSAGE_LEN + 1];
        bytes[MSG_TYPE] = 25;
        assert_eq!(Kind::of(&bytes[..HEADER_LEN - 1]), Err(Refusal::Payload));
        assert_eq!(Kind::of(&bytes[..HEADER_LEN]), Ok(Kind::SdteWrite));
        assert_eq!(Kind::of(&bytes[..MESSAGE_LEN]), Ok(Kind::SdteWrite));
        assert_eq!(Kind::of(&bytes), Err(Refusal::Payload));
    }

    #[test]
    fn each_operation_carries_its_own() {
        for op in Op::ALL {
            for kind in Kind::ALL {
                let carried = matches!(
                    (op, kind),
                    (Op::ValidateMmio, Kind::MmioValidate | Kind::MmioConfig)
                        | (Op::SevEnableDma | Op::SevDisableDma, Kind::SdteWrite)
                );
                assert_eq!(kind.is_of_op(op), carried, "{op:?} {kind:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Kind::of(&bytes);
        }
    }
}
