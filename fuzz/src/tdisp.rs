// SPDX-License-Identifier: GPL-2.0

//! TEE Device Interface Security Protocol.

pub mod dsm;
mod functions;
pub mod message;
pub mod procedure;
pub mod report;
