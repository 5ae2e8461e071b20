// SPDX-License-Identifier: GPL-2.0

//! Whether a kernel has the ioctls.

use crate::error::Error;
use std::{io, os::fd::BorrowedFd};
use tsm_sys_user::{vdevice_op, Request};
use tsm_wire::op::{Op, TvmArch};

/// Is an ioctl there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The kernel answered it.
    Present,
    /// The kernel does not know it: ENOTTY.
    Absent,
}

impl Presence {
    /// Asks for `IOMMU_VDEVICE_TSM_REQ` with vdevice 0, which never is one.
    ///
    /// # Errors
    ///
    /// An answer that is neither ENOTTY nor ENOENT: then something else has this number.
    pub fn of_req(iommufd: BorrowedFd<'_>) -> Result<Self, Error> {
        let mut response = [0; 4];
        // OBJECT_INFO of the certificate chain
        let payload = 1u32.to_ne_bytes();
        let mut request = Request::new(
            0,
            Op::ObjectInfo as u32,
            TvmArch::Common as u32,
            &payload,
            &mut response,
        )
        .map_err(|_| Error::Buffer { call: "req" })?;
        Presence::read("IOMMU_VDEVICE_TSM_REQ", request.call(iommufd).map(drop))
    }

    /// Asks for `IOMMU_VDEVICE_TSM_OP` by unbinding vdevice 0.
    ///
    /// # Errors
    ///
    /// As [`Presence::of_req`].
    pub fn of_op(iommufd: BorrowedFd<'_>) -> Result<Self, Error> {
        Presence::read("IOMMU_VDEVICE_TSM_OP", vdevice_op(iommufd, 2, 0))
    }

    fn read(call: &'static str, result: io::Result<()>) -> Result<Self, Error> {
        let error = match result {
            Err(error) => error,
            Ok(()) => io::Error::other("succeeded, though no vdevice has this id"),
        };
        match error.raw_os_error() {
            Some(libc::ENOENT) => Ok(Presence::Present),
            Some(libc::ENOTTY) => Ok(Presence::Absent),
            _ => Err(Error::Refused {
                call,
                vdevice: 0,
                tsm_code: 0,
                error,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsFd};
    use tsm_wire::uapi;

    #[test]
    fn ioctl_numbers() {
        assert_eq!(uapi::IOMMU_VDEVICE_TSM_REQ, 0x3b96);
        assert_eq!(uapi::IOMMU_VDEVICE_TSM_OP, 0x3b97);
    }

    #[test]
    fn absent_from_another_file() {
        let null = File::open("/dev/null").unwrap();
        assert_eq!(Presence::of_req(null.as_fd()).unwrap(), Presence::Absent);
        assert_eq!(Presence::of_op(null.as_fd()).unwrap(), Presence::Absent);
    }

    #[test]
    fn only_two_answers_are_understood() {
        for (errno, presence) in [
            (libc::ENOENT, Some(Presence::Present)),
            (libc::ENOTTY, Some(Presence::Absent)),
            (libc::EINVAL, None),
            (libc::EPERM, None),
        ] {
            let answer = Presence::read("x", Err(io::Error::from_raw_os_error(errno)));
            assert_eq!(answer.ok(), presence);
        }
        assert!(Presence::read("x", Ok(())).is_err());
    }
}
