// SPDX-License-Identifier: GPL-2.0

//! TSMs of this machine, as `/sys/class/tsm` has them.

use iommufd_tsm::sysfs::{self, SysfsError};
use std::path::Path;

/// A TSM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tsm {
    /// `tsm0`.
    pub name: String,
    /// The device that it stands on, a PCI function for the emulated one.
    pub parent: Option<String>,
    /// The driver of that device.
    pub driver: Option<String>,
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
                    name,
                }
            })
            .collect())
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
        assert_eq!((&*tsms[1].name, &tsms[1].parent), ("tsm1", &None));
    }

    #[test]
    fn a_kernel_without_tsm_has_none() {
        assert_eq!(Tsm::all_in(Path::new("/nowhere")).unwrap(), Vec::new());
    }
}
