// SPDX-License-Identifier: GPL-2.0

//! A vDEVICE and the requests that its guest makes of the TDI behind it.

use crate::error::Error;
use std::{num::TryFromIntError, ops::Range, os::fd::BorrowedFd};
use tsm_sys_user::{vdevice_op, Request};
use tsm_wire::{
    guest_message::MESSAGE_LEN,
    object::ObjectType,
    op::{Op, TvmArch},
    tdi::TdiState,
    uapi::{self, NONCE_LEN},
};
use zerocopy::IntoBytes;

/// `IOMMU_VDEVICE_TSM_BIND` of `enum iommu_vdevice_tsm_op_type`.
const BIND: u32 = 1;
/// `IOMMU_VDEVICE_TSM_UNBIND`.
const UNBIND: u32 = 2;

/// A vDEVICE of an iommufd. What it names may be unbound or gone at any time: calls say so.
#[derive(Clone, Copy, Debug)]
pub struct Vdevice<'f> {
    iommufd: BorrowedFd<'f>,
    id: u32,
    arch: TvmArch,
}

/// What the kernel made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Bytes of the response buffer that were filled or, where there is none, bytes of the request
    /// that were consumed.
    pub done: usize,
    /// Result code of the TSM; 0 if it gave none.
    pub tsm_code: u64,
}

impl<'f> Vdevice<'f> {
    /// Names vDEVICE `id` of `iommufd`, an object id that IOMMU_VDEVICE_ALLOC gave. `arch` is the
    /// architecture that the guest speaks; [`TvmArch::Common`] leaves it to the TSM.
    #[must_use]
    pub const fn new(iommufd: BorrowedFd<'f>, id: u32, arch: TvmArch) -> Self {
        Vdevice { iommufd, id, arch }
    }

    /// Its object id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Makes it a TDI of its VM and locks it. Does nothing if it is one already.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub fn bind(&self) -> Result<(), Error> {
        self.operate("bind", BIND)
    }

    /// Takes the TDI from the VM. Does nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub fn unbind(&self) -> Result<(), Error> {
        self.operate("unbind", UNBIND)
    }

    /// Maps the guest physical range `gpa` to the MMIO that starts at host physical address `pa`.
    /// All three are multiples of 4096.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn validate_mmio(&self, gpa: Range<u64>, pa: u64) -> Result<(), Error> {
        let payload = uapi::ValidateMmio {
            gpa_base: gpa.start,
            gpa_top: gpa.end,
            pa_base: pa,
        };
        self.command("validate mmio", Op::ValidateMmio, payload.as_bytes())
    }

    /// Asks for a TDISP state.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn set_state(&self, state: TdiState) -> Result<(), Error> {
        let call = match state {
            TdiState::Unlocked => "unlock",
            TdiState::Locked => "lock",
            TdiState::Run => "run",
            TdiState::Error => "set state",
        };
        let payload = uapi::SetTdiState {
            state: state as u32,
        };
        self.command(call, Op::SetTdiState, payload.as_bytes())
    }

    /// TDISP LOCK_INTERFACE. Binds a vDEVICE that is not bound.
    ///
    /// # Errors
    ///
    /// As [`Vdevice::set_state`].
    pub fn lock(&self) -> Result<(), Error> {
        self.set_state(TdiState::Locked)
    }

    /// TDISP START_INTERFACE.
    ///
    /// # Errors
    ///
    /// As [`Vdevice::set_state`].
    pub fn run(&self) -> Result<(), Error> {
        self.set_state(TdiState::Run)
    }

    /// TDISP STOP_INTERFACE; the TDI stays bound.
    ///
    /// # Errors
    ///
    /// As [`Vdevice::set_state`].
    pub fn unlock(&self) -> Result<(), Error> {
        self.set_state(TdiState::Unlocked)
    }

    /// Bytes in an object; 0 if there is none now.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn object_len(&self, object: ObjectType) -> Result<u32, Error> {
        const CALL: &str = "object info";
        let payload = uapi::ObjectInfo {
            r#type: object as u32,
        };
        let mut response = [0; size_of::<uapi::ObjectInfoOut>()];
        let answer = self.ask(CALL, Op::ObjectInfo, payload.as_bytes(), &mut response)?;
        let whole = complete(CALL, answer.done, response.len());
        whole.map(|()| u32::from_ne_bytes(response))
    }

    /// Reads an object from `offset` on into `buffer`; how many bytes there were. Less than the
    /// buffer is long means that the object ends there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`].
    pub fn read_at(
        &self,
        object: ObjectType,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let payload = uapi::ReadObject {
            r#type: object as u32,
            reserved: 0,
            offset,
        };
        self.ask("read object", Op::ReadObject, payload.as_bytes(), buffer)
            .map(|answer| answer.done)
    }

    /// Asks the device for its measurements anew, fresh for `nonce`; as raw bit streams if `raw`,
    /// else as digests.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn measure(&self, raw: bool, nonce: Option<&[u8; NONCE_LEN]>) -> Result<(), Error> {
        self.regen(ObjectType::Measurement, u64::from(raw), nonce)
    }

    /// Asks the device for its interface report anew.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn regen_report(&self) -> Result<(), Error> {
        self.regen(ObjectType::InterfaceReport, 0, None)
    }

    fn regen(
        &self,
        object: ObjectType,
        flags: u64,
        nonce: Option<&[u8; NONCE_LEN]>,
    ) -> Result<(), Error> {
        let payload = uapi::RegenObject {
            r#type: object as u32,
            reserved: 0,
            flags,
            // the kernel reads it during the call; the borrow outlives that
            nonce_uptr: nonce.map_or(0, |nonce| nonce.as_ptr() as u64),
        };
        self.command("regen object", Op::RegenObject, payload.as_bytes())
    }

    /// Carries an SNP guest message to the PSP; its answer, which the guest alone can read. `op` is
    /// SEV_ENABLE_DMA or SEV_DISABLE_DMA, or VALIDATE_MMIO, and the vDEVICE was named with
    /// [`TvmArch::Sev`].
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Residue`].
    pub fn guest_message(&self, op: Op, message: &[u8]) -> Result<Vec<u8>, Error> {
        let call = match op {
            Op::SevEnableDma => "enable dma",
            Op::SevDisableDma => "disable dma",
            _ => "guest message",
        };
        let mut response = vec![0; MESSAGE_LEN];
        let answer = self.ask(call, op, message, &mut response)?;
        response.truncate(answer.done);
        Ok(response)
    }

    /// Makes any request, for operations that this crate does not know. `call` names it in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Residue`].
    pub fn ask(
        &self,
        call: &'static str,
        op: Op,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<Answer, Error> {
        let capacity = capacity(request, response);
        let mut prepared = self
            .prepare(op, request, response)
            .map_err(|_| Error::Buffer { call })?;
        match prepared.call(self.iommufd) {
            Ok(residue) => Ok(Answer {
                done: done(call, residue, capacity)?,
                tsm_code: prepared.tsm_code(),
            }),
            Err(error) => Err(Error::Refused {
                call,
                vdevice: self.id,
                tsm_code: prepared.tsm_code(),
                error,
            }),
        }
    }

    /// Prepares a request that is made again and again, for [`Request::call`]. Its residue is as
    /// the kernel gives it.
    ///
    /// # Errors
    ///
    /// A buffer is 4 GiB or longer.
    pub fn prepare<'b>(
        &self,
        op: Op,
        request: &'b [u8],
        response: &'b mut [u8],
    ) -> Result<Request<'b>, TryFromIntError> {
        Request::new(self.id, op as u32, self.arch as u32, request, response)
    }

    /// A request without response, which must be consumed whole.
    fn command(&self, call: &'static str, op: Op, payload: &[u8]) -> Result<(), Error> {
        let answer = self.ask(call, op, payload, &mut [])?;
        complete(call, answer.done, payload.len())
    }

    fn operate(&self, call: &'static str, op_type: u32) -> Result<(), Error> {
        vdevice_op(self.iommufd, op_type, self.id).map_err(|error| Error::Refused {
            call,
            vdevice: self.id,
            tsm_code: 0,
            error,
        })
    }
}

