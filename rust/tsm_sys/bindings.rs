// SPDX-License-Identifier: GPL-2.0

//! Bindings to what the kernel crate does not have. Not to be used outside of this crate.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

use kernel::{
    bindings::*,
    ffi, //
};
use pin_init::MaybeZeroable;

include!(concat!(
    env!("TSM_OBJ"),
    "/rust/tsm_sys/bindings_generated.rs"
));
