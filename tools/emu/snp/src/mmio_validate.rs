// SPDX-License-Identifier: GPL-2.0

//! MMIO_VALIDATE: the guest accepts that its physical pages are this part of a TDI's MMIO range, or no
//! longer. The host has assigned the pages to the guest before.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// In `flags` of a request: the pages shall be validated, else invalidated.
pub const VALIDATED: u16 = 1 << 0;
/// In `flags` of a request: also if some of them are and some are not.
pub const FORCE: u16 = 1 << 1;
/// In `flags` of a response: it changed something.
pub const CHANGED: u16 = 1 << 0;
/// Other bits of `flags` in a request are zero.
const FLAGS: u16 = VALIDATED | FORCE;

/// How it ended, `enum mmio_validate_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done.
    Success = 0,
    /// The guest has no such TDI.
    InvalidTdi = 1,
    /// The TDI is not bound.
    TdiUnbound = 2,
    /// A page is not assigned to the guest.
    NotAssigned = 3,
    /// A page is not MMIO.
    NotIo = 4,
    /// Some pages are validated and some are not.
    NotUniform = 5,
    /// A page could still be changed by the host.
    NotImmutable = 6,
    /// A page is not where the guest has it.
    NotMapped = 7,
    /// The interface report has no such range.
    NotReported = 8,
    /// The pages are not all in the range.
    OutOfRange = 9,
    /// A page is of another size than 4 KiB.
    Not4K = 10,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::InvalidTdi,
        Self::TdiUnbound,
        Self::NotAssigned,
        Self::NotIo,
        Self::NotUniform,
        Self::NotImmutable,
        Self::NotMapped,
        Self::NotReported,
        Self::OutOfRange,
        Self::Not4K,
    ];
}

/// `struct tio_msg_mmio_validate_req`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct Request {
    /// Requester ID in the guest.
    pub guest_device_id: U16,
    /// Reserved.
    pub reserved0: [u8; 14],
    /// Guest physical address of the first page.
    pub base: U64,
    /// Pages of 4 KiB.
    pub page_count: U32,
    /// Where in the range they begin, in pages of 4 KiB.
    pub range_offset: U32,
    /// [`VALIDATED`], [`FORCE`].
    pub flags: U16,
    /// Range of the interface report.
    pub range_id: U16,
    /// Reserved.
    pub reserved1: [u8; 12],
}

const _: () = assert!(size_of::<Request>() == 48);

impl Request {
    /// Whether everything reserved is zero.
    pub fn is_well_formed(&self) -> bool {
        self.reserved0 == [0; 14] && self.flags.get() & !FLAGS == 0 && self.reserved1 == [0; 12]
    }
}

/// `struct tio_msg_mmio_validate_rsp`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Response {
    /// As in the request.
    pub guest_device_id: U16,
    /// [`Status`].
    pub status: U16,
    /// Reserved.
    pub reserved0: [u8; 12],
    /// As in the request.
    pub base: U64,
    /// As in the request.
    pub page_count: U32,
    /// As in the request.
    pub range_offset: U32,
    /// [`CHANGED`].
    pub flags: U16,
    /// As in the request.
    pub range_id: U16,
    /// Reserved.
    pub reserved1: [u8; 12],
}

const _: () = assert!(size_of::<Response>() == 48);

impl Response {
    /// To a request.
    pub fn to(request: &Request, status: Status, changed: bool) -> Self {
        Self {
            guest_device_id: request.guest_device_id,
            status: U16::new(status as u16),
            reserved0: [0; 12],
            base: request.base,
            page_count: request.page_count,
            range_offset: request.range_offset,
            flags: U16::new(if changed { CHANGED } else { 0 }),
            range_id: request.range_id,
            reserved1: [0; 12],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

    fn bytes() -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..2].copy_from_slice(&[0x08, 0x01]);
        bytes[16..24].copy_from_slice(&0x1_2345_6000u64.to_le_bytes());
        bytes[24..28].copy_from_slice(&4u32.to_le_bytes());
        bytes[28..32].copy_from_slice(&8u32.to_le_bytes());
        bytes[32] = 1;
        bytes[34] = 2;
        bytes
    }

    #[test]
    fn layout() {
        let request = Request::read_from_bytes(&bytes()).unwrap();
        assert_eq!(request.guest_device_id.get(), 0x108);
        assert_eq!(request.base.get(), 0x1_2345_6000);
        assert_eq!(
            (request.page_count.get(), request.range_offset.get()),
            (4, 8)
        );
        assert_eq!(
            (request.flags.get(), request.range_id.get()),
            (VALIDATED, 2)
        );
        let response = Response::to(&request, Status::NotImmutable, true);
        let mut expected = bytes();
        expected[2] = 6;
        assert_eq!(response.as_bytes(), expected);
    }

    #[test]
    fn reserved() {
        assert!(Request::read_from_bytes(&bytes()).unwrap().is_well_formed());
        for (at, byte) in [(2, 1), (15, 1), (32, 4), (33, 0x80), (36, 1), (47, 1)] {
            let mut bytes = bytes();
            bytes[at] = byte;
            assert!(
                !Request::read_from_bytes(&bytes).unwrap().is_well_formed(),
                "{at}"
            );
        }
    }

    #[test]
    fn numbers() {
        for (number, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number);
        }
    }
}
