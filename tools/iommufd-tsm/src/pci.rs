// SPDX-License-Identifier: GPL-2.0

//! A PCI function in sysfs, and its TSM attributes
//! (`Documentation/ABI/testing/sysfs-bus-pci` of the kernel).

use crate::{
    bar::Bar,
    bdf::Bdf,
    sysfs::{self, SysfsError},
};
use std::path::{Path, PathBuf};

/// Where sysfs is mounted.
const SYSFS: &str = "/sys";

/// The driver that hands a function to user space.
pub const VFIO_PCI: &str = "vfio-pci";

/// A PCI function of this machine.
#[derive(Clone, Debug)]
pub struct PciFunction {
    bdf: Bdf,
    bus: PathBuf,
    path: PathBuf,
}

/// A function that does not do as it is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PciError {
    /// A file could not be used.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
    /// There is no such function.
    #[error("there is no PCI function {0}")]
    Absent(Bdf),
    /// Nobody took it.
    #[error("{bdf} did not go to {driver}: {}", match got {
        Some(other) => format!("{other} has it"),
        None => "is that driver loaded?".to_owned(),
    })]
    Driver {
        /// The function.
        bdf: Bdf,
        /// The driver that was to have it.
        driver: &'static str,
        /// The driver that has it.
        got: Option<String>,
    },
    /// It has no `tsm/` directory.
    #[error("{0} has no tsm attributes: no TSM of this machine accepts it")]
    NoTsm(Bdf),
}

impl PciFunction {
    /// The function at `bdf`.
    ///
    /// # Errors
    ///
    /// [`PciError::Absent`].
    pub fn open(bdf: Bdf) -> Result<Self, PciError> {
        PciFunction::open_below(Path::new(SYSFS), bdf)
    }

    fn open_below(sysfs: &Path, bdf: Bdf) -> Result<Self, PciError> {
        let bus = sysfs.join("bus/pci");
        let path = bus.join("devices").join(bdf.to_string());
        if !path.is_dir() {
            return Err(PciError::Absent(bdf));
        }
        Ok(PciFunction { bdf, bus, path })
    }

