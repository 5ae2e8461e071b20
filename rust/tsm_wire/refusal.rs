// SPDX-License-Identifier: GPL-2.0

//! Why a call was refused, and the errno that says so: the only place that maps one to the other.

/// Above every errno.
const ERRNO: u16 = 256;

/// The value of a reason: its errno, and what tells it from others with the same.
const fn errno(reason: u16, errno: i32) -> u16 {
    reason * ERRNO + errno as u16
}

/// A reason to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Refusal {
    /// The structure is shorter than any form of it.
    Short = errno(0, EINVAL),
    /// Bytes behind the structure that this kernel does not know are not zero.
    Tail = errno(1, E2BIG),
    /// `flags` or a reserved field is not zero.
    Reserved = errno(2, EOPNOTSUPP),
    /// Unknown type of IOMMU_VDEVICE_TSM_OP.
    Type = errno(3, EINVAL),
    /// Unknown scope, or one that is refused.
    Scope = errno(4, EINVAL),
    /// Unknown architecture, or not the one of the TSM.
    Arch = errno(5, EINVAL),
    /// Unknown operation.
    Op = errno(6, EINVAL),
    /// The architecture does not have the operation.
    OpArch = errno(7, EINVAL),
    /// A length without a pointer, or a pointer without a length.
    Buffer = errno(8, EINVAL),
    /// A length beyond its limit.
    Length = errno(9, EMSGSIZE),
    /// The payload does not say anything valid.
    Payload = errno(10, EINVAL),
    /// No vdevice has this id.
    NoVdevice = errno(11, ENOENT),
    /// Not a PCI device, no TSM is connected to it, or it is not bound.
    NotBound = errno(12, ENXIO),
    /// BIND, and no VM is behind the vdevice.
    NoVm = errno(13, ENODEV),
    /// Bound to another VM or under another virtual id.
    Taken = errno(14, EBUSY),
    /// A virtual id that does not fit in 32 bits.
    VirtId = errno(15, EINVAL),
    /// The TDI is in a state that does not allow this.
    State = errno(16, EPROTO),
    /// The TSM or the device refused; the `tsm_code` says why.
    Firmware = errno(17, EIO),
    /// A signal came while waiting.
    Signal = errno(18, EINTR),
    /// User memory is not there.
    Fault = errno(19, EFAULT),
    /// The TSM has no such operation.
    Unsupported = errno(20, EOPNOTSUPP),
    /// Out of memory.
    Memory = errno(21, ENOMEM),
    /// The module is being unloaded: in a moment nobody answers the ioctl any more.
    Unloading = errno(22, ENOTTY),
}

impl Refusal {
    /// All of them, for tests.
    pub const ALL: [Refusal; 23] = [
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
        Refusal::Unloading,
    ];

    /// The errno, positive, as in `include/uapi/asm-generic/errno*.h`.
    #[inline]
    pub const fn errno(self) -> i32 {
        (self as u16 % ERRNO) as i32
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
            ENOTTY => Refusal::Unloading,
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
const ENOTTY: i32 = 25;
const EPROTO: i32 = 71;
const EMSGSIZE: i32 = 90;
const EOPNOTSUPP: i32 = 95;

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation.
    #[test]
    fn errnos() {
        let table = [
            (Refusal::Short, 22),
            (Refusal::Tail, 7),
            (Refusal::Reserved, 95),
            (Refusal::Type, 22),
            (Refusal::Scope, 22),
            (Refusal::Arch, 22),
            (Refusal::Op, 22),
            (Refusal::OpArch, 22),
            (Refusal::Buffer, 22),
            (Refusal::Length, 90),
            (Refusal::Payload, 22),
            (Refusal::NoVdevice, 2),
            (Refusal::NotBound, 6),
            (Refusal::NoVm, 19),
            (Refusal::Taken, 16),
            (Refusal::VirtId, 22),
            (Refusal::State, 71),
            (Refusal::Firmware, 5),
            (Refusal::Signal, 4),
            (Refusal::Fault, 14),
            (Refusal::Unsupported, 95),
            (Refusal::Memory, 12),
            (Refusal::Unloading, 25),
        ];
        assert_eq!(table.len(), Refusal::ALL.len());
        for (refusal, errno) in table {
            assert_eq!(refusal.errno(), errno, "{refusal:?}");
        }
    }

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
