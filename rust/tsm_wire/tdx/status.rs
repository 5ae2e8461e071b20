// SPDX-License-Identifier: GPL-2.0

//! Completion statuses.
//!
//! Bits 63:32 are the status, bits 31:0 depend on it: mostly the operand that it is about. Numbers:
//! `include/auto_gen_2_0/tdx_error_codes_defs.h`.

use crate::detail::Detail;
use crate::word::{word_enum, Unknown};

word_enum! {
    /// A completion status, with bits 31:0 clear.
    pub enum Status {
        /// Done.
        Success = 0,
        /// The page is free already.
        PageAlreadyFree = 0x0000_0301_0000_0000,
        /// The key is configured already.
        KeyConfigured = 0x0000_0815_0000_0000,
        /// No key wants its caches written back.
        NoHkidReadyToWbcache = 0x0000_0821_0000_0000,
        /// The page of memory was accepted already.
        PageAlreadyAccepted = 0x0000_0b0a_0000_0000,
        /// The device interface is valid already.
        DevifAlreadyValid = 0x0000_0f0d_0000_0000,
        /// The page of MMIO was accepted already.
        MmioPageAlreadyAccepted = 0x0000_0f28_0000_0000,
        /// Not of the module, but of the emulation: something is under way that takes another call.
        /// The class of statuses is the one that the module never uses (`TDX_SW_ERROR` of the
        /// kernel).
        GoOn = 0x0000_ff01_0000_0000,
        /// The call was interrupted, and goes on when it is made again.
        InterruptedResumable = 0x8000_0003_0000_0000,
        /// The call was interrupted, and begins anew when it is made again.
        InterruptedRestartable = 0x8000_0004_0000_0000,
        /// Somebody else uses the operand.
        OperandBusy = 0x8000_0200_0000_0000,
        /// Processors are still in the epoch before the one that ends.
        PreviousTlbEpochBusy = 0x8000_0201_0000_0000,
        /// Somebody else uses the module.
        SysBusy = 0x8000_0202_0000_0000,
        /// There are no random bytes just now.
        RndNoEntropy = 0x8000_0203_0000_0000,
        /// Somebody else uses the operand, and the host goes first.
        OperandBusyHostPriority = 0x8000_0204_0000_0000,
        /// The TD has no key.
        TdKeysNotConfigured = 0x8000_0810_0000_0000,
        /// Caches are not written back.
        WbcacheNotComplete = 0x8000_0817_0000_0000,
        /// A vCPU of the TD is on a processor.
        FlushvpNotDone = 0x8000_0824_0000_0000,
        /// An operand is wrong.
        OperandInvalid = 0xc000_0100_0000_0000,
        /// An address is not one of memory that the module has.
        OperandAddrRangeError = 0xc000_0101_0000_0000,
        /// A page is not of the type that the call needs.
        PageMetadataIncorrect = 0xc000_0300_0000_0000,
        /// A page is not free.
        PageNotFree = 0xc000_0303_0000_0000,
        /// The TD has pages.
        TdAssociatedPagesExist = 0xc000_0400_0000_0000,
        /// The module is not ready.
        SysNotReady = 0xc000_0505_0000_0000,
        /// The module is shut down.
        SysShutdown = 0xc000_0506_0000_0000,
        /// The module is not in the state that the call needs.
        SysStateIncorrect = 0xc000_0508_0000_0000,
        /// The TD has no control structure.
        TdcsNotAllocated = 0xc000_0606_0000_0000,
        /// The TD is not in the part of its life that the call needs.
        LifecycleStateIncorrect = 0xc000_0607_0000_0000,
        /// The TD is not in the state that the call needs.
        OpStateIncorrect = 0xc000_0608_0000_0000,
        /// The number of pages for the control structure is wrong.
        TdcxNumIncorrect = 0xc000_0610_0000_0000,
        /// The key is not in the state that the call needs.
        KeyStateIncorrect = 0xc000_0811_0000_0000,
        /// The key is in use.
        HkidNotFree = 0xc000_0820_0000_0000,
        /// Writing caches back was not interrupted.
        WbcacheResumeError = 0xc000_0823_0000_0000,
        /// A walk of the secure EPT ended before its target.
        EptWalkFailed = 0xc000_0b00_0000_0000,
        /// The entry of the secure EPT is not free.
        EptEntryNotFree = 0xc000_0b02_0000_0000,
        /// The range is not blocked.
        GpaRangeNotBlocked = 0xc000_0b06_0000_0000,
        /// Processors may have the translation yet.
        TlbTrackingNotDone = 0xc000_0b08_0000_0000,
        /// The entry of the secure EPT is not in the state that the call needs.
        EptEntryStateIncorrect = 0xc000_0b0d_0000_0000,
        /// There is no such field.
        MetadataFieldIdIncorrect = 0xc000_0c00_0000_0000,
        /// The field cannot be read.
        MetadataFieldNotReadable = 0xc000_0c02_0000_0000,
        /// The IOMMU is not in the state that the call needs.
        IommuInvalidState = 0xc000_0f00_0000_0000,
        /// The queue of invalidations is full.
        IommuIqQueueFull = 0xc000_0f01_0000_0000,
        /// The root port is not configured.
        IommuRpNotConfigured = 0xc000_0f02_0000_0000,
        /// The IOMMU may have the translation yet.
        IommuIotlbTrackingNotDone = 0xc000_0f03_0000_0000,
        /// The SPDM session has IDE streams.
        SpdmHasActiveIdeStreams = 0xc000_0f05_0000_0000,
        /// The SPDM session is not bound, or is.
        SpdmInvalidState = 0xc000_0f06_0000_0000,
        /// The DMA remapping entry is not in the state that the call needs.
        DmarInvalidMappingState = 0xc000_0f07_0000_0000,
        /// The DMA remapping entry is not invalidated, or is.
        DmarInvalidInvState = 0xc000_0f08_0000_0000,
        /// There is no such requester or PASID.
        DmarInvalidRidPasid = 0xc000_0f09_0000_0000,
        /// The hash is not that of the device.
        DevifPkhMismatch = 0xc000_0f0b_0000_0000,
        /// The device interface is not valid.
        DevifInvalid = 0xc000_0f0c_0000_0000,
        /// The guest's request is not in the state that the call needs.
        DevifTdispInvalidReqSts = 0xc000_0f0e_0000_0000,
        /// The TDISP message is not well formed.
        DevifTdispInvalidMessage = 0xc000_0f0f_0000_0000,
        /// The device interface is not in the TDISP state that the call needs.
        DevifTdispInvalidState = 0xc000_0f10_0000_0000,
        /// The device interface is not in the state that the call needs.
        DevifInvalidState = 0xc000_0f11_0000_0000,
        /// MMIO of the device interface is mapped.
        DevifHasMappedMmio = 0xc000_0f13_0000_0000,
        /// A TDISP request waits for its answer, or none does.
        DevifTdispOutReq = 0xc000_0f14_0000_0000,
        /// The Stream ID is in use.
        IdeStreamNotFree = 0xc000_0f16_0000_0000,
        /// The root port has no such stream.
        IdeStreamNotSupported = 0xc000_0f17_0000_0000,
        /// There is no such stream.
        IdeStreamNotConfigured = 0xc000_0f18_0000_0000,
        /// The stream is blocked.
        IdeStreamBlocked = 0xc000_0f19_0000_0000,
        /// The stream is not blocked.
        IdeStreamNotBlocked = 0xc000_0f1a_0000_0000,
        /// Another stream has some of the addresses.
        IdeStreamAddrOverlap = 0xc000_0f1b_0000_0000,
        /// Another stream has some of the requester IDs.
        IdeStreamRidOverlap = 0xc000_0f1c_0000_0000,
        /// Another stream has this number in the key configuration unit.
        IdeStreamKeyIdAlreadyUsed = 0xc000_0f1d_0000_0000,
        /// Another stream has this register block of the root port.
        IdeStreamIdeIdAlreadyUsed = 0xc000_0f1e_0000_0000,
        /// Device interfaces use the stream.
        IdeStreamHasDeviceInterfaces = 0xc000_0f1f_0000_0000,
        /// An IDE_KM request waits for its answer.
        IdeStreamIdekmOutreq = 0xc000_0f20_0000_0000,
        /// Keys are missing.
        IdeStreamIdekmKeysNotReady = 0xc000_0f21_0000_0000,
        /// The answer is not the one to the IDE_KM request.
        IdeStreamIdekmInvalidResponse = 0xc000_0f23_0000_0000,
        /// The stream is not in the state that the call needs.
        IdeStreamInvalidState = 0xc000_0f24_0000_0000,
        /// The MMIO page is not in the state that the call needs.
        MmioInvalidPageMetadata = 0xc000_0f25_0000_0000,
        /// The MMIO is of a device interface of another TD.
        MmioDevifOwnerMismatch = 0xc000_0f27_0000_0000,
        /// There is no such DMA remapping entry.
        DmarEntryNotPresent = 0xc000_0f39_0000_0000,
        /// The TD has device interfaces.
        TdHasAttachedDevices = 0xc000_0f3a_0000_0000,
        /// No translation is waited for.
        IommuIotlbTrackingNotRequired = 0xc000_0f3b_0000_0000,
        /// A message is not authentic.
        SpdmAuthFailed = 0xc000_0f3c_0000_0000,
        /// The table of the IOMMU is in use.
        IommuMtPageInUse = 0xc000_0f3d_0000_0000,
        /// DMA of the device interface is mapped.
        DevifHasMappedDma = 0xc000_0f3f_0000_0000,
        /// There is no such entry in the table of device interfaces.
        DevifmtNotPresent = 0xc000_0f40_0000_0000,
        /// The device interface is another TD's.
        DevifInvalidMetadata = 0xc000_0f41_0000_0000,
        /// There is such an entry in the table of device interfaces.
        DevifmtAlreadyPresent = 0xc000_0f42_0000_0000,
        /// There is an SPDM session of this number.
        SpdmEntryAlreadyPresent = 0xc000_0f43_0000_0000,
        /// There is no SPDM session of this number.
        SpdmEntryNotPresent = 0xc000_0f44_0000_0000,
        /// There is no such entry in the MMIO metadata table.
        MmiomtNotPresent = 0xc000_0f47_0000_0000,
        /// The device reports that it is configured in a way that the module does not support.
        DevifInvalidTdiConfiguration = 0xc000_0f49_0000_0000,
        /// The device interface is in the TDISP state ERROR.
        DevifTdispErrorState = 0xc000_0f4a_0000_0000,
        /// The report is not well formed.
        DevifTdispInvalidReport = 0xc000_0f4b_0000_0000,
        /// The MMIO is not among what the stream reaches.
        MmioPageNotInAssocRange = 0xc000_0f4c_0000_0000,
        /// The guest has the MMIO at another address.
        MmioInvalidHpaOffset = 0xc000_0f4d_0000_0000,
        /// The SPDM message is not well formed.
        SpdmInvalidMessage = 0xc000_0f4e_0000_0000,
        /// Not of the module, but of the stand-in for the TPA: the conversation failed, bits 31:0 are
        /// [`Detail::raw`].
        TpaFailed = 0xc000_ff02_0000_0000,
    }
}

