// SPDX-License-Identifier: GPL-2.0

//! Requests of SPDM, one at a time.

#![no_main]

fuzz::fuzz!(spdm::request);