    /// All functions of this machine, in order.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn all() -> Result<Vec<Self>, PciError> {
        let sysfs = Path::new(SYSFS);
        let names = sysfs::names(&sysfs.join("bus/pci/devices"))?;
        let bdfs = names.iter().filter_map(|name| name.parse().ok());
        // one that was unplugged meanwhile is not there any more
        Ok(bdfs
            .filter_map(|bdf| PciFunction::open_below(sysfs, bdf).ok())
            .collect())
    }

    /// Its address.
    #[must_use]
    pub fn bdf(&self) -> Bdf {
        self.bdf
    }

    /// Its directory in sysfs.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Vendor and device id.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn ids(&self) -> Result<(u16, u16), PciError> {
        let id = |name: &str| sysfs::id(&self.path.join(name));
        Ok((id("vendor")?, id("device")?))
    }

    /// Its memory BARs as the host assigned them.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn bars(&self) -> Result<Vec<Bar>, PciError> {
        let path = self.path.join("resource");
        let text = sysfs::read(&path)?;
        let bars = Bar::parse_all(&text);
        bars.ok_or_else(|| SysfsError::Text { path, text }.into())
    }

    /// The driver that has it.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        sysfs::link(&self.path.join("driver"))
    }

    /// Its IOMMU group.
    #[must_use]
    pub fn iommu_group(&self) -> Option<String> {
        sysfs::link(&self.path.join("iommu_group"))
    }

    /// Takes it from its driver and gives it to vfio-pci, and to nobody else until
    /// [`PciFunction::give_back`].
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`], [`PciError::Driver`].
    pub fn take(&self) -> Result<(), PciError> {
        sysfs::write(&self.path.join("driver_override"), VFIO_PCI)?;
        if self.driver().as_deref() == Some(VFIO_PCI) {
            return Ok(());
        }
        self.unbind_driver()?;
        sysfs::write(&self.bus.join("drivers_probe"), &self.bdf.to_string())?;
        match self.driver() {
            Some(driver) if driver == VFIO_PCI => Ok(()),
            got => Err(PciError::Driver {
                bdf: self.bdf,
                driver: VFIO_PCI,
                got,
            }),
        }
    }

    /// Takes it from vfio-pci and lets the kernel choose a driver.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn give_back(&self) -> Result<(), PciError> {
        sysfs::write(&self.path.join("driver_override"), "\n")?;
        self.unbind_driver()?;
        sysfs::write(&self.bus.join("drivers_probe"), &self.bdf.to_string())?;
        Ok(())
    }

    fn unbind_driver(&self) -> Result<(), PciError> {
        if self.driver().is_some() {
            sysfs::write(&self.path.join("driver/unbind"), &self.bdf.to_string())?;
        }
        Ok(())
    }

    /// Does a TSM accept it, so that it can be connected?
    #[must_use]
    pub fn can_connect(&self) -> bool {
        self.path.join("tsm/connect").exists()
    }

    /// Has a TSM to do with it: does one accept it, or the function that its DSM is in?
    #[must_use]
    pub fn has_tsm(&self) -> bool {
        // not its directory: a function that a TSM stands on has that of the TSM by this name
        self.can_connect() || self.path.join("tsm/dsm").exists()
    }

    /// The TSM it is connected to.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn connected(&self) -> Result<Option<String>, PciError> {
        self.attribute("tsm/connect")
    }

    /// The TSM it is bound through, as a TDI.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn bound(&self) -> Result<Option<String>, PciError> {
        self.attribute("tsm/bound")
    }

    /// The function whose DSM speaks for it, once that is connected.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn dsm(&self) -> Result<Option<String>, PciError> {
        self.attribute("tsm/dsm")
    }

    /// The TSM that authenticated it.
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn authenticated(&self) -> Result<Option<String>, PciError> {
        self.attribute("authenticated")
    }

    /// Name of the IDE stream to it, `streamH.R.E`: numbers of the host bridge, the root port and the
    /// endpoint (`Documentation/ABI/testing/sysfs-devices-pci-host-bridge` of the kernel).
    ///
    /// # Errors
    ///
    /// [`PciError::Sysfs`].
    pub fn stream(&self) -> Result<Option<String>, PciError> {
        let Ok(device) = self.path.canonicalize() else {
            return Ok(None);
        };
        let is_bridge = |path: &&Path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("pci"))
        };
        let Some(bridge) = device.ancestors().find(is_bridge) else {
            return Ok(None);
        };
        let bdf = self.bdf.to_string();
        let to_it = |name: &String| {
            name.starts_with("stream") && sysfs::link(&bridge.join(name)).as_ref() == Some(&bdf)
        };
        Ok(sysfs::names(bridge)?.into_iter().find(to_it))
    }

    /// Connects it to a TSM of `/sys/class/tsm`.
    ///
    /// # Errors
    ///
    /// [`PciError::NoTsm`], [`PciError::Sysfs`].
    pub fn connect(&self, tsm: &str) -> Result<(), PciError> {
        self.tell("tsm/connect", tsm)
    }

    /// Takes it from the TSM that it is connected to. Every TDI of the device is unbound before.
    ///
    /// # Errors
    ///
    /// [`PciError::NoTsm`], [`PciError::Sysfs`].
    pub fn disconnect(&self, tsm: &str) -> Result<(), PciError> {
        self.tell("tsm/disconnect", tsm)
    }

    fn tell(&self, name: &str, tsm: &str) -> Result<(), PciError> {
        if !self.path.join(name).exists() {
            return Err(PciError::NoTsm(self.bdf));
        }
        Ok(sysfs::write(&self.path.join(name), tsm)?)
    }

    fn attribute(&self, name: &str) -> Result<Option<String>, PciError> {
        Ok(sysfs::read_optional(&self.path.join(name))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    /// A sysfs with one function, which no driver has.
    fn machine() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let function = dir.path().join("bus/pci/devices/0000:01:00.0");
        fs::create_dir_all(function.join("tsm")).unwrap();
        for (name, text) in [
            ("vendor", "0x1234\n"),
            ("device", "0x7de0\n"),
            ("driver_override", ""),
            ("tsm/connect", "\n"),
            ("tsm/bound", "\n"),
            ("resource", "0x1000 0x1fff 0x200\n"),
        ] {
            fs::write(function.join(name), text).unwrap();
        }
        fs::write(dir.path().join("bus/pci/drivers_probe"), "").unwrap();
        (dir, function)
    }

    fn function(dir: &tempfile::TempDir) -> PciFunction {
        PciFunction::open_below(dir.path(), "01:00.0".parse().unwrap()).unwrap()
    }

    #[test]
    fn attributes() {
        let (dir, path) = machine();
        let f = function(&dir);
        assert_eq!(f.ids().unwrap(), (0x1234, 0x7de0));
        assert_eq!(f.bars().unwrap().len(), 1);
        assert_eq!(f.connected().unwrap(), None);
        assert_eq!(f.dsm().unwrap(), None);
        fs::write(path.join("tsm/connect"), "tsm0\n").unwrap();
        assert_eq!(f.connected().unwrap().as_deref(), Some("tsm0"));
        fs::write(path.join("resource"), "nonsense").unwrap();
        let text = f.bars().unwrap_err().to_string();
        assert!(
            text.contains("'nonsense', which is not understood"),
            "{text}"
        );
    }

    #[test]
    fn the_stream_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let bridge = dir.path().join("devices/pci0000:00");
        let device = bridge.join("0000:00:02.0/0000:01:00.0");
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(dir.path().join("bus/pci/devices")).unwrap();
        symlink(&device, dir.path().join("bus/pci/devices/0000:01:00.0")).unwrap();
        let f = function(&dir);
        symlink("0000:00:03.0/0000:02:00.0", bridge.join("stream0.0.0")).unwrap();
        assert_eq!(f.stream().unwrap(), None);
        symlink("0000:00:02.0/0000:01:00.0", bridge.join("stream1.0.0")).unwrap();
        assert_eq!(f.stream().unwrap().as_deref(), Some("stream1.0.0"));
    }

    #[test]
    fn nobody_takes_it() {
        let (dir, path) = machine();
        let f = function(&dir);
        let text = f.take().unwrap_err().to_string();
        assert!(text.ends_with("is that driver loaded?"), "{text}");
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(read("driver_override"), VFIO_PCI);
        symlink("../../drivers/vfio-pci", path.join("driver")).unwrap();
        f.take().unwrap();
        assert_eq!(f.driver().as_deref(), Some(VFIO_PCI));
    }

    #[test]
    fn a_function_without_tsm() {
        let (dir, path) = machine();
        for name in ["tsm/connect", "tsm/bound"] {
            fs::remove_file(path.join(name)).unwrap();
        }
        let f = function(&dir);
        assert!(!f.has_tsm());
        assert_eq!(f.connected().unwrap(), None);
        assert!(matches!(f.connect("tsm0"), Err(PciError::NoTsm(_))));
    }

    #[test]
    fn a_function_that_is_not_there() {
        let (dir, _) = machine();
        let absent = PciFunction::open_below(dir.path(), "02:00.0".parse().unwrap());
        assert!(matches!(absent, Err(PciError::Absent(_))));
    }
}
