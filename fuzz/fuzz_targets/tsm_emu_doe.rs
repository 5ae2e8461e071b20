// SPDX-License-Identifier: GPL-2.0

//! Data objects and their mailbox.

#![no_main]

fuzz::fuzz!(tsm_emu::doe);
