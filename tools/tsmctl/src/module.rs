// SPDX-License-Identifier: GPL-2.0

//! The kernel modules of this project.

use std::{
    ffi::CString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The modules, each after those that it needs.
pub const MODULES: [&str; 6] = [
    "iommufd_tsm_core",
    "pci_tsm",
    "pci_tsm_cca",
    "pci_tsm_sev",
    "pci_tsm_tdx",
    "iommufd_tsm",
];

/// A module that could not be loaded or unloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The file could not be opened.
    #[error("opening {}: {error}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The errno.
        error: io::Error,
    },
    /// The kernel refused it.
    #[error("loading {name}: {error}; the kernel log says why")]
    Load {
        /// The module.
        name: &'static str,
        /// The errno.
        error: io::Error,
    },
    /// The kernel keeps it.
    #[error("unloading {name}: {error}")]
    Unload {
        /// The module.
        name: &'static str,
        /// The errno.
        error: io::Error,
    },
    /// The list of modules could not be read.
    #[error("reading /proc/modules: {0}")]
    List(io::Error),
}

/// Those of [`MODULES`] that are loaded.
///
/// # Errors
///
/// [`ModuleError::List`].
pub fn loaded() -> Result<Vec<&'static str>, ModuleError> {
    let text = fs::read_to_string("/proc/modules").map_err(ModuleError::List)?;
    Ok(ours(&text))
}

fn ours(modules: &str) -> Vec<&'static str> {
    let has = |name: &str| {
        modules
            .lines()
            .any(|line| line.split(' ').next() == Some(name))
    };
    MODULES.into_iter().filter(|name| has(name)).collect()
}

/// Modules that were loaded from files, and are unloaded with this.
#[derive(Default)]
pub struct Loaded(Vec<&'static str>);

impl Loaded {
    /// Loads all [`MODULES`] from `directory`, which has a `.ko` file of each.
    ///
    /// # Errors
    ///
    /// [`ModuleError`]; those that were loaded before the error are unloaded.
    pub fn from_directory(directory: &Path) -> Result<Self, ModuleError> {
        let mut loaded = Loaded::default();
        for name in MODULES {
            let path = directory.join(format!("{name}.ko"));
            let file = match fs::File::open(&path) {
                Ok(file) => file,
                Err(error) => return Err(ModuleError::Open { path, error }),
            };
            rustix::system::finit_module(&file, c"", 0).map_err(|errno| ModuleError::Load {
                name,
                error: errno.into(),
            })?;
            loaded.0.push(name);
        }
        Ok(loaded)
    }

    /// Unloads them, the last first.
    ///
    /// # Errors
    ///
    /// [`ModuleError::Unload`].
    pub fn unload(mut self) -> Result<(), ModuleError> {
        self.unload_all()
    }

    fn unload_all(&mut self) -> Result<(), ModuleError> {
        while let Some(name) = self.0.pop() {
            let result = CString::new(name)
                .map_err(io::Error::from)
                .and_then(|c| Ok(rustix::system::delete_module(&c, libc::O_NONBLOCK)?));
            result.map_err(|error| ModuleError::Unload { name, error })?;
        }
        Ok(())
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // an error is being reported already, or nobody asked
        let _ = self.unload_all();
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        let text = "iommufd_tsm 1 0 - Live 0x0\npci_tsm_cca_x 1 0 - Live 0x0\niommufd 2 1 x\n";
        assert_eq!(ours(text), ["iommufd_tsm"]);
    }

    #[test]
    fn a_directory_without_modules() {
        let dir = tempfile::tempdir().unwrap();
        let error = Loaded::from_directory(dir.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("iommufd_tsm_core.ko: "), "{text}");
    }
}
