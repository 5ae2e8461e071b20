// SPDX-License-Identifier: GPL-2.0

//! Configuration space or a BAR of an assigned function, through its vfio file.

use super::error::AssignmentError;
use crate::bdf::Bdf;
use std::{fs::File, io, os::unix::fs::FileExt};
use vfio_ioctls::VfioDevice;

/// A region of a vfio device. Reads and writes are the host's, and made anew each time.
pub struct Region {
    file: File,
    bdf: Bdf,
    offset: u64,
    len: u64,
}

impl Region {
    pub(super) fn new(
        file: &File,
        device: &VfioDevice,
        bdf: Bdf,
        index: u32,
    ) -> Result<Self, AssignmentError> {
        Ok(Region {
            file: file
                .try_clone()
                .map_err(|error| AssignmentError::Region { bdf, error })?,
            bdf,
            offset: device.get_region_offset(index),
            len: device.get_region_size(index),
        })
    }

    /// Bytes in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is there no such region?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads all of `buffer` at `offset`, with accesses as wide as its length and place allow.
    ///
    /// # Errors
    ///
    /// [`AssignmentError::Region`]: past the end, or memory space is not enabled.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), AssignmentError> {
        self.at(offset, buffer.len())
            .and_then(|at| self.file.read_exact_at(buffer, at))
            .map_err(|error| self.error(error))
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`Region::read`].
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), AssignmentError> {
        self.at(offset, bytes.len())
            .and_then(|at| self.file.write_all_at(bytes, at))
            .map_err(|error| self.error(error))
    }

    fn at(&self, offset: u64, len: usize) -> io::Result<u64> {
        offset
            .checked_add(len as u64)
            .filter(|end| *end <= self.len)
            .and_then(|_| self.offset.checked_add(offset))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "past its end"))
    }

    fn error(&self, error: io::Error) -> AssignmentError {
        AssignmentError::Region {
            bdf: self.bdf,
            error,
        }
    }
}
