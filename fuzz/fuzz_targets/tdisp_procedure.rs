// SPDX-License-Identifier: GPL-2.0

//! The requester of TDISP, with any answers.

#![no_main]

fuzz::fuzz!(tdisp::procedure);
