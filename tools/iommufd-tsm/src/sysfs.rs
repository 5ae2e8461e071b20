// SPDX-License-Identifier: GPL-2.0

//! Files of sysfs, with errors that say which.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file of sysfs that could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SysfsError {
    /// Reading failed.
    #[error("reading {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The errno.
        error: io::Error,
    },
    /// The kernel refused what was written.
    #[error("writing '{}' to {}: {error}", value.trim_end(), path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// The errno.
        error: io::Error,
    },
    /// The text is not what it ought to be.
    #[error("{} holds '{}', which is not understood", path.display(), text.trim_end())]
    Text {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
    },
}

impl SysfsError {
    /// The errno, if the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            SysfsError::Read { error, .. } | SysfsError::Write { error, .. } => {
                error.raw_os_error()
            }
            SysfsError::Text { .. } => None,
        }
    }
}

/// The text of a file, without white space around it.
///
/// # Errors
///
/// [`SysfsError::Read`].
pub fn read(path: &Path) -> Result<String, SysfsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(SysfsError::Read {
            path: path.to_owned(),
            error,
        }),
    }
}

/// The text of a file that may be absent or empty: `None` then.
///
/// # Errors
///
/// [`SysfsError::Read`], but not for a file that is not there.
pub fn read_optional(path: &Path) -> Result<Option<String>, SysfsError> {
    match read(path) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(SysfsError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that holds a PCI id, `0x1234`.
///
/// # Errors
///
/// [`SysfsError::Read`], [`SysfsError::Text`].
pub fn id(path: &Path) -> Result<u16, SysfsError> {
    let text = read(path)?;
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    u16::from_str_radix(digits, 16).map_err(|_| SysfsError::Text {
        path: path.to_owned(),
        text,
    })
}

/// Writes a value with one call, as an attribute wants it.
///
/// # Errors
///
/// [`SysfsError::Write`].
pub fn write(path: &Path, value: &str) -> Result<(), SysfsError> {
    let open = fs::OpenOptions::new().write(true).open(path);
    open.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(|error| SysfsError::Write {
            path: path.to_owned(),
            value: value.to_owned(),
            error,
        })
}

/// The last part of what a symbolic link points to: `driver`, `iommu_group`. `None` without a link.
#[must_use]
pub fn link(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// Names in a directory, in order; none if there is no such directory.
///
/// # Errors
///
/// [`SysfsError::Read`], but not for a directory that is not there.
pub fn names(path: &Path) -> Result<Vec<String>, SysfsError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|error| SysfsError::Read {
        path: path.to_owned(),
        error,
    })?;
    let mut names: Vec<String> = entries
        .into_iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_is_not_broken() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_optional(&dir.path().join("bound")).unwrap(), None);
        assert_eq!(
            names(&dir.path().join("tsm")).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(link(&dir.path().join("driver")), None);
        assert!(read_optional(dir.path()).is_err());
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("connect");
        let error = write(&path, "tsm0\n").unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENOENT));
        let text = error.to_string();
        assert!(text.starts_with("writing 'tsm0' to "), "{text}");
        assert!(text.contains("connect: "), "{text}");
    }
}
