// SPDX-License-Identifier: GPL-2.0

//! The TDX module, as a host and the guest in a TD have to do with it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../host/mod.rs"]
mod host;

mod arbitrary;
mod life;
mod misbehaviour;
mod order;
mod pages;
mod vmm;
