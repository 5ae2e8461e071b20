// SPDX-License-Identifier: GPL-2.0

//! Interface reports.

#![no_main]

fuzz::fuzz!(tdisp::report);
