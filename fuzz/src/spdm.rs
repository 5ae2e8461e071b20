// SPDX-License-Identifier: GPL-2.0

//! Security Protocol and Data Model, and its secured messages.

pub mod chain;
mod device;
mod honest;
mod identity;
mod keys;
pub mod request;
pub mod requester;
pub mod responder;
pub mod response;
pub mod secured;

/// ERROR.
const ERROR: u8 = 0x7f;
