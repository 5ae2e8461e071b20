// SPDX-License-Identifier: GPL-2.0

//! The emulated platform: what of it a host reaches.

pub mod doe;
mod host;
pub mod monitor;
pub mod psp;
mod psp_host;
