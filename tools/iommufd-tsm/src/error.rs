// SPDX-License-Identifier: GPL-2.0

//! What can go wrong with a request.

use std::{fmt, io};
use tsm_wire::object::ObjectType;

/// A request that did not do what was asked. Its text tells the whole story, so there is no
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused the call. `Documentation/userspace-api/iommufd_tsm.rst` lists which errno
    /// says what.
    #[error("{call} of vdevice {vdevice}: {error}{}", Code(*tsm_code))]
    Refused {
        /// What was asked.
        call: &'static str,
        /// Of which vDEVICE.
        vdevice: u32,
        /// Result code of the TSM, 0 if it gave none.
        tsm_code: u64,
        /// The errno.
        error: io::Error,
    },
    /// A buffer is longer than the ABI can say.
    #[error("{call}: a buffer of 4 GiB or more")]
    Buffer {
        /// What was asked.
        call: &'static str,
    },
    /// The kernel says that more is left of a buffer than it was long: it does not keep the ABI.
    #[error("{call}: a residue of {residue} bytes for a buffer of {capacity}")]
    Residue {
        /// What was asked.
        call: &'static str,
        /// Bytes that the kernel says are left.
        residue: u32,
        /// Bytes that there were.
        capacity: usize,
    },
    /// Less than the structure of the operation was consumed, or filled.
    #[error("{call}: {got} bytes of a structure of {expected}")]
    Incomplete {
        /// What was asked.
        call: &'static str,
        /// Bytes consumed or filled.
        got: usize,
        /// Bytes in the structure.
        expected: usize,
    },
    /// An object is longer than the caller is ready to hold.
    #[error("{object:?} has {length} bytes, more than the {limit} allowed")]
    ObjectTooLong {
        /// Which.
        object: ObjectType,
        /// Bytes in it.
        length: usize,
        /// Bytes that it may have.
        limit: usize,
    },
    /// An object was made anew each time it was read.
    #[error("{object:?} changed while it was read, {tries} times")]
    ObjectChanged {
        /// Which.
        object: ObjectType,
        /// How often it was tried.
        tries: u32,
    },
}

impl Error {
    /// The errno, if the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Refused { error, .. } => error.raw_os_error(),
            _ => None,
        }
    }

    /// The result code of the TSM, if it gave one; its meaning is the architecture's.
    #[must_use]
    pub fn tsm_code(&self) -> Option<u64> {
        match self {
            Error::Refused { tsm_code, .. } if *tsm_code != 0 => Some(*tsm_code),
            _ => None,
        }
    }

    /// Did a signal end the wait? Nothing happened then, and the request may be made again.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.errno() == Some(libc::EINTR)
    }

    /// Is the TDI not bound, or not any more?
    #[must_use]
    pub fn is_unbound(&self) -> bool {
        self.errno() == Some(libc::ENXIO)
    }
}

/// The end of a message that has a TSM code to tell.
struct Code(u64);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            code => write!(f, ", tsm code {code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32, tsm_code: u64) -> Error {
        Error::Refused {
            call: "run",
            vdevice: 3,
            tsm_code,
            error: io::Error::from_raw_os_error(errno),
        }
    }

    #[test]
    fn errno_and_code_are_kept() {
        let error = refused(libc::EIO, 0x1_0004);
        assert_eq!(error.errno(), Some(libc::EIO));
        assert_eq!(error.tsm_code(), Some(0x1_0004));
        let text = error.to_string();
        assert!(text.starts_with("run of vdevice 3: "), "{text}");
        assert!(text.ends_with(", tsm code 0x10004"), "{text}");
    }

    #[test]
    fn no_code_is_no_text() {
        let error = refused(libc::EINTR, 0);
        assert_eq!(error.tsm_code(), None);
        assert!(error.is_interrupted());
        assert!(!error.to_string().contains("tsm code"));
    }
}
