// SPDX-License-Identifier: GPL-2.0

//! Device interfaces: TDIs that belong to a TD.
//!
//! A device interface is found through a table of four levels, DEVIFMT, whose pages the host adds
//! before. LOCK, STOP and GET_STATE are requests of the host; REPORT and START are the guest's: it asks for
//! them by a TDCALL, the host has them written and brings the answer, both with [`TD_FLAG`], and
//! the guest takes that by another TDCALL. Layouts: `devif_defs.h`, `devifmt_defs.h`,
//! `tdisp_defs.h`.

use crate::word::word_enum;

word_enum! {
    /// Codes of TDISP messages (PCIe 7.0 section 11.3.10).
    pub enum TdispCode {
        /// LOCK_INTERFACE_RESPONSE.
        Locked = 0x03,
        /// DEVICE_INTERFACE_REPORT.
        Report = 0x04,
        /// DEVICE_INTERFACE_STATE.
        State = 0x05,
        /// START_INTERFACE_RESPONSE.
        Started = 0x06,
        /// STOP_INTERFACE_RESPONSE.
        Stopped = 0x07,
        /// TDISP_ERROR.
        Error = 0x7f,
        /// LOCK_INTERFACE_REQUEST.
        Lock = 0x83,
        /// GET_DEVICE_INTERFACE_REPORT.
        GetReport = 0x84,
        /// GET_DEVICE_INTERFACE_STATE.
        GetState = 0x85,
        /// START_INTERFACE_REQUEST.
        Start = 0x86,
        /// STOP_INTERFACE_REQUEST.
        Stop = 0x87,
    }
}

word_enum! {
    /// TDISP states.
    pub enum TdispState {
        /// CONFIG_UNLOCKED.
        Unlocked = 0,
        /// CONFIG_LOCKED.
        Locked = 1,
        /// RUN.
        Run = 2,
        /// ERROR.
        Error = 3,
    }
}

/// `devif_id_t`: `RCX` of `TDH.DEVIF.CREATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevifId {
    /// IOMMU, bits 15:0.
    pub iommu: u16,
    /// Stream ID, bits 23:16.
    pub stream: u8,
    /// Type, bits 31:24: 0, a physical or virtual function.
    pub kind: u8,
    /// Function, bits 63:32: its requester ID; the module takes no segment.
    pub function: u32,
}

impl DevifId {
    /// As it stands in a register.
    pub const fn raw(self) -> u64 {
        self.iommu as u64
            | (self.stream as u64) << 16
            | (self.kind as u64) << 24
            | (self.function as u64) << 32
    }

    /// From a register.
    pub const fn from_raw(raw: u64) -> Self {
        Self {
            iommu: raw as u16,
            stream: (raw >> 16) as u8,
            kind: (raw >> 24) as u8,
            function: (raw >> 32) as u32,
        }
    }
}

/// In requests and answers: they are the guest's.
pub const TD_FLAG: u64 = 1 << 63;
/// In the request [`TdispCode::Lock`]: the device is to take no firmware update.
pub const NO_FW_UPDATE: u64 = 1 << 8;

/// `devif_req_in_t`: a request of the host's. One of the guest's is [`TD_FLAG`] alone.
pub const fn request(code: TdispCode) -> u64 {
    code as u64
}

/// `devif_rsp_in_t`: the page with the answer to a request of the host's. One of the guest's has
/// [`TD_FLAG`] too.
pub const fn response(page: u64) -> u64 {
    page
}

/// `devif_req_out_t`: the code of the message that was written, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOut {
    /// A [`TdispCode`], bits 7:0.
    pub code: u8,
    /// Bits 23:8.
    pub len: u16,
}

impl RequestOut {
    /// As it stands in `RCX`.
    pub const fn raw(self) -> u64 {
        self.code as u64 | (self.len as u64) << 8
    }

    /// From `RCX`.
    pub const fn from_raw(rcx: u64) -> Self {
        Self {
            code: rcx as u8,
            len: (rcx >> 8) as u16,
        }
    }
}

/// `devif_rsp_out_t`: what the answer is, in `RCX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseOut(pub u64);

impl ResponseOut {
    /// Of an answer with this code that was written as `len` bytes, or not (0).
    pub const fn new(code: TdispCode, len: u16) -> Self {
        Self(code as u64 | (len as u64) << 8)
    }

    /// With the state, of [`TdispCode::State`].
    pub const fn with_state(self, state: TdispState) -> Self {
        Self(self.0 | (state as u64) << 24)
    }

    /// With the error code, of [`TdispCode::Error`].
    pub const fn with_error(self, error: u32) -> Self {
        Self(self.0 | (error as u64) << 32)
    }

