// SPDX-License-Identifier: GPL-2.0

//! The TSM ioctls of `/dev/iommu` as safe functions.
//!
//! An ioctl lets the kernel write to addresses that stand in its argument, so no general safe
//! ioctl can exist. The types here hold the buffers whose addresses they pass, which makes each of
//! these few calls safe. Meaning and checks of results are the business of crate `iommufd-tsm`.
//!
//! This is the only unsafe code that the project has in user space.

#![deny(unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod buffers;
mod ioctl;
mod op;
mod option;
mod request;
mod scope;

pub use op::vdevice_op;
pub use option::RlimitMode;
pub use request::Request;
pub use scope::ScopeRequest;
