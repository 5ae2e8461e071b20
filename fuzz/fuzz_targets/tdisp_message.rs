// SPDX-License-Identifier: GPL-2.0

//! Messages of TDISP, in both directions.

#![no_main]

fuzz::fuzz!(tdisp::message);