/// The length that a residue is counted from.
pub(crate) fn capacity(request: &[u8], response: &[u8]) -> usize {
    if response.is_empty() {
        request.len()
    } else {
        response.len()
    }
}

/// Bytes of `capacity` that are not in the residue. The kernel is not believed without a look: what
/// it returns becomes the length of a slice.
pub(crate) fn done(call: &'static str, residue: u32, capacity: usize) -> Result<usize, Error> {
    usize::try_from(residue)
        .ok()
        .and_then(|left| capacity.checked_sub(left))
        .ok_or(Error::Residue {
            call,
            residue,
            capacity,
        })
}

pub(crate) fn complete(call: &'static str, got: usize, expected: usize) -> Result<(), Error> {
    if got == expected {
        Ok(())
    } else {
        Err(Error::Incomplete {
            call,
            got,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs::File, os::fd::AsFd};

    #[test]
    fn the_response_decides_what_a_residue_counts() {
        assert_eq!(capacity(&[0; 24], &[]), 24);
        assert_eq!(capacity(&[0; 24], &[0; 4]), 4);
        assert_eq!(capacity(&[], &[]), 0);
    }

    #[test]
    fn a_refusal_names_the_call() {
        let null = File::open("/dev/null").unwrap();
        let vdevice = Vdevice::new(null.as_fd(), 9, TvmArch::Cca);
        for (result, call) in [
            (vdevice.bind(), "bind"),
            (vdevice.unbind(), "unbind"),
            (vdevice.lock(), "lock"),
            (vdevice.run(), "run"),
            (vdevice.unlock(), "unlock"),
            (vdevice.measure(true, Some(&[0; 32])), "regen object"),
            (vdevice.validate_mmio(0..0x1000, 0), "validate mmio"),
            (vdevice.object_len(ObjectType::Vca).map(drop), "object info"),
            (
                vdevice.guest_message(Op::SevEnableDma, &[0; 96]).map(drop),
                "enable dma",
            ),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.errno(), Some(libc::ENOTTY));
            let start = format!("{call} of vdevice 9: ");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }

    #[test]
    fn nothing_to_read_is_not_asked_for() {
        let null = File::open("/dev/null").unwrap();
        let vdevice = Vdevice::new(null.as_fd(), 9, TvmArch::Cca);
        assert_eq!(vdevice.read_at(ObjectType::Vca, 0, &mut []).unwrap(), 0);
    }

    proptest! {
        #[test]
        fn a_residue_is_never_more_than_there_was(residue: u32, capacity in 0usize..1 << 33) {
            match done("x", residue, capacity) {
                Ok(done) => prop_assert_eq!(done + residue as usize, capacity),
                Err(Error::Residue { .. }) => prop_assert!(residue as usize > capacity),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
