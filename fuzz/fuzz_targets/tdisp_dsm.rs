// SPDX-License-Identifier: GPL-2.0

//! The Device Security Manager.

#![no_main]

fuzz::fuzz!(tdisp::dsm);
