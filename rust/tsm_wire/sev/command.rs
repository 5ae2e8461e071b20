// SPDX-License-Identifier: GPL-2.0

//! Numbers of commands.

use crate::word::word_enum;

word_enum! {
    /// A command, `X0` of a call. `X1` is the address of its buffer, 0 where it has none.
    ///
    /// Up to [`Command::TioDevDisconnect`] the numbers are those of psp-sev.h, from there on of
    /// AMDESE.
    pub enum Command {
        /// SNP_DF_FLUSH, no buffer: flush the data fabric, so that ASIDs can be used again.
        SnpDfFlush = 0x84,
        /// SNP_DECOMMISSION, [`super::snp::Address`]: end a guest.
        SnpDecommission = 0x90,
        /// SNP_ACTIVATE, [`super::snp::Activate`]: give a guest its ASID.
        SnpActivate = 0x91,
        /// SNP_GCTX_CREATE, [`super::snp::Address`]: make a guest context of a firmware page.
        SnpGctxCreate = 0x93,
        /// SNP_LAUNCH_START, [`super::snp::LaunchStart`].
        SnpLaunchStart = 0xa0,
        /// SNP_LAUNCH_FINISH, [`super::snp::LaunchFinish`].
        SnpLaunchFinish = 0xa2,
        /// SNP_PAGE_RECLAIM, [`super::snp::Address`]: let go of a firmware page.
        SnpPageReclaim = 0xc7,
        /// TIO_STATUS, [`super::platform::TioStatus`].
        TioStatus = 0xd0,
        /// TIO_INIT, [`super::platform::TioInit`].
        TioInit = 0xd1,
        /// TIO_DEV_CREATE, [`super::dev::DevCreate`].
        TioDevCreate = 0xd2,
        /// TIO_DEV_RECLAIM, [`super::dev::DevReclaim`].
        TioDevReclaim = 0xd3,
        /// TIO_DEV_CONNECT, [`super::dev::DevConnect`]. Talks with the device.
        TioDevConnect = 0xd4,
        /// TIO_DEV_DISCONNECT, [`super::dev::DevDisconnect`]. Talks with the device.
        TioDevDisconnect = 0xd5,
        /// TIO_DEV_STATUS, [`super::dev::DevStatus`].
        TioDevStatus = 0xd6,
        /// TIO_DEV_MEASUREMENTS, [`super::dev::DevMeasurements`]. Talks with the device.
        TioDevMeasurements = 0xd7,
        /// TIO_DEV_CERTIFICATES, [`super::dev::DevCertificates`]. May talk with the device.
        TioDevCertificates = 0xd8,
        /// TIO_TDI_CREATE, [`super::tdi::TdiCreate`].
        TioTdiCreate = 0xda,
        /// TIO_TDI_RECLAIM, [`super::tdi::TdiReclaim`].
        TioTdiReclaim = 0xdb,
        /// TIO_TDI_BIND, [`super::tdi::TdiBind`]. Talks with the device.
        TioTdiBind = 0xdc,
        /// TIO_TDI_UNBIND, [`super::tdi::TdiUnbind`]. Talks with the device.
        TioTdiUnbind = 0xdd,
        /// TIO_TDI_REPORT, [`super::tdi::TdiReport`]. Talks with the device.
        TioTdiReport = 0xde,
        /// TIO_TDI_STATUS, [`super::tdi::TdiStatus`]. Talks with the device.
        TioTdiStatus = 0xdf,
        /// TIO_GUEST_REQUEST, [`super::guest_message::TioGuestRequest`]. Talks with the device if
        /// the guest's message needs it.
        TioGuestRequest = 0xe0,
        /// TIO_ASID_FENCE_CLEAR, [`super::fence::AsidFenceClear`].
        TioAsidFenceClear = 0xe1,
        /// TIO_ASID_FENCE_STATUS, [`super::fence::AsidFenceStatus`].
        TioAsidFenceStatus = 0xe2,
    }
}
