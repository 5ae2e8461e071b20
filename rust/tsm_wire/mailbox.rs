// SPDX-License-Identifier: GPL-2.0

//! Mailbox of the emulated TSM firmware functions.
//!
//! Each firmware has a function of its own. BAR0 of it is one page of little-endian registers that
//! take 32 and 64 bit accesses. A caller writes the registers of a call to `X[]`, rings the doorbell,
//! waits until [`STATUS_BUSY`] clears and reads the results from `X[]`. Each access takes a while, so
//! zeroes at the end are neither written nor read: the doorbell and the status say how many registers
//! there are before them. Bus mastering must be enabled on the function, since the addresses in
//! arguments are bus addresses that it reads and writes.
//!
//! | personality | `X[0]` in | arguments | `X[0]` out | results |
//! |---|---|---|---|---|
//! | RMM | function identifier (SMCCC) | `X1..` | `RmiCommandReturnCode` | `X1..` |
//! | PSP | command identifier | `X1`: address of the command buffer | status, 16 bits | `X1`: a [`crate::detail::Detail`]; the command buffer |
//! | TDX module | `RAX`: leaf, version | `RCX RDX R8..R15 RBX RDI RSI` | completion status | the same registers |
//!
//! What is no call into firmware on real hardware but an instruction of the host's own (changing who
//! owns a page, flushing caches) is a call with [`INSTRUCTION`] set in `X[0]`.

use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// PCI vendor of the emulated functions.
pub const PCI_VENDOR: u16 = 0x1234;
/// PCI device of the RMM's function.
pub const PCI_DEVICE_RMM: u16 = 0x7d50;
/// PCI device of the PSP's function.
pub const PCI_DEVICE_PSP: u16 = 0x7d51;
/// PCI device of the TDX module's function.
pub const PCI_DEVICE_TDX: u16 = 0x7d52;
/// PCI device of the emulated endpoint functions.
pub const PCI_DEVICE_ENDPOINT: u16 = 0x7de0;

/// Number of the BAR that holds the mailbox.
pub const BAR: u32 = 0;
/// Size of the BAR in bytes.
pub const BAR_SIZE: usize = 4096;

/// Value of [`MAGIC`]: "TSMF".
pub const MAGIC_VALUE: u32 = 0x464d_5354;
/// Value of [`VERSION`] that this file describes.
pub const VERSION_VALUE: u32 = 2;

/// Offset of the magic number; u32, read only.
pub const MAGIC: usize = 0x000;
/// Offset of the layout version; u32, read only.
pub const VERSION: usize = 0x004;
/// Offset of the personality, see [`Personality`]; u32, read only.
pub const PERSONALITY: usize = 0x008;
/// Offset of the status; u32, read only.
pub const STATUS: usize = 0x00c;
/// Offset of the doorbell; u32, write only. A write runs the call in the first registers of `X[]`, as
/// many as it says; those after them count as zero. Ignored while busy.
pub const DOORBELL: usize = 0x010;
/// Offset of the reset register; u32, write only. Any write ends a running call: busy clears and
/// `X[0]` reads a failure of the personality's.
pub const RESET: usize = 0x014;
/// Offset of `X[0]`; 16 times u64. `X[0]` is what to do in and the status out, the others are
/// arguments in and results out. Writes are ignored while busy.
pub const X: usize = 0x040;
/// How many registers `X[]` has.
pub const X_COUNT: usize = 16;
/// Bits of the addresses in arguments, which stand for physical addresses, so that none has more
/// than each firmware takes: 52 for the PSP, but for the last page (`SLA_EOL`); 48 for an RMM
/// without FEAT_LPA; for the TDX module as many as are below the key.
pub const ADDRESS_BITS: u32 = crate::tdx::td::HKID_SHIFT;

/// In `X[0]`: stands in for an instruction of the host's, which no firmware sees.
pub const INSTRUCTION: u64 = 1 << 63;

