// SPDX-License-Identifier: GPL-2.0

//! SEV-TIO: the commands that a host gives the Platform Security Processor to assign devices.
//!
//! Sources, and what each is followed in:
//!
//! | short | source | for |
//! |---|---|---|
//! | psp-sev.h | Linux 7.3 `include/linux/psp-sev.h` | SNP commands, TIO commands up to DEV_DISCONNECT |
//! | uapi | Linux 7.3 `include/uapi/linux/psp-sev.h` | status codes |
//! | sev-dev-tio | Linux 7.3 `drivers/crypto/ccp/sev-dev-tio.{c,h}` | buffers, DEV commands |
//! | AMDESE | AMD's public tree of the same files (github.com/AMDESE/linux-kvm, branch `tsm`), with the TDI commands | the other TIO commands |
//! | sev.h | Linux 7.3 `arch/x86/include/asm/sev.h` | RMPUPDATE, guest messages |
//!
//! AMDESE is of the generation that 7.3 has the first half of: flags in DEV_DISCONNECT and
//! TDI_UNBIND, `tdisp_lock_if_flags` and `run_flags` in TDI_BIND, no status lengths. The older
//! postings differ in all of these and are not mixed in.
//!
//! A command is its number and a buffer in memory, whose first word is its length; the answer is a
//! status ([`Status`], 16 bits). Layouts are those of the C structures, which are packed: where a
//! field is not aligned by itself, the Rust structure is packed too.

pub mod buffer;
pub mod command;
pub mod dev;
pub mod fence;
pub mod guest_message;
pub mod object;
pub mod platform;
pub mod rmp;
pub mod sla;
pub mod snp;
pub mod status;
pub mod tdi;

pub use buffer::BufferHeader;
pub use command::Command;
pub use sla::{Sla, SpdmCtrl};
pub use status::Status;

/// Size of a page in bytes; every address in a command is a multiple of it.
pub const PAGE_SIZE: usize = 4096;

/// Most bytes in the buffer of one TIO command: SEV_TIO_MAX_COMMAND_LENGTH (sev-dev-tio).
pub const COMMAND_MAX: usize = 128;

/// A structure of the interface, of this size and with these offsets.
macro_rules! layout {
    ($type:ty, $size:expr, { $($field:ident: $offset:expr),* $(,)? }) => {
        const _: () = assert!(core::mem::size_of::<$type>() == $size);
        $( const _: () = assert!(core::mem::offset_of!($type, $field) == $offset); )*
    };
}
pub(crate) use layout;
