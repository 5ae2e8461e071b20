// SPDX-License-Identifier: GPL-2.0

//! Reading evidence objects whole.

use crate::{error::Error, scope::ScopeVdevice, vdevice::Vdevice};
use tsm_wire::object::{ObjectType, OBJECT_MAX_LEN};

/// How often an object that changes under the reader is read again.
const TRIES: u32 = 3;

impl Vdevice<'_> {
    /// Reads an object whole, of 16 MiB at most. Empty if there is none now.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::ObjectTooLong`], [`Error::ObjectChanged`].
    pub fn read_object(&self, object: ObjectType) -> Result<Vec<u8>, Error> {
        self.read_object_upto(object, OBJECT_MAX_LEN)
    }

    /// Reads an object whole, of `limit` bytes at most.
    ///
    /// # Errors
    ///
    /// As [`Vdevice::read_object`].
    pub fn read_object_upto(&self, object: ObjectType, limit: usize) -> Result<Vec<u8>, Error> {
        read_whole(
            object,
            limit,
            || self.object_len(object),
            |buffer| self.read_at(object, 0, buffer),
        )
    }
}

impl ScopeVdevice<'_> {
    /// Reads an object whole, of 16 MiB at most. Empty if there is none now.
    ///
    /// # Errors
    ///
    /// As [`Vdevice::read_object`].
    pub fn read_object(&self, object: ObjectType) -> Result<Vec<u8>, Error> {
        read_whole(
            object,
            OBJECT_MAX_LEN,
            || self.object_len(object),
            |buffer| self.read_at(object, 0, buffer),
        )
    }
}

/// Reads with one call, since two could see two generations of the object. A byte more than the
/// object had is asked for: if that comes back too, the object grew meanwhile.
fn read_whole(
    object: ObjectType,
    limit: usize,
    length: impl Fn() -> Result<u32, Error>,
    read: impl Fn(&mut [u8]) -> Result<usize, Error>,
) -> Result<Vec<u8>, Error> {
    for _ in 0..TRIES {
        let length = length()? as usize;
        if length == 0 {
            return Ok(Vec::new());
        }
        if length > limit.min(OBJECT_MAX_LEN) {
            return Err(Error::ObjectTooLong {
                object,
                length,
                limit,
            });
        }
        let mut buffer = vec![0; (length + 1).min(OBJECT_MAX_LEN)];
        let filled = read(&mut buffer)?;
        if filled == length {
            buffer.truncate(filled);
            return Ok(buffer);
        }
    }
    Err(Error::ObjectChanged {
        object,
        tries: TRIES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Reads an object that has one of `lengths` after the other, a new one with each read.
    fn read(lengths: &[usize], limit: usize) -> Result<Vec<u8>, Error> {
        let turn = Cell::new(0);
        let current = || lengths[turn.get().min(lengths.len() - 1)];
        read_whole(
            ObjectType::Measurement,
            limit,
            || Ok(current() as u32),
            |buffer| {
                turn.set(turn.get() + 1);
                let n = current().min(buffer.len());
                buffer[..n].fill(0x5a);
                Ok(n)
            },
        )
    }

    #[test]
    fn a_quiet_object_is_read_whole() {
        for length in [0, 1, 4095, 4096, 70_000, OBJECT_MAX_LEN] {
            assert_eq!(read(&[length], OBJECT_MAX_LEN).unwrap(), vec![0x5a; length]);
        }
    }

    #[test]
    fn the_cap_holds_before_anything_is_allocated() {
        let error = read(&[u32::MAX as usize], usize::MAX).unwrap_err();
        assert!(matches!(error, Error::ObjectTooLong { .. }), "{error}");
        let error = read(&[101], 100).unwrap_err();
        assert!(
            matches!(error, Error::ObjectTooLong { limit: 100, .. }),
            "{error}"
        );
    }

    #[test]
    fn an_object_that_changes_once_is_read_again() {
        assert_eq!(read(&[10, 20, 20], 100).unwrap().len(), 20);
        assert_eq!(read(&[20, 10, 10], 100).unwrap().len(), 10);
    }

    #[test]
    fn an_object_that_does_not_rest_is_given_up() {
        let error = read(&[1, 2, 3, 4, 5, 6, 7], 100).unwrap_err();
        assert!(matches!(error, Error::ObjectChanged { .. }), "{error}");
    }
}
