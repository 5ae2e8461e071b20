// SPDX-License-Identifier: GPL-2.0

//! The requester of SPDM, whose answers are tampered with.

#![no_main]

fuzz::fuzz!(spdm::requester);
