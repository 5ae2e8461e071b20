// SPDX-License-Identifier: GPL-2.0

//! Requests of guests, in both forms.

#![no_main]

fuzz::fuzz!(tsm_wire::request);
