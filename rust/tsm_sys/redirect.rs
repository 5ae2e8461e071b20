// SPDX-License-Identifier: GPL-2.0

//! The two ioctls on /dev/iommu.
//!
//! Inlined into iommufd_tsm.ko, as [`crate::vdevice`] is.

use crate::{
    bindings,
    vdevice::{
        IommuFile,
        VdeviceGone, //
    },
};
use kernel::{
    bindings as kernel_bindings,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use tsm_wire::uapi::{
    VdeviceTsmOp,
    IOMMU_VDEVICE_TSM_OP,
    IOMMU_VDEVICE_TSM_REQ, //
};
use zerocopy::IntoBytes;

/// Who answers the ioctls.
pub trait Ioctl: VdeviceGone {
    /// One of the two ioctls, with its argument. Returns a residue, or the negative errno of a
    /// refusal.
    fn ioctl(&self, file: IommuFile<'_>, cmd: u32, arg: usize) -> isize;
}

/// # Safety
///
/// A `Redirect<I>` is there, for as long as `'a` lasts, and no other one.
#[inline]
pub(crate) unsafe fn answerer<'a, I>() -> &'a I {
    // SAFETY: The `Redirect` put it there, and keeps it.
    unsafe { &*bindings::tsm_shim_redirect_answerer().cast::<I>() }
}

/// Why the ioctls could not be put on /dev/iommu.
pub enum RedirectError {
    /// /dev/iommu cannot be opened, or is not one of iommufd.
    NoIommufd(Error),
    /// Somebody answers them already.
    Answered,
    /// Somebody else redirects the function.
    Taken,
    /// The function cannot be redirected.
    NotTraceable(Error),
}

impl RedirectError {
    /// The errno for insmod.
    pub fn error(&self) -> Error {
        match self {
            RedirectError::NoIommufd(e) | RedirectError::NotTraceable(e) => *e,
            RedirectError::Answered => EEXIST,
            RedirectError::Taken => EBUSY,
        }
    }
}

/// As long as this exists, `I` answers the two ioctls on every /dev/iommu.
pub struct Redirect<I: Ioctl> {
    /// What C has a pointer to.
    _answerer: Pin<KBox<I>>,
}

impl<I: Ioctl> Redirect<I> {
    /// Puts them there.
    ///
    /// Called at module load, once: the current task has an address space of its own.
    ///
    /// # Errors
    ///
    /// As [`RedirectError`] has them; nothing is changed then.
    #[inline]
    pub fn install(answerer: Pin<KBox<I>>) -> Result<Self, RedirectError> {
        let file = OpenFile::dev_iommu().map_err(RedirectError::NoIommufd)?;
        if file.answers().map_err(RedirectError::NoIommufd)? {
            return Err(RedirectError::Answered);
        }
        let this: *const I = &*answerer;
        // SAFETY: `file` is open.
        let ioctl = unsafe { bindings::tsm_shim_ioctl_of(file.0) };
        // SAFETY: `ioctl` is a function of iommufd, whose module our own symbols keep; `enter` and
        // what it answers with are ours, and out of use when the `Redirect` is dropped.
        let ret = unsafe {
            bindings::tsm_shim_redirect_install(ioctl, Some(enter::<I>), this.cast_mut().cast())
        };
        if ret == 0 {
            return Ok(Redirect {
                _answerer: answerer,
            });
        }
        if ret == -(bindings::EBUSY as i32) {
            Err(RedirectError::Taken)
        } else {
            Err(RedirectError::NotTraceable(Error::from_errno(ret)))
        }
    }
}

impl<I: Ioctl> Drop for Redirect<I> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Installed by `install`, once. Waits until nobody runs `enter`.
        unsafe { bindings::tsm_shim_redirect_remove() };
    }
}

/// # Safety
///
/// Called in place of the ioctl handler of iommufd, with its arguments.
unsafe extern "C" fn enter<I: Ioctl>(
    file: *mut kernel_bindings::file,
    cmd: c_uint,
    arg: c_ulong,
    answerer: *mut c_void,
) -> c_long {
    // SAFETY: The file is one of iommufd, and open during the ioctl.
    let file = unsafe { IommuFile::from_raw(file) };
    // SAFETY: This is reached through a `Redirect<I>`, which waits for us when it goes.
    let answerer = unsafe { &*answerer.cast::<I>() };
    answerer.ioctl(file, cmd, arg)
}

/// A file that is closed in the end.
struct OpenFile(*mut kernel_bindings::file);

impl OpenFile {
    /// A new /dev/iommu.
    #[inline]
    fn dev_iommu() -> Result<Self> {
        // SAFETY: The name is a C string.
        let file =
            unsafe { bindings::filp_open(c"/dev/iommu".as_char_ptr(), bindings::O_RDWR as i32, 0) };
        let file = OpenFile(kernel::error::from_err_ptr(file)?);
        // SAFETY: `file` is open.
        kernel::error::to_result(unsafe { bindings::tsm_shim_is_iommufd(file.0) })?;
        Ok(file)
    }

    /// Does it know one of the ioctls? Asked with a vDEVICE id that never exists.
    #[inline]
    fn answers(&self) -> Result<bool> {
        let page = UserPage::new()?;
        let probe = VdeviceTsmOp {
            size: 48,
            r#type: 1,
            flags: 0,
            vdevice_id: 0,
        };
        UserSlice::new(UserPtr::from_addr(page.0), core::mem::size_of_val(&probe))
            .writer()
            .write_slice(probe.as_bytes())?;
        // SAFETY: The file is open, and one of iommufd, which has an ioctl handler.
        let ioctl = unsafe { (*(*self.0).f_op).unlocked_ioctl };
        let Some(ioctl) = ioctl else {
            return Ok(false);
        };
        for cmd in [IOMMU_VDEVICE_TSM_OP, IOMMU_VDEVICE_TSM_REQ] {
            // SAFETY: As a call of ioctl(2) would do it, with memory of this task.
            let ret = unsafe { ioctl(self.0, cmd, page.0 as c_ulong) };
            let unknown =
                ret == -(bindings::ENOIOCTLCMD as c_long) || ret == -(bindings::ENOTTY as c_long);
            if !unknown {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Drop for OpenFile {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Opened by us, and not used after this.
        unsafe { bindings::filp_close(self.0, core::ptr::null_mut()) };
    }
}

/// A zeroed page in the address space of the current task.
struct UserPage(usize);

impl UserPage {
    #[inline]
    fn new() -> Result<Self> {
        // SAFETY: Maps new anonymous memory, at an address of the kernel's choice.
        let addr = unsafe {
            bindings::vm_mmap(
                core::ptr::null_mut(),
                0,
                kernel::page::PAGE_SIZE as c_ulong,
                (bindings::PROT_READ | bindings::PROT_WRITE) as c_ulong,
                (bindings::MAP_PRIVATE | bindings::MAP_ANONYMOUS) as c_ulong,
                0,
            )
        };
        let ret = addr as isize;
        if (-4095..0).contains(&ret) {
            return Err(Error::from_errno(ret as i32));
        }
        Ok(UserPage(addr as usize))
    }
}

impl Drop for UserPage {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: Mapped by us.
        unsafe { bindings::vm_munmap(self.0 as c_ulong, kernel::page::PAGE_SIZE) };
    }
}
