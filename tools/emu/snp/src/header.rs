// SPDX-License-Identifier: GPL-2.0

//! What every message starts with: `struct snp_guest_msg_hdr` in Linux's `asm/sev.h`, the message header
//! of AMD 56860. It is followed by the encrypted payload. From `algorithm` on it is authenticated.

use crate::VMPCK_COUNT;
use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a [`Header`].
pub const HEADER_SIZE: usize = 96;
/// Version of the header.
pub const HEADER_VERSION: u8 = 1;
/// Most bytes of a message: it is in one page.
pub const MESSAGE_MAX: usize = 4096;
/// Most bytes of a payload.
pub const PAYLOAD_MAX: usize = MESSAGE_MAX - HEADER_SIZE;

/// AES-256-GCM, `SNP_AEAD_AES_256_GCM`.
pub(crate) const ALGORITHM: u8 = 1;
/// Bytes of the tag, at the front of its field.
pub(crate) const TAG_SIZE: usize = 16;
/// Where what is authenticated begins, `AAD_LEN` bytes before the end.
const ASSOCIATED: usize = 48;

/// Header of a message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Tag of AES-GCM in the first 16 bytes.
    pub tag: [u8; 32],
    /// Number of the message: that of a request is odd, its response has the next one.
    pub sequence: U64,
    /// Reserved.
    pub reserved0: [u8; 8],
    /// Algorithm, 1 for AES-256-GCM.
    pub algorithm: u8,
    /// [`HEADER_VERSION`].
    pub header_version: u8,
    /// [`HEADER_SIZE`].
    pub header_size: U16,
    /// [`crate::MessageType`], or one of another part of the ABI.
    pub message_type: u8,
    /// Version of the message.
    pub message_version: u8,
    /// Bytes of the payload.
    pub message_size: U16,
    /// Reserved.
    pub reserved1: U32,
    /// Which key it is encrypted with.
    pub vmpck: u8,
    /// Reserved.
    pub reserved2: [u8; 35],
}

const _: () = assert!(size_of::<Header>() == HEADER_SIZE);

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// They end too soon.
    #[error("the message is cut off")]
    Short,
    /// The header has another size or version.
    #[error("the header is of another version")]
    Version,
    /// The algorithm is not AES-256-GCM.
    #[error("the algorithm is unknown")]
    Algorithm,
    /// Reserved bytes are not zero.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// The payload is none, or does not fit into a page.
    #[error("the size of the payload is impossible")]
    Size,
    /// A guest has no key of this number.
    #[error("there is no such key")]
    Key,
    /// No message has the number 0, and the last ones are not used.
    #[error("the sequence number is impossible")]
    Sequence,
}

impl Header {
    /// The header of a message, and its payload, still encrypted. What follows the payload in the page
    /// is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, rest) = Self::read_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        let reserved = header.reserved0.iter().chain(&header.reserved2);
        let tail = header.tag.iter().skip(TAG_SIZE);
        if header.header_version != HEADER_VERSION
            || usize::from(header.header_size.get()) != HEADER_SIZE
        {
            return Err(Malformed::Version);
        }
        if header.algorithm != ALGORITHM {
            return Err(Malformed::Algorithm);
        }
        if header.reserved1.get() != 0 || reserved.chain(tail).any(|byte| *byte != 0) {
            return Err(Malformed::Reserved);
        }
        if usize::from(header.vmpck) >= VMPCK_COUNT {
            return Err(Malformed::Key);
        }
        if matches!(header.sequence.get(), 0 | u64::MAX) {
            return Err(Malformed::Sequence);
        }
        let size = usize::from(header.message_size.get());
        if !(1..=PAYLOAD_MAX).contains(&size) {
            return Err(Malformed::Size);
        }
        let payload = rest.get(..size).ok_or(Malformed::Short)?;
        Ok((header, payload))
    }

    /// What is authenticated besides the payload.
    pub(crate) fn associated(&self) -> &[u8] {
        self.as_bytes().get(ASSOCIATED..).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header as the definition has it, followed by 16 bytes of payload.
    pub(crate) fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE];
        bytes[..16].fill(0x77);
        bytes[0x20] = 5;
        bytes[0x30] = 1;
        bytes[0x31] = 1;
        bytes[0x32] = 96;
        bytes[0x34] = 19;
        bytes[0x35] = 1;
        bytes[0x36] = 16;
        bytes[0x3c] = 2;
        bytes.extend([0xee; 16]);
        bytes
    }

    #[test]
    fn layout() {
        let bytes = bytes();
        let (header, payload) = Header::parse(&bytes).unwrap();
        assert_eq!(header.sequence.get(), 5);
        assert_eq!((header.message_type, header.message_version), (19, 1));
        assert_eq!(header.vmpck, 2);
        assert_eq!(payload, [0xee; 16]);
        assert_eq!(header.associated().len(), 48);
        assert_eq!(header.associated()[0], 1);
        assert_eq!(header.as_bytes(), &bytes[..HEADER_SIZE]);
    }

    #[test]
    fn refused() {
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes();
            bytes[at] = byte;
            Header::parse(&bytes).map(drop)
        };
        assert_eq!(with(0x20, 7), Ok(()));
        for (at, byte, why) in [
            (0x10, 1, Malformed::Reserved),
            (0x20, 0, Malformed::Sequence),
            (0x28, 1, Malformed::Reserved),
            (0x30, 0, Malformed::Algorithm),
            (0x30, 2, Malformed::Algorithm),
            (0x31, 2, Malformed::Version),
            (0x32, 95, Malformed::Version),
            (0x36, 0, Malformed::Size),
            (0x36, 17, Malformed::Short),
            (0x37, 0x10, Malformed::Size),
            (0x38, 1, Malformed::Reserved),
            (0x3c, 4, Malformed::Key),
            (0x5f, 1, Malformed::Reserved),
        ] {
            assert_eq!(with(at, byte), Err(why), "{at:#x}");
        }
        let mut last = bytes();
        last[0x20..0x28].fill(0xff);
        assert_eq!(Header::parse(&last), Err(Malformed::Sequence));
        assert_eq!(Header::parse(&last[..95]), Err(Malformed::Short));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((header, payload)) = Header::parse(&bytes) {
                prop_assert_eq!(usize::from(header.message_size.get()), payload.len());
            }
        }
    }
}
