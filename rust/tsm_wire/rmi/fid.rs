// SPDX-License-Identifier: GPL-2.0

//! Function identifiers.

use crate::word::{word_enum, Unknown};

/// SMCCC part of every identifier: fast call, 64 bit, owner "standard secure service".
pub const BASE: u64 = 0xc400_0000;

word_enum! {
    /// Calls of the host to the RMM. Arguments are `X1..` in the order given, results follow the
    /// arrow from `X1` on; the status is always in `X0`, see [`super::Status`].
    ///
    /// The values are the low 16 bits; [`Fid::raw`] gives what stands in `X0`.
    pub enum Fid {
        /// `(requested)` -> `lower, higher`: ABI revisions, see [`super::ABI_VERSION`].
        Version = 0x150,
        /// `(rd, params)`: make a Realm of the delegated granule `rd`.
        RealmCreate = 0x158,
        /// `(rd)`: destroy a Realm; `rd` becomes a delegated granule again.
        RealmDestroy = 0x159,
        /// `(rd, rec, ipa_base, ipa_top)` -> `ipa`: let a Realm have a mapping that its REC asked
        /// for. Not supported by the emulation, which has no REC.
        RttDevValidate = 0x163,
        /// `(index)` -> `value`: a feature register.
        Features = 0x165,
        /// `(pdev)`: end the communication of a PDEV.
        PdevAbort = 0x174,
        /// `(pdev, data)` -> `detail`: go on with the communication of a PDEV. `data` is a
        /// [`super::DevCommData`].
        PdevCommunicate = 0x175,
        /// `(pdev, params)`: make a PDEV of a delegated granule. `params` is a
        /// [`super::PdevParams`].
        PdevCreate = 0x176,
        /// `(pdev)`: destroy a stopped PDEV; the granule becomes a delegated one again.
        PdevDestroy = 0x177,
        /// `(pdev)` -> `state`, see [`super::PdevState`].
        PdevGetState = 0x178,
        /// `(pdev, params)`: give the public key of a device.
        PdevSetPubkey = 0x17b,
        /// `(pdev)`: begin to stop a PDEV that has no VDEV.
        PdevStop = 0x17c,
        /// `(rd, pdev, vdev)`: end the communication of a VDEV.
        VdevAbort = 0x185,
        /// `(rd, pdev, vdev, data)` -> `detail`: go on with the communication of a VDEV.
        VdevCommunicate = 0x186,
        /// `(rd, pdev, vdev, params)`: make a VDEV of a delegated granule. `params` is a
        /// [`super::VdevParams`].
        VdevCreate = 0x187,
        /// `(rd, pdev, vdev)`: destroy a VDEV; the granule becomes a delegated one again.
        VdevDestroy = 0x188,
        /// `(vdev)` -> `state`, see [`super::VdevState`].
        VdevGetState = 0x189,
        /// `(rd, pdev, vdev)` -> `addr`: begin to unlock. `RMI_ERROR_GRANULE` with the address in
        /// `X1` as long as device memory of the VDEV is mapped, see [`Fid::RttDevUnmap`].
        VdevUnlock = 0x18a,
        /// `(rd, pdev, vdev)`: begin to read the interface report.
        VdevGetInterfaceReport = 0x1d0,
        /// `(rd, pdev, vdev, params)`: begin to read measurements. `params` is a
        /// [`super::VdevMeasureParams`].
        VdevGetMeasurements = 0x1d1,
        /// `(rd, pdev, vdev)`: begin to lock.
        VdevLock = 0x1d2,
        /// `(rd, pdev, vdev)`: begin to start.
        VdevStart = 0x1d3,
        /// `(base, top)` -> `next`: take granules from the host, from `base` on; `next` is the first
        /// that was not taken, and need not be `top`. Version 2.0 has this in the place of the
        /// `GRANULE_DELEGATE` (0x151) of version 1.0.
        GranuleRangeDelegate = 0x1f1,
        /// `(base, top)` -> `next`: give granules back, in the same manner.
        GranuleRangeUndelegate = 0x1f2,
        /// `(rd, vdev, ipa_base, ipa_top, flags, output)` -> `ipa`: map delegated device memory of a
        /// VDEV that is locked or started; `ipa` is the end of what was mapped, and need not be
        /// `ipa_top`. See [`super::rtt`] for `flags` and `output`.
        RttDevMap = 0x1f7,
        /// `(rd, ipa_base, ipa_top, flags, 0)` -> `ipa, output, count`: unmap; `ipa` is the end of
        /// what was unmapped, `output` describes the memory that was mapped there.
        RttDevUnmap = 0x1f8,
        /// `(params)` -> `stream`: begin to connect a stream between two PDEVs that are ready, whose
        /// communications go on in turn then. `params` is a [`super::PdevStreamParams`].
        PdevStreamConnect = 0x204,
        /// `(pdev_1, pdev_2, stream)`: begin to disconnect a stream, in the same manner.
        PdevStreamDisconnect = 0x205,
        /// `(pdev_1, pdev_2, stream)`: what was begun with a stream is over, on both sides.
        PdevStreamComplete = 0x206,
    }
}

impl Fid {
    /// What stands in `X0`.
    pub const fn raw(self) -> u64 {
        BASE | self as u64
    }

    /// The call that `X0` asks for.
    pub fn from_raw(x0: u64) -> Result<Self, Unknown> {
        if x0 & !0xffff != BASE {
            return Err(Unknown(x0));
        }
        Self::try_from(x0 & 0xffff).map_err(|_| Unknown(x0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for &fid in Fid::ALL {
            assert_eq!(Fid::from_raw(fid.raw()), Ok(fid));
        }
    }

    #[test]
    fn other_ranges_are_unknown() {
        assert!(Fid::from_raw(0x150).is_err());
        assert!(Fid::from_raw(0x8400_0150).is_err());
        assert!(Fid::from_raw(BASE | 0x14f).is_err());
    }
}
