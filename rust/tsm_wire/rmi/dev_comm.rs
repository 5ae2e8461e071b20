// SPDX-License-Identifier: GPL-2.0

//! Device communication: how the host carries messages between the RMM and a device.
//!
//! The host calls `*_COMMUNICATE` with status [`CommStatus::None`] and a [`DevCommData`] page that
//! names a request and a response buffer of one granule each. As long as the call succeeds with
//! flags that are not zero, the host does what they say, in this order, and calls again:
//!
//! 1. [`ExitFlags::CACHE_RSP`]: append that part of the response it brought to the object,
//! 2. [`ExitFlags::CACHE_REQ`]: append that part of the new request to the object,
//! 3. [`ExitFlags::SEND`]: send the request; the next call has [`CommStatus::Response`] and the
//!    length of the answer, or [`CommStatus::Error`]. Without `SEND` it has [`CommStatus::None`].
//!
//! [`ExitFlags::STREAM_WAIT`] says that it is the other PDEV's turn, see [`super::stream`].
//!
//! When the flags are zero, the communication is over and the object has its new state; not before.
//! What is cached in one communication replaces the object; a communication that fails leaves the
//! object as it was.

use super::GRANULE_SIZE;
use crate::word::word_enum;
use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

word_enum! {
    /// `RmiDevCommStatus`: what became of the request.
    pub enum CommStatus {
        /// No request was pending.
        None = 0,
        /// The answer is in the response buffer.
        Response = 1,
        /// There is no answer.
        Error = 2,
    }
}

word_enum! {
    /// `RmiDevCommProtocol`: how to send the request.
    pub enum Protocol {
        /// DOE object type 1, CMA-SPDM.
        Spdm = 0,
        /// DOE object type 2, secured CMA-SPDM.
        SecureSpdm = 1,
    }
}

word_enum! {
    /// `RmiDevCommObject`: what is to be cached. The numbers are those of
    /// `enum iommu_tsm_object_type`.
    pub enum DevObject {
        /// SPDM messages from GET_VERSION to ALGORITHMS, whole.
        Vca = 0,
        /// Certificates of the device in DER, root first, without the header and root hash that
        /// SPDM puts before them.
        Certificate = 1,
        /// SPDM measurement record.
        Measurement = 2,
        /// TDISP interface report.
        InterfaceReport = 3,
    }
}

/// `RmiDevCommExitFlags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitFlags(pub u64);

impl ExitFlags {
    /// Cache the part of the request that `cache_req_*` names. Comes with `SEND` only.
    pub const CACHE_REQ: Self = Self(1 << 0);
    /// Cache the part of the response that `cache_rsp_*` names. Comes after
    /// [`CommStatus::Response`] only.
    pub const CACHE_RSP: Self = Self(1 << 1);
    /// Send the request.
    pub const SEND: Self = Self(1 << 2);
    /// Wait for the response, `rsp_timeout` at most.
    pub const WAIT: Self = Self(1 << 3);
    /// Forget what is cached of the object first. Not used by the emulation.
    pub const RSP_RESET: Self = Self(1 << 4);
    /// More requests follow in this communication. Not used by the emulation.
    pub const MULTI: Self = Self(1 << 5);
    /// Let the communication of the other end of an IDE stream go on first. Comes alone.
    pub const STREAM_WAIT: Self = Self(1 << 6);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `RmiDevCommEnter`: from the host.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevCommEnter {
    /// A [`CommStatus`].
    pub status: u64,
    /// Request buffer, a granule of the host's.
    pub req_addr: u64,
    /// Response buffer, a granule of the host's.
    pub resp_addr: u64,
    /// Length of the answer in bytes, with [`CommStatus::Response`]; at most a granule.
    pub resp_len: u64,
    /// Must be zero.
    pub reserved: [u8; 0xe0],
}

/// `RmiDevCommExit`: from the RMM. Only valid after a call that succeeded.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevCommExit {
    /// [`ExitFlags`].
    pub flags: u64,
    /// Offset of the part to be cached in the request buffer, in bytes.
    pub cache_req_offset: u64,
    /// Length of the part to be cached in the request buffer, in bytes.
    pub cache_req_len: u64,
    /// Offset of the part to be cached in the response buffer, in bytes.
    pub cache_rsp_offset: u64,
    /// Length of the part to be cached in the response buffer, in bytes.
    pub cache_rsp_len: u64,
    /// A [`DevObject`].
    pub cache_obj_id: u64,
    /// A [`Protocol`].
    pub protocol: u64,
    /// How long to wait before sending, in microseconds.
    pub req_delay: u64,
    /// Length of the request in bytes.
    pub req_len: u64,
    /// How long to wait for the answer, in milliseconds.
    pub rsp_timeout: u64,
    /// Zero.
    pub reserved: [u8; 0xb0],
}

/// `RmiDevCommData`, one granule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DevCommData {
    /// From the host.
    pub enter: DevCommEnter,
    /// Not used.
    pub reserved0: [u8; 0x700],
    /// From the RMM.
    pub exit: DevCommExit,
    /// Not used.
    pub reserved1: [u8; 0x700],
}

const _: () = assert!(offset_of!(DevCommEnter, req_addr) == 0x8);
const _: () = assert!(offset_of!(DevCommEnter, resp_addr) == 0x10);
const _: () = assert!(offset_of!(DevCommEnter, resp_len) == 0x18);
const _: () = assert!(size_of::<DevCommEnter>() == 0x100);
const _: () = assert!(offset_of!(DevCommExit, cache_req_offset) == 0x8);
const _: () = assert!(offset_of!(DevCommExit, cache_req_len) == 0x10);
const _: () = assert!(offset_of!(DevCommExit, cache_rsp_offset) == 0x18);
const _: () = assert!(offset_of!(DevCommExit, cache_rsp_len) == 0x20);
const _: () = assert!(offset_of!(DevCommExit, cache_obj_id) == 0x28);
const _: () = assert!(offset_of!(DevCommExit, protocol) == 0x30);
const _: () = assert!(offset_of!(DevCommExit, req_delay) == 0x38);
const _: () = assert!(offset_of!(DevCommExit, req_len) == 0x40);
const _: () = assert!(offset_of!(DevCommExit, rsp_timeout) == 0x48);
const _: () = assert!(size_of::<DevCommExit>() == 0x100);
const _: () = assert!(offset_of!(DevCommData, enter) == 0);
const _: () = assert!(offset_of!(DevCommData, exit) == 0x800);
const _: () = assert!(size_of::<DevCommData>() == GRANULE_SIZE);
