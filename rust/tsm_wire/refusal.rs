// SPDX-License-Identifier: GPL-2.0

//! Why a call was refused, and the errno that says so: the only place that maps one to the other.

/// A reason to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The structure is shorter than any form of it.
    Short,
    /// Bytes behind the structure that this kernel does not know are not zero.
    Tail,
    /// `flags` or a reserved field is not zero.
    Reserved,
    /// Unknown type of IOMMU_VDEVICE_TSM_OP.
    Type,
    /// Unknown scope, or one that is refused.
    Scope,
    /// Unknown architecture, or not the one of the TSM.
    Arch,
    /// Unknown operation.
    Op,
    /// The architecture does not have the operation.
    OpArch,
    /// A length without a pointer, or a pointer without a length.
    Buffer,
    /// A length beyond its limit.
    Length,
    /// The payload does not say anything valid.
    Payload,
    /// No vdevice has this id.
    NoVdevice,
    /// Not a PCI device, no TSM is connected to it, or it is not bound.
    NotBound,
    /// BIND, and no VM is behind the vdevice.
    NoVm,
    /// Bound to another VM or under another virtual id.
    Taken,
    /// A virtual id that does not fit in 32 bits.
    VirtId,
    /// The TDI is in a state that does not allow this.
    State,
    /// The TSM or the device refused; the `tsm_code` says why.
    Firmware,
    /// A signal came while waiting.
    Signal,
    /// User memory is not there.
    Fault,
    /// The TSM has no such operation.
    Unsupported,
    /// Out of memory.
    Memory,
}

impl Refusal {
    /// All of them, for tests.
    pub const ALL: [Refusal; 22] = [
        Refusal::Short,
        Refusal::Tail,
        Refusal::Reserved,
        Refusal::Type,
        Refusal::Scope,
        Refusal::Arch,
        Refusal::Op,
        Refusal::OpArch,
        Refusal::Buffer,
        Refusal::Length,
        Refusal::Payload,
        Refusal::NoVdevice,
        Refusal::NotBound,
        Refusal::NoVm,
        Refusal::Taken,
        Refusal::VirtId,
        Refusal::State,
        Refusal::Firmware,
        Refusal::Signal,
        Refusal::Fault,
        Refusal::Unsupported,
        Refusal::Memory,
    ];

    /// The errno, positive, as in `include/uapi/asm-generic/errno*.h`.
    pub const fn errno(self) -> i32 {
        match self {
            Refusal::Short
            | Refusal::Type
            | Refusal::Scope
            | Refusal::Arch
            | Refusal::Op
            | Refusal::OpArch
            | Refusal::Buffer
            | Refusal::Payload
            | Refusal::VirtId => EINVAL,
            Refusal::Tail => E2BIG,
            Refusal::Reserved | Refusal::Unsupported => EOPNOTSUPP,
            Refusal::Length => EMSGSIZE,
            Refusal::NoVdevice => ENOENT,
            Refusal::NotBound => ENXIO,
            Refusal::NoVm => ENODEV,
            Refusal::Taken => EBUSY,
            Refusal::State => EPROTO,
            Refusal::Firmware => EIO,
            Refusal::Signal => EINTR,
            Refusal::Fault => EFAULT,
            Refusal::Memory => ENOMEM,
        }
    }

    /// The reason behind an errno (positive) that the kernel's own PCI/TSM layer or a TSM that is
    /// not ours returned.
    pub const fn from_errno(errno: i32) -> Refusal {
        match errno {
            ENXIO => Refusal::NotBound,
            EBUSY => Refusal::Taken,
            EPROTO => Refusal::State,
            EINTR => Refusal::Signal,
            EFAULT => Refusal::Fault,
            EOPNOTSUPP => Refusal::Unsupported,
            ENOMEM => Refusal::Memory,
            EINVAL => Refusal::Payload,
            ENODEV => Refusal::NoVm,
            ENOENT => Refusal::NoVdevice,
            EMSGSIZE => Refusal::Length,
            E2BIG => Refusal::Tail,
            _ => Refusal::Firmware,
        }
    }
}

/// A refusal together with the result code of the TSM, which is 0 if it did not come from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// What the TSM said, as its architecture defines it.
    pub tsm_code: u64,
}

impl Refused {
    /// The TSM or the device refused, and `tsm_code` says why.
    pub const fn by_firmware(tsm_code: u64) -> Self {
        Refused {
            why: Refusal::Firmware,
            tsm_code,
        }
    }
}

impl From<Refusal> for Refused {
    #[inline]
    fn from(why: Refusal) -> Self {
        Refused { why, tsm_code: 0 }
    }
}

const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const E2BIG: i32 = 7;
const ENOMEM: i32 = 12;
const EFAULT: i32 = 14;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const EPROTO: i32 = 71;
const EMSGSIZE: i32 = 90;
const EOPNOTSUPP: i32 = 95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_survives_the_way_through_a_refusal() {
        for refusal in Refusal::ALL {
            let errno = refusal.errno();
            assert_eq!(Refusal::from_errno(errno).errno(), errno, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_the_firmware() {
        assert_eq!(Refusal::from_errno(110), Refusal::Firmware);
        assert_eq!(Refusal::from_errno(0), Refusal::Firmware);
        assert_eq!(Refusal::from_errno(i32::MIN), Refusal::Firmware);
    }
}
