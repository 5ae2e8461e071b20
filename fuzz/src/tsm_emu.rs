// SPDX-License-Identifier: GPL-2.0

//! The emulated platform: what of it a host reaches.

pub mod doe;
mod host;
mod memory;
pub mod monitor;
mod monitor_host;
pub mod psp;
mod psp_host;
pub mod tdx;
