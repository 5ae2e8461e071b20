// SPDX-License-Identifier: GPL-2.0

//! Messages of IDE_KM, in both directions.

#![no_main]

fuzz::fuzz!(ide_km::message);
