// SPDX-License-Identifier: GPL-2.0

//! `IOMMU_VDEVICE_TSM_REQ`, scope form.

use crate::{buffers::Buffers, ioctl::ioctl};
use std::{io, num::TryFromIntError, os::fd::BorrowedFd};
use tsm_wire::uapi::{VdeviceTsmScopeReq, IOMMU_VDEVICE_TSM_REQ, SCOPE_FORM_SIZE};

/// A request in scope form, ready to be made as often as wanted.
#[derive(Debug)]
pub struct ScopeRequest<'b> {
    raw: VdeviceTsmScopeReq,
    buffers: Buffers<'b>,
}

impl<'b> ScopeRequest<'b> {
    /// Prepares a request under `scope` for vdevice `vdevice_id`.
    ///
    /// # Errors
    ///
    /// A buffer is 4 GiB or longer.
    pub fn new(
        vdevice_id: u32,
        scope: u32,
        request: &'b [u8],
        response: &'b mut [u8],
    ) -> Result<Self, TryFromIntError> {
        let buffers = Buffers::new(request, response);
        Ok(ScopeRequest {
            raw: VdeviceTsmScopeReq {
                size: SCOPE_FORM_SIZE as u32,
                vdevice_id,
                scope,
                req_len: buffers.request_len()?,
                resp_len: buffers.response_len()?,
                reserved: 0,
                req_uptr: buffers.request_address(),
                resp_uptr: 0,
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
        // SAFETY: Owner: `self.buffers` holds the exclusive borrow of the response, and nothing
        // changes `resp_len`, which is its length; `size` keeps the kernel inside `raw`, which is
        // shorter than the op form. Lock: none, `&mut self` excludes a second call. Race: as for
        // the op form, only iommufd acts on this number.
        unsafe { ioctl(iommufd, IOMMU_VDEVICE_TSM_REQ, &mut self.raw) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsFd};

    #[test]
    fn a_file_without_the_ioctl_says_so() {
        let null = File::open("/dev/null").unwrap();
        let mut request = ScopeRequest::new(7, 0, &[1, 2], &mut []).unwrap();
        let error = request.call(null.as_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
