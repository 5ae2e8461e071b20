// SPDX-License-Identifier: GPL-2.0

//! Requests in scope form, the ABI of the v5 posting, with the payloads that CCA had then; those of
//! other architectures go through [`ScopeVdevice::ask`].
//!
//! The TSM tells from the payload what is asked, so there is no architecture to name and no result
//! code. For new code [`Vdevice`](crate::Vdevice) is the better choice.

use crate::{
    error::Error,
    vdevice::{capacity, complete, done},
};
use std::{ops::Range, os::fd::BorrowedFd};
use tsm_sys_user::ScopeRequest;
use tsm_wire::{
    object::ObjectType,
    scope::Scope,
    tdi::TdiState,
    uapi::{ValidateMmio, NONCE_LEN},
};
use zerocopy::{Immutable, IntoBytes};

/// `enum iommu_tsm_cca_scope_req_type`.
#[derive(Clone, Copy)]
#[repr(u32)]
enum ReqType {
    ObjectSize = 1,
    ObjectRead = 2,
    UpdateInterfaceReport = 3,
    UpdateMeasurements = 4,
    VdevMap = 5,
    SetTdiState = 6,
}

/// A vDEVICE, asked in scope form.
#[derive(Clone, Copy, Debug)]
pub struct ScopeVdevice<'f> {
    iommufd: BorrowedFd<'f>,
    id: u32,
}

impl<'f> ScopeVdevice<'f> {
    /// Names vDEVICE `id` of `iommufd`.
    #[must_use]
    pub const fn new(iommufd: BorrowedFd<'f>, id: u32) -> Self {
        ScopeVdevice { iommufd, id }
    }

    /// Bytes in an object; 0 if there is none now.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn object_len(&self, object: ObjectType) -> Result<u32, Error> {
        const CALL: &str = "object size";
        let mut response = [0; 4];
        let payload = words(ReqType::ObjectSize, object as u32);
        let filled = self.ask(CALL, Scope::Info, &payload, &mut response)?;
        complete(CALL, filled, response.len()).map(|()| u32::from_ne_bytes(response))
    }

    /// Reads an object from `offset` on into `buffer`; how many bytes there were.
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
        let mut payload = words(ReqType::ObjectRead, object as u32);
        push(&mut payload, &offset);
        self.ask("object read", Scope::Info, &payload, buffer)
    }

    /// Asks the device for its interface report anew.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn update_interface_report(&self) -> Result<(), Error> {
        let payload = (ReqType::UpdateInterfaceReport as u32).to_ne_bytes();
        self.command("update interface report", Scope::Info, &payload)
    }

    /// Asks the device for its measurements anew, fresh for `nonce`; as raw bit streams if `raw`,
    /// else as digests.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn update_measurements(
        &self,
        raw: bool,
        nonce: Option<&[u8; NONCE_LEN]>,
    ) -> Result<(), Error> {
        let mut payload = words(ReqType::UpdateMeasurements, 0);
        push(&mut payload, &u64::from(raw));
        // the kernel reads the nonce during the call; the borrow outlives that
        let nonce_uptr = nonce.map_or(0, |nonce| nonce.as_ptr() as u64);
        push(&mut payload, &nonce_uptr);
        self.command("update measurements", Scope::Info, &payload)
    }

    /// Maps the guest physical range `gpa` to the MMIO that starts at host physical address `pa`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn map_mmio(&self, gpa: Range<u64>, pa: u64) -> Result<(), Error> {
        let mut payload = words(ReqType::VdevMap, 0);
        let mmio = ValidateMmio {
            gpa_base: gpa.start,
            gpa_top: gpa.end,
            pa_base: pa,
        };
        push(&mut payload, &mmio);
        self.command("vdev map", Scope::StateChange, &payload)
    }

    /// Asks for a TDISP state.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Incomplete`].
    pub fn set_state(&self, state: TdiState) -> Result<(), Error> {
        let payload = words(ReqType::SetTdiState, state as u32);
        self.command("set tdi state", Scope::StateChange, &payload)
    }

    fn command(&self, call: &'static str, scope: Scope, payload: &[u8]) -> Result<(), Error> {
        let consumed = self.ask(call, scope, payload, &mut [])?;
        complete(call, consumed, payload.len())
    }

    /// Makes any request, with a payload as the architecture of the TSM has it; how many bytes of
    /// the response there were or, without one, how many of the request were consumed. `call` names
    /// it in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Residue`].
    pub fn ask(
        &self,
        call: &'static str,
        scope: Scope,
        request: &[u8],
        response: &mut [u8],
    ) -> Result<usize, Error> {
        let capacity = capacity(request, response);
        let residue = ScopeRequest::new(self.id, scope as u32, request, response)
            .map_err(|_| Error::Buffer { call })?
            .call(self.iommufd)
            .map_err(|error| Error::Refused {
                call,
                vdevice: self.id,
                tsm_code: 0,
                error,
            })?;
        done(call, residue, capacity)
    }
}

/// The first two words of a payload.
fn words(req_type: ReqType, operand: u32) -> Vec<u8> {
    let mut payload = Vec::with_capacity(32);
    push(&mut payload, &[req_type as u32, operand]);
    payload
}

fn push<T: IntoBytes + Immutable>(payload: &mut Vec<u8>, value: &T) {
    payload.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsm_wire::{request::Request, scope::cca};

    #[test]
    fn the_kernel_side_understands_each_payload() {
        let object_len = words(ReqType::ObjectSize, 3);
        assert_eq!(
            cca::decode(Scope::Info, &object_len),
            Ok(Request::ObjectInfo(ObjectType::InterfaceReport))
        );

        let mut read = words(ReqType::ObjectRead, 1);
        push(&mut read, &(1u64 << 33));
        assert_eq!(
            cca::decode(Scope::Info, &read),
            Ok(Request::ReadObject {
                object: ObjectType::Certificate,
                offset: 1 << 33
            })
        );

        let report = (ReqType::UpdateInterfaceReport as u32).to_ne_bytes();
        assert!(cca::decode(Scope::Info, &report).is_ok());

        let mut measure = words(ReqType::UpdateMeasurements, 0);
        push(&mut measure, &1u64);
        push(&mut measure, &0x7000u64);
        match cca::decode(Scope::Info, &measure).unwrap() {
            Request::RegenObject(regen) => {
                assert_eq!((regen.raw, regen.nonce_uptr), (true, 0x7000));
            }
            other => panic!("{other:?}"),
        }

        let mut map = words(ReqType::VdevMap, 0);
        let mmio = ValidateMmio {
            gpa_base: 0x1000,
            gpa_top: 0x3000,
            pa_base: 0x8000,
        };
        push(&mut map, &mmio);
        match cca::decode(Scope::StateChange, &map).unwrap() {
            Request::ValidateMmio(range) => {
                assert_eq!((range.gpa, range.pa, range.len), (0x1000, 0x8000, 0x2000));
            }
            other => panic!("{other:?}"),
        }

        let run = words(ReqType::SetTdiState, 2);
        assert_eq!(
            cca::decode(Scope::StateChange, &run),
            Ok(Request::SetTdiState(TdiState::Run))
        );
    }
}