/// In the function of the RMM alone: offset of the IDE extended capability of root port 0, as
/// configuration space would have it, from its header on; registers of 32 bits. Those of the other
/// root ports follow. They are there for a module of the rig.
pub const ROOT_PORT: usize = 0x800;
/// Length of the window of one root port in bytes; zeroes follow the capability.
pub const ROOT_PORT_LEN: usize = 0x200;
/// How many root ports there are.
pub const ROOT_PORTS: usize = 3;

/// A call is running; `X[]` is not valid yet.
pub const STATUS_BUSY: u32 = 1 << 0;
/// Where the number of results stands in the status, 8 bits: the registers of `X[]` after as many are
/// zero.
pub const STATUS_RESULTS_SHIFT: u32 = 8;

/// How many registers have results, by the status; [`X_COUNT`] at most.
pub fn results(status: u32) -> usize {
    X_COUNT.min((status >> STATUS_RESULTS_SHIFT & 0xff) as usize)
}

/// How many of the registers of a call are to be written: those after them are zero.
pub fn used(registers: &[u64; X_COUNT]) -> usize {
    registers
        .iter()
        .rposition(|register| *register != 0)
        .map_or(0, |last| last + 1)
}

/// Offset of `X[n]` in bytes; `n` is below [`X_COUNT`].
pub const fn x(n: usize) -> usize {
    X + n * size_of::<u64>()
}

/// Offset of the window of root port `n`, which is below [`ROOT_PORTS`].
pub const fn root_port(n: usize) -> usize {
    ROOT_PORT + n * ROOT_PORT_LEN
}

/// What the firmware behind a mailbox speaks. The numbers are those of `tvm_arch` in the uapi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Personality {
    /// Realm Management Monitor of Arm CCA.
    Rmm = 1,
    /// Platform Security Processor of AMD SEV.
    Psp = 2,
    /// TDX module of Intel.
    Tdx = 3,
}

impl Personality {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Rmm, Self::Psp, Self::Tdx];

    /// PCI device of its function.
    pub const fn pci_device(self) -> u16 {
        match self {
            Self::Rmm => PCI_DEVICE_RMM,
            Self::Psp => PCI_DEVICE_PSP,
            Self::Tdx => PCI_DEVICE_TDX,
        }
    }
}

impl TryFrom<u32> for Personality {
    type Error = u32;

    fn try_from(value: u32) -> Result<Self, u32> {
        match value {
            1 => Ok(Self::Rmm),
            2 => Ok(Self::Psp),
            3 => Ok(Self::Tdx),
            other => Err(other),
        }
    }
}

impl TryFrom<u64> for Personality {
    type Error = u64;

    fn try_from(value: u64) -> Result<Self, u64> {
        let narrow = u32::try_from(value).map_err(|_| value)?;
        Self::try_from(narrow).map_err(u64::from)
    }
}

/// The registers as one structure.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Registers {
    /// See [`MAGIC`].
    pub magic: u32,
    /// See [`VERSION`].
    pub version: u32,
    /// See [`PERSONALITY`].
    pub personality: u32,
    /// See [`STATUS`].
    pub status: u32,
    /// See [`DOORBELL`].
    pub doorbell: u32,
    /// See [`RESET`].
    pub reset: u32,
    /// Reads zero.
    pub reserved: [u32; 10],
    /// See [`X`].
    pub x: [u64; X_COUNT],
}

const _: () = assert!(offset_of!(Registers, magic) == MAGIC);
const _: () = assert!(offset_of!(Registers, version) == VERSION);
const _: () = assert!(offset_of!(Registers, personality) == PERSONALITY);
const _: () = assert!(offset_of!(Registers, status) == STATUS);
const _: () = assert!(offset_of!(Registers, doorbell) == DOORBELL);
const _: () = assert!(offset_of!(Registers, reset) == RESET);
const _: () = assert!(offset_of!(Registers, x) == X);
const _: () = assert!(size_of::<Registers>() == x(X_COUNT));
const _: () = assert!(size_of::<Registers>() <= ROOT_PORT);
const _: () = assert!(root_port(ROOT_PORTS) <= BAR_SIZE);
