// SPDX-License-Identifier: GPL-2.0

//! What `tsmctl` and `tsm-bench` have in common.
//!
//! | module | noun |
//! |---|---|
//! | [`control`] | the control line of the emulated platform |
//! | [`module`] | the kernel modules of this project |

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod control;
pub mod module;