    /// With the length of the portion and what remains after it, of [`TdispCode::Report`].
    pub const fn with_portion(self, portion: u16, remainder: u16) -> Self {
        Self(self.0 | (portion as u64) << 32 | (remainder as u64) << 48)
    }

    /// A [`TdispCode`], bits 7:0.
    pub const fn code(self) -> u64 {
        self.0 & 0xff
    }

    /// How many bytes of the answer were written, bits 23:8.
    pub const fn len(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// Was none of it written?
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A [`TdispState`], bits 31:24.
    pub const fn state(self) -> u64 {
        (self.0 >> 24) & 0xff
    }

    /// The error code, bits 63:32.
    pub const fn error(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Bytes of this portion of the report, bits 47:32.
    pub const fn portion(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Bytes of the report that follow, bits 63:48.
    pub const fn remainder(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// Offset of the portion in a [`TdispCode::Report`]: after the header of 16 bytes and two lengths.
pub const REPORT_PORTION: usize = 20;
/// Bytes of TDISP that a message has room for (`TDISP_PAYLOAD_MAX_SIZE`).
pub const TDISP_MAX: usize = 4049;

/// Level of the root of the table of device interfaces. An entry of level 0 is a device interface,
/// one of another level a page with entries of the level below.
pub const DEVIFMT_ROOT: u8 = 4;
/// Binary logarithm of how many functions a page of entries of level 0, 1, 2, 3 has below it.
const DEVIFMT_SHIFT: [u32; 4] = [9, 18, 27, 32];

/// `devifmt_idx_t`: the entry of a level that a function is found through.
pub const fn devifmt_index(level: u8, function: u32) -> u64 {
    level as u64 | (function as u64) << 32
}

/// The first of the functions that are found through the same entry of `level` as this one: the
/// table has one such entry for all of them.
pub const fn devifmt_first(level: u8, function: u32) -> u32 {
    // a page of entries of level n hangs at one entry of level n + 1
    let shift = match level {
        0 => 0,
        1 => DEVIFMT_SHIFT[0],
        2 => DEVIFMT_SHIFT[1],
        3 => DEVIFMT_SHIFT[2],
        _ => DEVIFMT_SHIFT[3],
    };
    ((function as u64) >> shift << shift) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes in memory order, as the packed structures of `devif_defs.h` have them.
    fn word(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }

    #[test]
    fn devif_id() {
        let id = DevifId {
            iommu: 0x0123,
            stream: 0x81,
            kind: 0,
            function: 0x0108,
        };
        let raw = word([0x23, 0x01, 0x81, 0x00, 0x08, 0x01, 0x00, 0x00]);
        assert_eq!(id.raw(), raw);
        assert_eq!(DevifId::from_raw(raw), id);
    }

    #[test]
    fn requests() {
        let lock = request(TdispCode::Lock) | NO_FW_UPDATE;
        assert_eq!(lock, word([0x83, 0x01, 0, 0, 0, 0, 0, 0]));
        assert_eq!(TD_FLAG, word([0, 0, 0, 0, 0, 0, 0, 0x80]));
        let out = RequestOut {
            code: 0x83,
            len: 0x0054,
        };
        assert_eq!(out.raw(), word([0x83, 0x54, 0x00, 0, 0, 0, 0, 0]));
        assert_eq!(RequestOut::from_raw(out.raw()), out);
    }

    #[test]
    fn responses() {
        let error = ResponseOut::new(TdispCode::Error, 0x18).with_error(0x0104);
        assert_eq!(error.0, word([0x7f, 0x18, 0, 0, 0x04, 0x01, 0, 0]));
        assert_eq!((error.code(), error.len()), (0x7f, 0x18));
        assert_eq!(error.error(), 0x104);
        let state = ResponseOut::new(TdispCode::State, 0).with_state(TdispState::Run);
        assert_eq!(state.0, word([0x05, 0, 0, 0x02, 0, 0, 0, 0]));
        assert!(state.is_empty() && state.state() == 2);
        let report = ResponseOut::new(TdispCode::Report, 0x30).with_portion(0x1c, 0x0200);
        assert_eq!(report.0, word([0x04, 0x30, 0, 0, 0x1c, 0, 0x00, 0x02]));
        assert_eq!((report.portion(), report.remainder()), (0x1c, 0x200));
    }

    #[test]
    fn table() {
        assert_eq!(
            devifmt_index(3, 0x0301),
            word([0x03, 0, 0, 0, 0x01, 0x03, 0, 0])
        );
        let firsts = [0, 1, 2, 3, 4].map(|level| devifmt_first(level, 0x0301));
        assert_eq!(firsts, [0x301, 0x200, 0, 0, 0]);
        assert_eq!(devifmt_first(3, 0xf800_0000), 0xf800_0000);
        assert_eq!(devifmt_first(4, u32::MAX), 0);
    }
}
