// SPDX-License-Identifier: GPL-2.0

//! Blocks and words of the RMI.

#![no_main]

fuzz::fuzz!(tsm_wire::block);
