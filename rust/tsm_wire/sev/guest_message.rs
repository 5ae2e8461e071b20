// SPDX-License-Identifier: GPL-2.0

//! Messages between a guest and the firmware, which the host carries and cannot read.

use super::{layout, Sla, SpdmCtrl, PAGE_SIZE};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buffer of TIO_GUEST_REQUEST, `struct sev_data_tio_guest_request` (AMDESE).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TioGuestRequest {
    /// Bytes in this buffer.
    pub length: u32,
    /// Must be zero.
    pub reserved: u32,
    /// Buffers.
    pub spdm_ctrl: SpdmCtrl,
    /// The device context.
    pub dev_ctx_sla: Sla,
    /// The TDI context.
    pub tdi_ctx_sla: Sla,
    /// The guest context.
    pub gctx_paddr: u64,
    /// A page of the host's with the request.
    pub req_paddr: u64,
    /// A firmware page for the response.
    pub res_paddr: u64,
}

/// Header of a message, `struct snp_guest_msg_hdr` (sev.h; AMD 56860 "SNP_GUEST_REQUEST"). It is not
/// encrypted; from [`MessageHeader::algo`] on it is authenticated.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MessageHeader {
    /// Authentication tag.
    pub authtag: [u8; 32],
    /// Number of the message.
    pub msg_seqno: u64,
    /// Zero.
    pub rsvd1: [u8; 8],
    /// 1: AES-256-GCM.
    pub algo: u8,
    /// 1.
    pub hdr_version: u8,
    /// Bytes in this header.
    pub hdr_sz: u16,
    /// What it says.
    pub msg_type: u8,
    /// 1.
    pub msg_version: u8,
    /// Bytes that are encrypted.
    pub msg_sz: u16,
    /// Zero.
    pub rsvd2: u32,
    /// Which of the guest's four keys it is encrypted with.
    pub msg_vmpck: u8,
    /// Zero.
    pub rsvd3: [u8; 35],
}

impl MessageHeader {
    /// Bytes in the whole message; `None` if that is more than a page, or less than a header.
    pub fn message_len(&self) -> Option<usize> {
        let header = usize::from(self.hdr_sz);
        let len = header.checked_add(usize::from(self.msg_sz))?;
        (header >= core::mem::size_of::<Self>() && len <= PAGE_SIZE).then_some(len)
    }
}

layout!(TioGuestRequest, 80, {
    length: 0, reserved: 4, spdm_ctrl: 8, dev_ctx_sla: 40, tdi_ctx_sla: 48, gctx_paddr: 56,
    req_paddr: 64, res_paddr: 72,
});
layout!(MessageHeader, 96, {
    authtag: 0, msg_seqno: 32, rsvd1: 40, algo: 48, hdr_version: 49, hdr_sz: 50, msg_type: 52,
    msg_version: 53, msg_sz: 54, rsvd2: 56, msg_vmpck: 60, rsvd3: 61,
});
