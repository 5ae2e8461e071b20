// SPDX-License-Identifier: GPL-2.0

//! The emulated platform: PCI devices with TEE-I/O and the TSM firmware of three architectures, as
//! PCI functions that stock QEMU takes over vfio-user.
//!
//! | module | noun |
//! |---|---|
//! | [`config_space`] | configuration space and its capabilities |
//! | [`doe`] | Data Object Exchange mailbox |
//! | [`endpoint`] | one PCI function of a device |
//! | [`device`] | a device: its functions, DSM and SPDM responder |
//! | [`identity`] | a device's key and certificates |
//! | [`entropy`] | random bytes |
//! | [`firmware`] | TSM firmware: its PCI function, and the personality behind it |
//! | [`dma`] | memory of the guest that a function may reach |
//! | [`knobs`] | misbehaviour on command |
//! | [`platform`] | all of that together |
//! | [`backend`] | a function as vfio-user has it |
//! | [`control`] | the control socket |
//! | [`capture`] | a file of data objects |
//! | [`socket`] | the socket protocol of DMTF's `spdm-emu` |
//! | [`serve`] | sockets, threads, beginning and end |

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

pub mod backend;
pub mod capture;
pub mod config_space;
pub mod control;
pub mod device;
pub mod dma;
pub mod doe;
pub mod endpoint;
pub mod entropy;
pub mod firmware;
pub mod identity;
pub mod knobs;
pub mod platform;
mod registers;
pub mod serve;
pub mod socket;
