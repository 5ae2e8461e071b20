// SPDX-License-Identifier: GPL-2.0

//! Layouts of the ABI and of the firmware's interface.

pub mod block;
pub mod request;
