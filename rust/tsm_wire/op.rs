// SPDX-License-Identifier: GPL-2.0

//! Operations of a guest request, architectures, and which architecture has which operation.

use crate::refusal::Refusal;

/// Architecture of a confidential VM, `enum iommu_vdevice_tsm_tvm_arch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TvmArch {
    /// Any; the backend translates.
    Common = 0,
    /// Arm Confidential Compute Architecture.
    Cca = 1,
    /// AMD SEV-TIO.
    Sev = 2,
    /// Intel TDX Connect.
    Tdx = 3,
}

impl TvmArch {
    /// All of them, in the order of their numbers.
    pub const ALL: [TvmArch; 4] = [TvmArch::Common, TvmArch::Cca, TvmArch::Sev, TvmArch::Tdx];

    /// May a request of this architecture go to a TSM of `backend`?
    pub fn fits(self, backend: TvmArch) -> bool {
        self == TvmArch::Common || self == backend
    }
}

impl TryFrom<u32> for TvmArch {
    type Error = Refusal;

    #[inline]
    fn try_from(raw: u32) -> Result<Self, Refusal> {
        match raw {
            0 => Ok(TvmArch::Common),
            1 => Ok(TvmArch::Cca),
            2 => Ok(TvmArch::Sev),
            3 => Ok(TvmArch::Tdx),
            _ => Err(Refusal::Arch),
        }
    }
}

/// Operation of a guest request, `enum iommu_vdevice_tsm_req_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Op {
    /// Map a range of the TDI's MMIO into the VM.
    ValidateMmio = 1,
    /// Change the TDISP state.
    SetTdiState = 2,
    /// SNP guest message that enables DMA.
    SevEnableDma = 3,
    /// SNP guest message that disables DMA.
    SevDisableDma = 4,
    /// Read an evidence object.
    ReadObject = 5,
    /// Make an evidence object anew.
    RegenObject = 6,
    /// Length of an evidence object.
    ObjectInfo = 7,
}

impl Op {
    /// All of them, in the order of their numbers.
    pub const ALL: [Op; 7] = [
        Op::ValidateMmio,
        Op::SetTdiState,
        Op::SevEnableDma,
        Op::SevDisableDma,
        Op::ReadObject,
        Op::RegenObject,
        Op::ObjectInfo,
    ];

    /// Does `arch` have this operation? The one table of the project.
    #[inline]
    pub fn allowed(self, arch: TvmArch) -> bool {
        match self {
            Op::SevEnableDma | Op::SevDisableDma => arch == TvmArch::Sev,
            Op::ValidateMmio
            | Op::SetTdiState
            | Op::ReadObject
            | Op::RegenObject
            | Op::ObjectInfo => true,
        }
    }

    /// Decodes the pair of a request: arch, then op, then op against arch.
    #[inline]
    pub fn decode(op: u32, arch: u32) -> Result<(Op, TvmArch), Refusal> {
        let arch = TvmArch::try_from(arch)?;
        let op = Op::try_from(op)?;
        if op.allowed(arch) {
            Ok((op, arch))
        } else {
            Err(Refusal::OpArch)
        }
    }
}

impl TryFrom<u32> for Op {
    type Error = Refusal;

    #[inline]
    fn try_from(raw: u32) -> Result<Self, Refusal> {
        match raw {
            1 => Ok(Op::ValidateMmio),
            2 => Ok(Op::SetTdiState),
            3 => Ok(Op::SevEnableDma),
            4 => Ok(Op::SevDisableDma),
            5 => Ok(Op::ReadObject),
            6 => Ok(Op::RegenObject),
            7 => Ok(Op::ObjectInfo),
            _ => Err(Refusal::Op),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the documentation prints it, written out a second time: rows are operations 1
    /// to 7, columns COMMON, CCA, SEV, TDX.
    const TABLE: [[bool; 4]; 7] = [
        [true, true, true, true],
        [true, true, true, true],
        [false, false, true, false],
        [false, false, true, false],
        [true, true, true, true],
        [true, true, true, true],
        [true, true, true, true],
    ];

    #[test]
    fn matrix() {
        for (row, op) in (1u32..=7).enumerate() {
            for arch in 0u32..=3 {
                let got = Op::decode(op, arch).is_ok();
                assert_eq!(got, TABLE[row][arch as usize], "op {op} arch {arch}");
            }
        }
    }

    #[test]
    fn numbers_round_trip() {
        for op in Op::ALL {
            assert_eq!(Op::try_from(op as u32), Ok(op));
        }
        for arch in TvmArch::ALL {
            assert_eq!(TvmArch::try_from(arch as u32), Ok(arch));
        }
    }

    #[test]
    fn arch_is_reported_before_op_and_op_before_the_pair() {
        assert_eq!(Op::decode(99, 99), Err(Refusal::Arch));
        assert_eq!(Op::decode(0, 1), Err(Refusal::Op));
        assert_eq!(Op::decode(8, 0), Err(Refusal::Op));
        assert_eq!(Op::decode(3, 1), Err(Refusal::OpArch));
    }

    #[test]
    fn common_fits_every_backend() {
        for backend in [TvmArch::Cca, TvmArch::Sev, TvmArch::Tdx] {
            for arch in TvmArch::ALL {
                assert_eq!(
                    arch.fits(backend),
                    arch == TvmArch::Common || arch == backend
                );
            }
        }
    }
}