/// What bits 31:0 of many statuses are: the operand that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Operand {
    /// `RAX`.
    Rax = 0,
    /// `RCX`.
    Rcx = 1,
    /// `RDX`.
    Rdx = 2,
    /// `R8`.
    R8 = 8,
    /// `R9`.
    R9 = 9,
    /// `R10`.
    R10 = 10,
    /// `R11`.
    R11 = 11,
    /// `R12`.
    R12 = 12,
    /// `R13`.
    R13 = 13,
    /// `R14`.
    R14 = 14,
    /// `R15`.
    R15 = 15,
    /// Attributes of a TD.
    Attributes = 64,
    /// Extended features of a TD.
    Xfam = 65,
    /// How many vCPUs a TD may have.
    MaxVcpus = 68,
    /// The TDR that an object belongs to.
    Tdr = 128,
    /// The TDCS of a TD.
    Tdcs = 144,
    /// The MMIO metadata table.
    Mmiomt = 257,
    /// The DMA remapping tables.
    Dmar = 320,
}

impl Status {
    /// The status in `RAX`.
    ///
    /// # Errors
    ///
    /// `RAX`, if it is none that is known.
    pub fn from_rax(rax: u64) -> Result<Self, Unknown> {
        Self::try_from(rax & !0xffff_ffff).map_err(|_| Unknown(rax))
    }

