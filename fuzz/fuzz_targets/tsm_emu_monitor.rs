// SPDX-License-Identifier: GPL-2.0

//! The monitor, called by any host.

#![no_main]

fuzz::fuzz!(tsm_emu::monitor);
