// SPDX-License-Identifier: GPL-2.0

//! MMIO_CONFIG: the attributes of an MMIO range. No public code asks for it any more; the layout is that
//! of the same series, the statuses those of the series before.

use zerocopy::little_endian::{U16, U32};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// In `attributes` of a response: the range holds the MSI-X table.
pub const MSIX_TABLE: u16 = 1 << 0;
/// In `attributes` of a response: the range holds the MSI-X pending bits.
pub const MSIX_PBA: u16 = 1 << 1;
/// In `attributes`: the range is not for the TEE only.
pub const IS_NON_TEE: u16 = 1 << 2;
/// In `attributes` of a response: the attribute could be changed.
pub const UPDATABLE: u16 = 1 << 3;
/// In `write`: the attributes shall be written.
pub const WRITE: u32 = 1 << 0;

/// How it ended, `enum mmio_config_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done.
    Success = 0,
    /// The guest has no such TDI.
    InvalidTdi = 1,
    /// The TDI is not bound.
    TdiUnbound = 2,
    /// The interface report has no such range.
    NotReported = 3,
    /// An attribute cannot be changed.
    CouldNotChange = 4,
}

/// `struct tio_msg_mmio_config_req`.
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
    pub reserved0: U16,
    /// [`IS_NON_TEE`].
    pub attributes: U16,
    /// Range of the interface report.
    pub range_id: U16,
    /// [`WRITE`].
    pub write: U32,
    /// Reserved.
    pub reserved1: U32,
}

const _: () = assert!(size_of::<Request>() == 16);

impl Request {
    /// Whether everything reserved is zero.
    pub fn is_well_formed(&self) -> bool {
        self.reserved0.get() == 0
            && self.attributes.get() & !IS_NON_TEE == 0
            && self.write.get() & !WRITE == 0
            && self.reserved1.get() == 0
    }
}

/// `struct tio_msg_mmio_config_rsp`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Response {
    /// As in the request.
    pub guest_device_id: U16,
    /// [`Status`].
    pub status: U16,
    /// [`MSIX_TABLE`] and what follows it.
    pub attributes: U16,
    /// As in the request.
    pub range_id: U16,
    /// As in the request.
    pub write: U32,
    /// Reserved.
    pub reserved: U32,
}

const _: () = assert!(size_of::<Response>() == 16);

impl Response {
    /// To a request, with the attributes of the range.
    pub fn to(request: &Request, status: Status, attributes: u16) -> Self {
        Self {
            guest_device_id: request.guest_device_id,
            status: U16::new(status as u16),
            attributes: U16::new(attributes),
            range_id: request.range_id,
            write: request.write,
            reserved: U32::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

    #[test]
    fn layout() {
        let bytes = [8, 1, 0, 0, 4, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let request = Request::read_from_bytes(&bytes).unwrap();
        assert_eq!(request.guest_device_id.get(), 0x108);
        assert_eq!(
            (request.attributes.get(), request.range_id.get()),
            (IS_NON_TEE, 2)
        );
        assert_eq!(request.write.get(), WRITE);
        assert!(request.is_well_formed());
        let response = Response::to(&request, Status::CouldNotChange, MSIX_TABLE | MSIX_PBA);
        let expected = [8, 1, 4, 0, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(response.as_bytes(), expected);
        for (at, byte) in [(2, 1), (4, 8), (5, 1), (8, 2), (11, 1), (15, 1)] {
            let mut bytes = bytes;
            bytes[at] = byte;
            assert!(
                !Request::read_from_bytes(&bytes).unwrap().is_well_formed(),
                "{at}"
            );
        }
    }
}
