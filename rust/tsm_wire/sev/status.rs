// SPDX-License-Identifier: GPL-2.0

//! Results of commands.

use crate::word::{word_enum, Unknown};

word_enum! {
    /// `SEV_RET_*` (uapi, `enum sev_ret_code`; AMD 56860 and 55766), bits 15:0 of `X0` on return.
    ///
    /// A sentence here is what the name says; which check of the emulated PSP answers which is in
    /// `Documentation/emulation.rst`.
    pub enum Status {
        /// Done.
        Success = 0x00,
        /// The platform is not in a state that allows this.
        InvalidPlatformState = 0x01,
        /// The guest is not in a state that allows this.
        InvalidGuestState = 0x02,
        /// The configuration of the platform is wrong.
        InvalidConfig = 0x03,
        /// The length of a buffer is wrong.
        InvalidLen = 0x04,
        /// The platform has an owner.
        AlreadyOwned = 0x05,
        /// A certificate is wrong.
        InvalidCertificate = 0x06,
        /// The guest's policy forbids it.
        PolicyFailure = 0x07,
        /// The guest has no ASID.
        Inactive = 0x08,
        /// An address is not one of memory, not aligned, or not distinct.
        InvalidAddress = 0x09,
        /// A signature, or the authentication tag of a message, is wrong.
        BadSignature = 0x0a,
        /// A measurement is wrong.
        BadMeasurement = 0x0b,
        /// The ASID is that of another guest.
        AsidOwned = 0x0c,
        /// There is no such ASID.
        InvalidAsid = 0x0d,
        /// Caches have to be written back first.
        WbinvdRequired = 0x0e,
        /// The data fabric has to be flushed first.
        DfflushRequired = 0x0f,
        /// There is no such guest.
        InvalidGuest = 0x10,
        /// There is no such command.
        InvalidCommand = 0x11,
        /// The guest has an ASID.
        Active = 0x12,
        /// The hardware failed; the state is consistent.
        HardwarePlatform = 0x13,
        /// The hardware failed; the state may not be consistent.
        HardwareUnsafe = 0x14,
        /// The firmware does not have this.
        Unsupported = 0x15,
        /// A parameter is wrong.
        InvalidParam = 0x16,
        /// The firmware is out of something.
        ResourceLimit = 0x17,
        /// Data that the firmware keeps are not what they were.
        SecureDataInvalid = 0x18,
        /// A page has the wrong size.
        InvalidPageSize = 0x19,
        /// A page is not in the state that the command needs.
        InvalidPageState = 0x1a,
        /// A metadata entry is wrong.
        InvalidMdataEntry = 0x1b,
        /// A page belongs to somebody else.
        InvalidPageOwner = 0x1c,
        /// The numbers of guest messages are used up.
        AeadOflow = 0x1d,
        /// Use the ring buffer no more.
        ExitRingBuffer = 0x1f,
        /// The reverse map has to be initialized first.
        RmpInitRequired = 0x20,
        /// The security version is wrong.
        BadSvn = 0x21,
        /// The version is wrong.
        BadVersion = 0x22,
        /// The firmware has to be shut down first.
        ShutdownRequired = 0x23,
        /// The update failed.
        UpdateFailed = 0x24,
        /// The firmware has to be restored.
        RestoreRequired = 0x25,
        /// The reverse map could not be initialized.
        RmpInitializationFailed = 0x26,
        /// The guest message names a key that is not there.
        InvalidKey = 0x27,
        /// The shutdown is not complete.
        ShutdownIncomplete = 0x28,
        /// A buffer is shorter than the least that the firmware takes.
        IncorrectBufferLength = 0x30,
        /// A buffer is too short: its header says how long it has to be.
        ExpandBufferLengthRequest = 0x31,
        /// The request buffer has a message for the device; the same command goes on with the answer.
        SpdmRequest = 0x32,
        /// The conversation with the device failed.
        SpdmError = 0x33,
        /// The device could not be connected.
        ErrInDevConn = 0x35,
        /// The device context is not one.
        InvalidDevCtx = 0x36,
        /// The TDI context is not one, or not of this device.
        InvalidTdiCtx = 0x37,
        /// The interface is not one of the device, or has a context already.
        InvalidTdi = 0x38,
        /// Something has to be reclaimed first.
        ReclaimRequired = 0x39,
        /// Something else is under way, or depends on it.
        InUse = 0x3a,
        /// The device context is in a state that does not allow this.
        InvalidDevState = 0x3b,
        /// The TDI context is in a state that does not allow this.
        InvalidTdiState = 0x3c,
        /// The device shows other certificates than before.
        DevCertChanged = 0x3d,
        /// The device has to be connected again.
        ResyncReq = 0x3e,
        /// The response of the device does not fit its buffer.
        ResponseTooLarge = 0x3f,
    }
}

impl Status {
    /// Status in `X0`: the PSP has 16 bits for it.
    pub fn from_x0(x0: u64) -> Result<Self, Unknown> {
        Self::try_from(x0)
    }
}
