// SPDX-License-Identifier: GPL-2.0

//! The requester of IDE_KM, with any answers.

#![no_main]

fuzz::fuzz!(ide_km::procedure);
