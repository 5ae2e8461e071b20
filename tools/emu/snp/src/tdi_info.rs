// SPDX-License-Identifier: GPL-2.0

//! TDI_INFO: what the firmware knows about a TDI. The evidence itself the guest has from the host;
//! the digests here say whether it is the right one.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a digest: SHA-384.
pub const DIGEST_SIZE: usize = 48;

/// In `measurement_flags`: there is a digest of measurements.
pub const MEASUREMENT_VALID: u32 = 1 << 0;
/// In `measurement_flags`: the device was measured since the TDI was bound.
pub const MEASUREMENT_FRESH: u32 = 1 << 1;

/// In `spdm_algorithms`, bits 7:0, `TIO_SPDM_ALGOS_DHE_SECP384R1`.
pub const ALGORITHM_DHE_SECP384R1: u64 = 1;
/// In `spdm_algorithms`, bits 15:8, `TIO_SPDM_ALGOS_AEAD_AES_256_GCM`.
pub const ALGORITHM_AEAD_AES_256_GCM: u64 = 1 << 8;
/// In `spdm_algorithms`, bits 23:16, `TIO_SPDM_ALGOS_ASYM_TPM_ALG_ECDSA_ECC_NIST_P384`.
pub const ALGORITHM_ASYM_ECDSA_P384: u64 = 2 << 16;
/// In `spdm_algorithms`, bits 31:24, `TIO_SPDM_ALGOS_HASH_TPM_ALG_SHA_384`.
pub const ALGORITHM_HASH_SHA_384: u64 = 1 << 24;

/// How a TDI stands to the guest, `TIO_MSG_TDI_INFO_RSP_STATUS_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// It is bound to the guest.
    Bound = 0,
    /// The guest has no such TDI.
    Invalid = 1,
    /// It was bound to the guest.
    Unbound = 2,
}

/// `struct tio_msg_tdi_info_req`.
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
}

const _: () = assert!(size_of::<Request>() == 16);

impl Request {
    /// About this TDI.
    pub fn of(guest_device_id: u16) -> Self {
        Self {
            guest_device_id: U16::new(guest_device_id),
            ..Self::default()
        }
    }

    /// Whether reserved bytes are zero.
    pub fn is_well_formed(&self) -> bool {
        self.reserved == [0; 14]
    }
}

/// `struct tio_msg_tdi_info_rsp`.
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
    /// `MEASUREMENT_*`.
    pub measurement_flags: U32,
    /// Flags that the TDI was locked with, as TDISP's LOCK_INTERFACE_REQUEST has them.
    pub lock_flags: U32,
    /// `ALGORITHM_*`, what the SPDM session with the device was agreed to have.
    pub spdm_algorithms: U64,
    /// Of the certificate chain.
    pub certificates_digest: [u8; DIGEST_SIZE],
    /// Of the measurements.
    pub measurements_digest: [u8; DIGEST_SIZE],
    /// Of the interface report.
    pub report_digest: [u8; DIGEST_SIZE],
    /// How often the interface report was made.
    pub report_count: U64,
    /// Reserved.
    pub reserved1: U64,
}

const _: () = assert!(size_of::<Response>() == 192);

impl Response {
    /// That says nothing but a status.
    pub fn bare(guest_device_id: u16, status: Status) -> Self {
        Self {
            guest_device_id: U16::new(guest_device_id),
            status: U16::new(status as u16),
            reserved0: [0; 12],
            measurement_flags: U32::ZERO,
            lock_flags: U32::ZERO,
            spdm_algorithms: U64::ZERO,
            certificates_digest: [0; DIGEST_SIZE],
            measurements_digest: [0; DIGEST_SIZE],
            report_digest: [0; DIGEST_SIZE],
            report_count: U64::ZERO,
            reserved1: U64::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

    #[test]
    fn request() {
        let request = Request::of(0x1234);
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&[0x34, 0x12]);
        assert_eq!(request.as_bytes(), bytes);
        assert!(request.is_well_formed());
        bytes[15] = 1;
        assert!(!Request::read_from_bytes(&bytes).unwrap().is_well_formed());
    }

    #[test]
    fn response() {
        let mut bytes = vec![0; 192];
        bytes[..4].copy_from_slice(&[0x34, 0x12, 2, 0]);
        bytes[16] = 3;
        bytes[20] = 0x10;
        bytes[24..32].copy_from_slice(&[1, 1, 2, 1, 0, 0, 0, 0]);
        bytes[32..80].fill(0xc);
        bytes[80..128].fill(0xa);
        bytes[128..176].fill(0xe);
        bytes[176] = 9;
        let response = Response::read_from_bytes(&bytes).unwrap();
        assert_eq!(response.status.get(), Status::Unbound as u16);
        assert_eq!(
            response.measurement_flags.get(),
            MEASUREMENT_VALID | MEASUREMENT_FRESH
        );
        assert_eq!(response.lock_flags.get(), 1 << 4);
        assert_eq!(
            response.spdm_algorithms.get(),
            ALGORITHM_DHE_SECP384R1
                | ALGORITHM_AEAD_AES_256_GCM
                | ALGORITHM_ASYM_ECDSA_P384
                | ALGORITHM_HASH_SHA_384
        );
        assert_eq!(response.certificates_digest, [0xc; 48]);
        assert_eq!(response.measurements_digest, [0xa; 48]);
        assert_eq!(response.report_digest, [0xe; 48]);
        assert_eq!(response.report_count.get(), 9);
        let bare = Response::bare(7, Status::Invalid);
        assert_eq!(bare.as_bytes()[..4], [7, 0, 1, 0]);
    }
}
