// SPDX-License-Identifier: GPL-2.0

//! SDTE_WRITE: let a TDI access private memory, or no longer.

use crate::sdte::Sdte;
use zerocopy::little_endian::U16;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// How it ended, `enum sdte_write_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done.
    Success = 0,
    /// The guest has no such TDI.
    InvalidTdi = 1,
    /// The TDI is not bound.
    TdiNotBound = 2,
    /// Something reserved is not zero.
    Reserved = 3,
}

/// `struct tio_msg_sdte_write_req`.
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
    pub reserved: [u8; 14],
    /// The entry.
    pub sdte: Sdte,
}

const _: () = assert!(size_of::<Request>() == 80);

impl Request {
    /// For this TDI.
    pub fn of(guest_device_id: u16, sdte: Sdte) -> Self {
        Self {
            guest_device_id: U16::new(guest_device_id),
            reserved: [0; 14],
            sdte,
        }
    }

    /// Whether everything reserved is zero.
    pub fn is_well_formed(&self) -> bool {
        self.reserved == [0; 14] && self.sdte.is_well_formed()
    }
}

/// `struct tio_msg_sdte_write_rsp`.
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
    pub reserved: [u8; 12],
}

const _: () = assert!(size_of::<Response>() == 16);

impl Response {
    /// To a request.
    pub fn to(request: &Request, status: Status) -> Self {
        Self {
            guest_device_id: request.guest_device_id,
            status: U16::new(status as u16),
            reserved: [0; 12],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

    #[test]
    fn layout() {
        let mut bytes = [0; 80];
        bytes[..2].copy_from_slice(&[8, 1]);
        bytes[16] = 1;
        bytes[23] = 0x60;
        bytes[56] = 1;
        let request = Request::of(0x108, Sdte::allow(0, 0));
        assert_eq!(request.as_bytes(), bytes);
        assert!(request.is_well_formed());
        let response = Response::to(&request, Status::Reserved);
        assert_eq!(response.as_bytes()[..4], [8, 1, 3, 0]);
        bytes[2] = 1;
        assert!(!Request::read_from_bytes(&bytes).unwrap().is_well_formed());
    }
}
