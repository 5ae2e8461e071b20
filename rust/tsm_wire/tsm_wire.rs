// SPDX-License-Identifier: GPL-2.0

//! Layouts, codecs and rules of the iommufd TSM path.
//!
//! This crate knows no kernel and does no I/O. Kbuild builds it into the modules, cargo builds it
//! for the tools, the tests and the emulated platform.
//!
//! | module | noun |
//! |---|---|
//! | [`uapi`] | structures of `include/uapi/linux/iommufd_tsm.h` |
//! | [`op`] | operations, architectures, and which has which |
//! | [`request`] | a decoded request, from either form |
//! | [`scope`] | the scope form and its payloads |
//! | [`guest_message`] | SNP guest messages, as far as the host reads them |
//! | [`residue`] | what an ioctl returns on success |
//! | [`refusal`] | why something was refused, and its errno |
//! | [`tdi`] | states of a TDI and the ways between them |
//! | [`object`] | evidence objects |
//! | [`mailbox`] | the emulated firmware's mailbox |
//! | [`detail`] | why firmware's conversation with a device failed |
//! | [`word`] | words of firmware interfaces that have a few values |
//! | [`rmi`] | the CCA command set |
//! | [`sev`] | the SEV command set |
//! | [`tdx`] | the calls of TDX Connect |

#![cfg_attr(not(any(test, MODULE)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod detail;
pub mod guest_message;
pub mod mailbox;
pub mod object;
pub mod op;
pub mod refusal;
pub mod request;
pub mod residue;
pub mod rmi;
pub mod scope;
pub mod sev;
pub mod tdi;
pub mod tdx;
pub mod uapi;
pub mod word;
