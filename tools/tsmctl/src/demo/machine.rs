// SPDX-License-Identifier: GPL-2.0

//! What the walk does to the machine itself: its modules, and with them the ioctls.

use crate::transcript::Transcript;
use anyhow::{ensure, Context};
use iommufd_tsm::Presence;
use std::{fs::OpenOptions, os::fd::AsFd, path::Path};
use tsmctl::module::{self, Loaded};

/// Loads the modules, and shows that the ioctls come with them.
pub(super) fn load(out: &Transcript, directory: &Path) -> anyhow::Result<Loaded> {
    let there = module::loaded()?;
    ensure!(
        there.is_empty(),
        "modules: {} loaded already",
        there.join(", ")
    );
    presence(out, Presence::Absent)?;
    out.step("insmod", || {
        let loaded = Loaded::from_directory(directory)?;
        Ok((loaded, module::MODULES.join(" ")))
    })
}

/// Asks `/dev/iommu` for both ioctls.
pub(super) fn presence(out: &Transcript, expected: Presence) -> anyhow::Result<()> {
    out.step("/dev/iommu", || {
        let iommufd = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/iommu")
            .context("opening /dev/iommu")?;
        let req = Presence::of_req(iommufd.as_fd())?;
        let op = Presence::of_op(iommufd.as_fd())?;
        let text = match expected {
            Presence::Present => "has IOMMU_VDEVICE_TSM_REQ and _OP: ENOENT for vDEVICE 0",
            Presence::Absent => "has neither IOMMU_VDEVICE_TSM_REQ nor _OP: ENOTTY",
        };
        ensure!(
            (req, op) == (expected, expected),
            "IOMMU_VDEVICE_TSM_REQ is {}, _OP is {}",
            name(req),
            name(op)
        );
        Ok(((), text.to_owned()))
    })
}

fn name(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Absent => "absent (ENOTTY)",
    }
}
