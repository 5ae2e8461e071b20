// SPDX-License-Identifier: GPL-2.0

//! TSMs of this machine, as `/sys/class/tsm` has them.

use crate::sysfs::{self, SysfsError};
use std::path::Path;
use tsm_wire::{
    mailbox::{PCI_DEVICE_PSP, PCI_DEVICE_RMM, PCI_DEVICE_TDX, PCI_VENDOR},
    op::TvmArch,
};

/// A TSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tsm {
    /// `tsm0`.
    pub name: String,
    /// The device that it stands on, a PCI function for the emulated one.
    pub parent: Option<String>,
    /// The driver of that device.
    pub driver: Option<String>,
    /// Its architecture, which the PCI ids of that device tell; `None` if they are none of this
    /// project.
    pub arch: Option<TvmArch>,
}

impl Tsm {
    /// All of them, in order.
    ///
    /// # Errors
    ///
    /// [`SysfsError::Read`].
    pub fn all() -> Result<Vec<Tsm>, SysfsError> {
        Tsm::all_in(Path::new("/sys/class/tsm"))
    }

    fn all_in(class: &Path) -> Result<Vec<Tsm>, SysfsError> {
        let names = sysfs::names(class)?;
        Ok(names
            .into_iter()
            .map(|name| {
                let device = class.join(&name).join("device");
                Tsm {
                    parent: sysfs::link(&device),
                    driver: sysfs::link(&device.join("driver")),
                    arch: arch_of(&device),
                    name,
                }
            })
            .collect())
    }

    /// What its architecture is called: `CCA`, `SEV`, `TDX`.
    #[must_use]
    pub fn arch_name(&self) -> Option<&'static str> {
        self.arch.map(|arch| match arch {
            TvmArch::Common => "COMMON",
            TvmArch::Cca => "CCA",
            TvmArch::Sev => "SEV",
            TvmArch::Tdx => "TDX",
        })
    }
}

/// The architecture of the firmware function whose directory this is.
fn arch_of(device: &Path) -> Option<TvmArch> {
    if sysfs::id(&device.join("vendor")).ok()? != PCI_VENDOR {
        return None;
    }
    match sysfs::id(&device.join("device")).ok()? {
        PCI_DEVICE_RMM => Some(TvmArch::Cca),
        PCI_DEVICE_PSP => Some(TvmArch::Sev),
        PCI_DEVICE_TDX => Some(TvmArch::Tdx),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn with_and_without_parent() {
        let dir = tempfile::tempdir().unwrap();
        let function = dir.path().join("0000:00:14.0");
        let class = dir.path().join("class");
        for path in [&function, &class.join("tsm0"), &class.join("tsm1")] {
            fs::create_dir_all(path).unwrap();
        }
        symlink("/nowhere/pci_tsm_cca", function.join("driver")).unwrap();
        symlink(&function, class.join("tsm0/device")).unwrap();
        let tsms = Tsm::all_in(&class).unwrap();
        assert_eq!(tsms.len(), 2);
        assert_eq!(tsms[0].parent.as_deref(), Some("0000:00:14.0"));
        assert_eq!(tsms[0].driver.as_deref(), Some("pci_tsm_cca"));
        assert_eq!(tsms[0].arch, None);
        assert_eq!((&*tsms[1].name, &tsms[1].parent), ("tsm1", &None));
    }

    #[test]
    fn the_parent_tells_the_architecture() {
        let dir = tempfile::tempdir().unwrap();
        for (ids, arch) in [
            (("0x1234", "0x7d50"), Some("CCA")),
            (("0x1234", "0x7d51"), Some("SEV")),
            (("0x1234", "0x7d52"), Some("TDX")),
            (("0x1234", "0x7de0"), None),
            (("0x1022", "0x7d51"), None),
            (("", ""), None),
        ] {
            let device = dir.path().join("tsm0/device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("vendor"), ids.0).unwrap();
            fs::write(device.join("device"), ids.1).unwrap();
            let tsms = Tsm::all_in(dir.path()).unwrap();
            assert_eq!(tsms[0].arch_name(), arch, "{ids:?}");
        }
    }

    #[test]
    fn a_kernel_without_tsm_has_none() {
        assert_eq!(Tsm::all_in(Path::new("/nowhere")).unwrap(), Vec::new());
    }
}
