// SPDX-License-Identifier: GPL-2.0

//! `IOMMU_VDEVICE_TSM_REQ`, op form.

use crate::{buffers::Buffers, ioctl::ioctl};
use std::{io, num::TryFromIntError, os::fd::BorrowedFd};
use tsm_wire::uapi::{VdeviceTsmReq, IOMMU_VDEVICE_TSM_REQ, OP_FORM_SIZE};

/// A request in op form, ready to be made as often as wanted.
#[derive(Debug)]
pub struct Request<'b> {
    raw: VdeviceTsmReq,
    buffers: Buffers<'b>,
}

impl<'b> Request<'b> {
    /// Prepares operation `op` of architecture `tvm_arch` for vdevice `vdevice_id`. The numbers are
    /// not looked at: refusing is what the kernel does.
    ///
    /// # Errors
    ///
    /// A buffer is 4 GiB or longer.
    pub fn new(
        vdevice_id: u32,
        op: u32,
        tvm_arch: u32,
        request: &'b [u8],
        response: &'b mut [u8],
    ) -> Result<Self, TryFromIntError> {
        let buffers = Buffers::new(request, response);
        Ok(Request {
            raw: VdeviceTsmReq {
                size: OP_FORM_SIZE as u32,
                vdevice_id,
                op,
                tvm_arch,
                req_len: buffers.request_len()?,
                resp_len: buffers.response_len()?,
                req_uptr: buffers.request_address(),
                resp_uptr: 0,
                tsm_code: 0,
            },
            buffers,
        })
    }

    /// Makes the request; the residue in bytes on success.
    ///
    /// # Errors
    ///
    /// The errno of the call.
    #[inline]
    pub fn call(&mut self, iommufd: BorrowedFd<'_>) -> io::Result<u32> {
        self.raw.resp_uptr = self.buffers.response_address();
        self.raw.tsm_code = 0;
        // SAFETY: Owner: `self.buffers` holds the exclusive borrow of the response, and nothing
        // changes `resp_len`, which is its length. Lock: none, `&mut self` excludes a second
        // call. Race: the number belongs to iommufd, whose files alone act on type ';' and 0x96
        // with these addresses; any other file refuses it or takes an argument no longer than this.
        unsafe { ioctl(iommufd, IOMMU_VDEVICE_TSM_REQ, &mut self.raw) }
    }

    /// The result code of the TSM in the last call; 0 if it gave none.
    #[inline]
    #[must_use]
    pub fn tsm_code(&self) -> u64 {
        self.raw.tsm_code
    }

    /// The response buffer.
    #[inline]
    #[must_use]
    pub fn response(&self) -> &[u8] {
        self.buffers.response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsFd};

    #[test]
    fn a_file_without_the_ioctl_says_so_and_changes_nothing() {
        let null = File::open("/dev/null").unwrap();
        let mut response = [0xa5; 16];
        let mut request = Request::new(7, 5, 1, &[1, 2], &mut response).unwrap();
        let error = request.call(null.as_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(request.tsm_code(), 0);
        assert_eq!(request.response(), [0xa5; 16]);
    }
}
