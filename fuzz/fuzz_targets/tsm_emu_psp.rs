// SPDX-License-Identifier: GPL-2.0

//! The PSP, commanded by any host.

#![no_main]

fuzz::fuzz!(tsm_emu::psp);
