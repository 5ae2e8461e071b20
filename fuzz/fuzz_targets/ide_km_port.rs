// SPDX-License-Identifier: GPL-2.0

//! The port that IDE streams end at.

#![no_main]

fuzz::fuzz!(ide_km::port);
