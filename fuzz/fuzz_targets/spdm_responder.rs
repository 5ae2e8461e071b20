// SPDX-License-Identifier: GPL-2.0

//! The responder of SPDM.

#![no_main]

fuzz::fuzz!(spdm::responder);
