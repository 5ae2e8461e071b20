// SPDX-License-Identifier: GPL-2.0

//! The structures and numbers of this crate against those of the uapi header, as a C compiler has
//! them.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::HashMap, mem::offset_of, path::Path, process::Command};
use tsm_wire::{guest_message, object::ObjectType, op, scope::Scope, tdi::TdiState, uapi};

/// A structure: its name in C, its size here, and name and offset of each field here.
type Layout = (&'static str, usize, &'static [(&'static str, usize)]);

macro_rules! layout {
    ($c:literal, $rust:ty, { $($field:ident: $c_field:literal),+ $(,)? }) => {
        ($c, size_of::<$rust>(), &[$(($c_field, offset_of!($rust, $field))),+])
    };
}

const LAYOUTS: &[Layout] = &[
    layout!("iommu_vdevice_tsm_op", uapi::VdeviceTsmOp,
        { size: "size", r#type: "type", flags: "flags", vdevice_id: "vdevice_id" }),
    layout!("iommu_vdevice_tsm_req", uapi::VdeviceTsmReq,
        { size: "size", vdevice_id: "vdevice_id", op: "op", tvm_arch: "tvm_arch",
          req_len: "req_len", resp_len: "resp_len", req_uptr: "req_uptr",
          resp_uptr: "resp_uptr", tsm_code: "tsm_code" }),
    layout!("iommu_vdevice_tsm_scope_req", uapi::VdeviceTsmScopeReq,
        { size: "size", vdevice_id: "vdevice_id", scope: "scope", req_len: "req_len",
          resp_len: "resp_len", reserved: "__reserved", req_uptr: "req_uptr",
          resp_uptr: "resp_uptr" }),
    layout!("iommu_tsm_validate_mmio", uapi::ValidateMmio,
        { gpa_base: "gpa_base", gpa_top: "gpa_top", pa_base: "pa_base" }),
    layout!("iommu_tsm_set_tdi_state", uapi::SetTdiState, { state: "state" }),
    layout!("iommu_tsm_read_object", uapi::ReadObject,
        { r#type: "type", reserved: "__reserved", offset: "offset" }),
    layout!("iommu_tsm_regen_object", uapi::RegenObject,
        { r#type: "type", reserved: "__reserved", flags: "flags", nonce_uptr: "nonce_uptr" }),
    layout!("iommu_tsm_object_info", uapi::ObjectInfo, { r#type: "type" }),
    layout!("iommu_tsm_object_info_out", uapi::ObjectInfoOut, { length: "length" }),
];

/// Sizes of the payloads that only the scope form has; their Rust types are private to the decoder,
/// which takes exactly these lengths.
const SCOPE_SIZES: &[(&str, usize)] = &[
    ("iommu_tsm_cca_scope_object_size", 8),
    ("iommu_tsm_cca_scope_object_read", 16),
    ("iommu_tsm_cca_scope_update_measurements", 24),
    ("iommu_tsm_cca_scope_vdev_map", 32),
    ("iommu_tsm_cca_scope_set_tdi_state", 8),
];

fn numbers() -> Vec<(&'static str, u64)> {
    use op::{Op, TvmArch};
    vec![
        ("IOMMU_VDEVICE_TSM_REQ", uapi::IOMMU_VDEVICE_TSM_REQ.into()),
        ("IOMMU_VDEVICE_TSM_OP", uapi::IOMMU_VDEVICE_TSM_OP.into()),
        ("IOMMU_VDEVICE_TSM_REQ_MAX_LEN", uapi::REQ_MAX_LEN.into()),
        ("IOMMU_VDEVICE_TSM_RESP_MAX_LEN", uapi::RESP_MAX_LEN.into()),
        (
            "IOMMU_VDEVICE_TSM_GUEST_MESSAGE_LEN",
            guest_message::MESSAGE_LEN as u64,
        ),
        ("IOMMU_TSM_SEV_SCOPE_TDI_UNLOCK", 0),
        ("IOMMU_TSM_SEV_SCOPE_TDI_RUN", 1),
        ("IOMMU_TSM_TDX_SCOPE_TDI_BIND", 1),
        ("IOMMU_TSM_TDX_SCOPE_TDI_START", 2),
        ("IOMMU_TSM_TDX_SCOPE_TDI_STOP", 4),
        ("IOMMU_VDEVICE_TSM_TVM_ARCH_COMMON", TvmArch::Common as u64),
        ("IOMMU_VDEVICE_TSM_TVM_ARCH_CCA", TvmArch::Cca as u64),
        ("IOMMU_VDEVICE_TSM_TVM_ARCH_SEV", TvmArch::Sev as u64),
        ("IOMMU_VDEVICE_TSM_TVM_ARCH_TDX", TvmArch::Tdx as u64),
        (
            "IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO",
            Op::ValidateMmio as u64,
        ),
        (
            "IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE",
            Op::SetTdiState as u64,
        ),
        (
            "IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA",
            Op::SevEnableDma as u64,
        ),
        (
            "IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA",
            Op::SevDisableDma as u64,
        ),
        ("IOMMU_VDEVICE_TSM_REQ_READ_OBJECT", Op::ReadObject as u64),
        ("IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT", Op::RegenObject as u64),
        ("IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO", Op::ObjectInfo as u64),
        ("IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO", Scope::Info as u64),
        (
            "IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE",
            Scope::StateChange as u64,
        ),
        ("IOMMU_TSM_TDI_UNLOCKED", TdiState::Unlocked as u64),
        ("IOMMU_TSM_TDI_LOCKED", TdiState::Locked as u64),
        ("IOMMU_TSM_TDI_RUN", TdiState::Run as u64),
        ("IOMMU_TSM_OBJECT_VCA", ObjectType::Vca as u64),
        (
            "IOMMU_TSM_OBJECT_CERTIFICATE",
            ObjectType::Certificate as u64,
        ),
        (
            "IOMMU_TSM_OBJECT_MEASUREMENT",
            ObjectType::Measurement as u64,
        ),
        (
            "IOMMU_TSM_OBJECT_INTERFACE_REPORT",
            ObjectType::InterfaceReport as u64,
        ),
    ]
}

/// Compiles a program that prints every name with its number, and runs it.
fn ask_c(expressions: &[(String, String)]) -> HashMap<String, u64> {
    let dir = std::env::temp_dir().join(format!("tsm_wire-layout-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (source, program) = (dir.join("layout.c"), dir.join("layout"));
    let mut text = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/iommufd_tsm.h>\nint main(void)\n{\n",
    );
    for (name, expression) in expressions {
        text += &format!("\tprintf(\"{name} %llu\\n\", (unsigned long long)({expression}));\n");
    }
    text += "\treturn 0;\n}\n";
    std::fs::write(&source, text).unwrap();
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/uapi");
    let status = Command::new("cc")
        .args(["-Wall", "-Werror", "-I"])
        .arg(header)
        .arg("-o")
        .args([&program, &source])
        .status()
        .expect("a C compiler, called cc");
    assert!(status.success(), "the header does not compile");
    let output = Command::new(&program).output().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (name, number) = line.split_once(' ').unwrap();
            (name.to_owned(), number.parse().unwrap())
        })
        .collect()
}

#[test]
fn as_c_has_them() {
    let mut expressions = Vec::new();
    let mut expected = Vec::new();
    let mut ask = |name: String, expression: String, number: u64| {
        expressions.push((name.clone(), expression));
        expected.push((name, number));
    };
    for (structure, size, fields) in LAYOUTS {
        let of = format!("struct {structure}");
        ask(structure.to_string(), format!("sizeof({of})"), *size as u64);
        for (field, offset) in *fields {
            let name = format!("{structure}.{field}");
            ask(name, format!("offsetof({of}, {field})"), *offset as u64);
        }
    }
    for (structure, size) in SCOPE_SIZES {
        let expression = format!("sizeof(struct {structure})");
        ask(structure.to_string(), expression, *size as u64);
    }
    for (name, number) in numbers() {
        ask(name.to_owned(), name.to_owned(), number);
    }
    let c = ask_c(&expressions);
    for (name, number) in expected {
        assert_eq!(c.get(&name), Some(&number), "{name}");
    }
}
