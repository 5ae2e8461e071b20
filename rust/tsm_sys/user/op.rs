// SPDX-License-Identifier: GPL-2.0

//! `IOMMU_VDEVICE_TSM_OP`.

use crate::ioctl::ioctl;
use std::{io, os::fd::BorrowedFd};
use tsm_wire::uapi::{VdeviceTsmOp, IOMMU_VDEVICE_TSM_OP};

/// Binds (type 1) or unbinds (type 2) the TDI of vdevice `vdevice_id`.
///
/// # Errors
///
/// The errno of the call.
#[inline]
pub fn vdevice_op(iommufd: BorrowedFd<'_>, op_type: u32, vdevice_id: u32) -> io::Result<()> {
    let mut raw = VdeviceTsmOp {
        size: size_of::<VdeviceTsmOp>() as u32,
        r#type: op_type,
        flags: 0,
        vdevice_id,
    };
    // SAFETY: Owner: `raw` is ours and holds no address. Lock and race: none, nobody else has it,
    // and only iommufd acts on this number.
    unsafe { ioctl(iommufd, IOMMU_VDEVICE_TSM_OP, &mut raw) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsFd};

    #[test]
    fn a_file_without_the_ioctl_says_so() {
        let null = File::open("/dev/null").unwrap();
        let error = vdevice_op(null.as_fd(), 1, 7).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
