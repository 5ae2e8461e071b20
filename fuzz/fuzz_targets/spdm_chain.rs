// SPDX-License-Identifier: GPL-2.0

//! Verification of certificate chains.

#![no_main]

fuzz::fuzz!(spdm::chain);
