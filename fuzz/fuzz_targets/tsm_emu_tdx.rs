// SPDX-License-Identifier: GPL-2.0

//! The TDX module, called by any host.

#![no_main]

fuzz::fuzz!(tsm_emu::tdx);
