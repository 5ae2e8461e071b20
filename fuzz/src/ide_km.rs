// SPDX-License-Identifier: GPL-2.0

//! IDE Key Management.

pub mod message;
pub mod port;
pub mod procedure;
