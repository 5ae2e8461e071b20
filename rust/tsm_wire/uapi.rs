// SPDX-License-Identifier: GPL-2.0

//! Structures of the ABI, as they lie in user memory.
//!
//! C header: [`include/uapi/linux/iommufd_tsm.h`](../../include/uapi/linux/iommufd_tsm.h). All
//! fields are in the byte order of the machine.

use core::mem::{offset_of, size_of};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Type character of all iommufd ioctls.
pub const IOMMUFD_TYPE: u8 = b';';
/// Number of the ioctl `IOMMU_VDEVICE_TSM_REQ`: `_IO(';', 0x96)`.
pub const IOMMU_VDEVICE_TSM_REQ: u32 = (IOMMUFD_TYPE as u32) << 8 | 0x96;
/// Number of the ioctl `IOMMU_VDEVICE_TSM_OP`: `_IO(';', 0x97)`.
pub const IOMMU_VDEVICE_TSM_OP: u32 = (IOMMUFD_TYPE as u32) << 8 | 0x97;

/// Most bytes a request may have.
pub const REQ_MAX_LEN: u32 = 64 * 1024;
/// Most bytes a response buffer may have.
pub const RESP_MAX_LEN: u32 = 16 * 1024 * 1024;
/// Bytes in the nonce of REGEN_OBJECT.
pub const NONCE_LEN: usize = 32;

/// `struct iommu_vdevice_tsm_op`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VdeviceTsmOp {
    /// Bytes in this structure, as the caller knows it.
    pub size: u32,
    /// 1 bind, 2 unbind.
    pub r#type: u32,
    /// Must be 0.
    pub flags: u32,
    /// Object id of the vdevice.
    pub vdevice_id: u32,
}

/// `struct iommu_vdevice_tsm_req`, the op form of IOMMU_VDEVICE_TSM_REQ.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VdeviceTsmReq {
    /// Bytes in this structure, as the caller knows it; at least 48.
    pub size: u32,
    /// Object id of the vdevice.
    pub vdevice_id: u32,
    /// One of [`Op`](crate::op::Op).
    pub op: u32,
    /// One of [`TvmArch`](crate::op::TvmArch).
    pub tvm_arch: u32,
    /// Bytes at `req_uptr`.
    pub req_len: u32,
    /// Bytes at `resp_uptr`.
    pub resp_len: u32,
    /// Address of the request.
    pub req_uptr: u64,
    /// Address of the response buffer.
    pub resp_uptr: u64,
    /// Output: result code of the TSM.
    pub tsm_code: u64,
}

/// `struct iommu_vdevice_tsm_scope_req`, the scope form of IOMMU_VDEVICE_TSM_REQ.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VdeviceTsmScopeReq {
    /// 40.
    pub size: u32,
    /// Object id of the vdevice.
    pub vdevice_id: u32,
    /// One of [`Scope`](crate::scope::Scope).
    pub scope: u32,
    /// Bytes at `req_uptr`.
    pub req_len: u32,
    /// Bytes at `resp_uptr`.
    pub resp_len: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Address of the request.
    pub req_uptr: u64,
    /// Address of the response buffer.
    pub resp_uptr: u64,
}

/// `struct iommu_tsm_validate_mmio`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ValidateMmio {
    /// First guest physical address.
    pub gpa_base: u64,
    /// End of the guest range, exclusive.
    pub gpa_top: u64,
    /// Host physical address of the first byte.
    pub pa_base: u64,
}

/// `struct iommu_tsm_set_tdi_state`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct SetTdiState {
    /// 0 unlocked, 1 locked, 2 run.
    pub state: u32,
}

/// `struct iommu_tsm_read_object`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ReadObject {
    /// One of [`ObjectType`](crate::object::ObjectType).
    pub r#type: u32,
    /// Must be 0.
    pub reserved: u32,
    /// First byte to read.
    pub offset: u64,
}

/// `struct iommu_tsm_regen_object`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct RegenObject {
    /// One of [`ObjectType`](crate::object::ObjectType).
    pub r#type: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Format of measurements.
    pub flags: u64,
    /// Address of a nonce of [`NONCE_LEN`] bytes, or 0.
    pub nonce_uptr: u64,
}

/// `struct iommu_tsm_object_info`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ObjectInfo {
    /// One of [`ObjectType`](crate::object::ObjectType).
    pub r#type: u32,
}

/// `struct iommu_tsm_object_info_out`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ObjectInfoOut {
    /// Bytes in the object.
    pub length: u32,
}

/// Bytes in the scope form; what both forms have in common in size.
pub const SCOPE_FORM_SIZE: usize = size_of::<VdeviceTsmScopeReq>();
/// Least bytes in the op form.
pub const OP_FORM_SIZE: usize = size_of::<VdeviceTsmReq>();

const _: () = {
    assert!(size_of::<VdeviceTsmOp>() == 16);
    assert!(size_of::<VdeviceTsmReq>() == 48);
    assert!(offset_of!(VdeviceTsmReq, op) == 8);
    assert!(offset_of!(VdeviceTsmReq, req_len) == 16);
    assert!(offset_of!(VdeviceTsmReq, req_uptr) == 24);
    assert!(offset_of!(VdeviceTsmReq, resp_uptr) == 32);
    assert!(offset_of!(VdeviceTsmReq, tsm_code) == 40);
    assert!(size_of::<VdeviceTsmScopeReq>() == 40);
    assert!(offset_of!(VdeviceTsmScopeReq, reserved) == 20);
    assert!(offset_of!(VdeviceTsmScopeReq, req_uptr) == 24);
    assert!(size_of::<ValidateMmio>() == 24);
    assert!(size_of::<SetTdiState>() == 4);
    assert!(size_of::<ReadObject>() == 16);
    assert!(size_of::<RegenObject>() == 24);
    assert!(size_of::<ObjectInfo>() == 4);
    assert!(size_of::<ObjectInfoOut>() == 4);
};
