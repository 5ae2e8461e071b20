// SPDX-License-Identifier: GPL-2.0

//! Secured messages.

#![no_main]

fuzz::fuzz!(spdm::secured);
