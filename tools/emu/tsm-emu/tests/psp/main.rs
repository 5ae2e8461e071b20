// SPDX-License-Identifier: GPL-2.0

//! The PSP personality, as the backend for it uses it, and as nobody should.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod arbitrary;
mod commands;
mod driver;
mod guest_messages;
#[path = "../host/mod.rs"]
mod host;
mod life;
mod misbehaviour;
mod owners;
