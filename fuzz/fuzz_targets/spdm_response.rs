// SPDX-License-Identifier: GPL-2.0

//! Responses of SPDM, one at a time.

#![no_main]

fuzz::fuzz!(spdm::response);