    /// As it stands in `RAX`.
    pub const fn raw(self) -> u64 {
        self as u64
    }

    /// With the operand that it is about.
    pub const fn of(self, operand: Operand) -> u64 {
        self as u64 | operand as u64
    }

    /// [`Status::TpaFailed`] with what failed.
    pub const fn tpa_failed(detail: Detail) -> u64 {
        Status::TpaFailed as u64 | detail.raw()
    }

    /// Is `RAX` one of a call that did what it was asked to? Bit 63 is set in those that did not, or
    /// did not to the end.
    pub const fn is_success(rax: u64) -> bool {
        rax >> 63 == 0
    }

    /// Is the same call to be made again?
    pub const fn is_busy(self) -> bool {
        matches!(
            self,
            Status::InterruptedResumable
                | Status::InterruptedRestartable
                | Status::OperandBusy
                | Status::PreviousTlbEpochBusy
                | Status::SysBusy
                | Status::RndNoEntropy
                | Status::OperandBusyHostPriority
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detail::DetailClass;

    #[test]
    fn operands() {
        // api_error_with_operand_id(TDX_OPERAND_INVALID, OPERAND_ID_R8)
        let rax = 0xc000_0100_0000_0008;
        assert_eq!(Status::OperandInvalid.of(Operand::R8), rax);
        assert_eq!(Status::from_rax(rax), Ok(Status::OperandInvalid));
        assert!(!Status::is_success(rax));
        assert!(Status::from_rax(u64::MAX).is_err());
    }

    #[test]
    fn classes() {
        for &status in Status::ALL {
            assert_eq!(Status::from_rax(status.raw()), Ok(status));
            assert_eq!(status.raw() as u32, 0);
            // recoverable is: an error, and not one that stays
            assert!(!status.is_busy() || status.raw() >> 62 == 2);
        }
        assert!(Status::is_success(Status::GoOn.raw()));
        let detail = Detail {
            class: DetailClass::Session,
            value: 2,
        };
        assert_eq!(Status::tpa_failed(detail), 0xc000_ff02_0006_0002);
    }
}
