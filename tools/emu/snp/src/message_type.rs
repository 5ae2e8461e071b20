// SPDX-License-Identifier: GPL-2.0

//! Types of messages. Those of SEV-TIO continue the numbers of `enum msg_type` in Linux's
//! `asm/sev.h` (series of February 2026).

/// Version of the messages of SEV-TIO here: a TDI goes by its requester ID in the guest.
pub const TIO_MESSAGE_VERSION: u8 = 1;

/// Type of a message. A response has the number after that of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageType {
    /// What the firmware knows about a TDI.
    TdiInfoRequest = 19,
    /// See [`crate::tdi_info`].
    TdiInfoResponse = 20,
    /// Accept, or no longer accept, where the host mapped MMIO of a TDI.
    MmioValidateRequest = 21,
    /// See [`crate::mmio_validate`].
    MmioValidateResponse = 22,
    /// Read or write the attributes of an MMIO range.
    MmioConfigRequest = 23,
    /// See [`crate::mmio_config`].
    MmioConfigResponse = 24,
    /// Let a TDI access private memory, or no longer.
    SdteWriteRequest = 25,
    /// See [`crate::sdte_write`].
    SdteWriteResponse = 26,
}

impl MessageType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TdiInfoRequest,
        Self::TdiInfoResponse,
        Self::MmioValidateRequest,
        Self::MmioValidateResponse,
        Self::MmioConfigRequest,
        Self::MmioConfigResponse,
        Self::SdteWriteRequest,
        Self::SdteWriteResponse,
    ];

    /// Of this number; `None` for those of other parts of the ABI.
    pub fn from_raw(raw: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let numbers = MessageType::ALL.map(|kind| kind as u8);
        assert_eq!(numbers, [19, 20, 21, 22, 23, 24, 25, 26]);
        for raw in 0..=255 {
            let found = MessageType::from_raw(raw).map(|kind| kind as u8);
            assert_eq!(found, (19..=26).contains(&raw).then_some(raw));
        }
    }
}
