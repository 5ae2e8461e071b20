// SPDX-License-Identifier: GPL-2.0

//! A guest's request.
//!
//! Objects are read from the evidence, straight into user memory. Everything else goes to the TSM.
//! While user memory is touched no lock is held, and no vDEVICE: who owns the memory decides how long
//! that takes, and the destruction of a vDEVICE waits for 60 seconds only.

use crate::{
    bindings::Bindings,
    framing::{
        Form,
        ReqFrame,
        ReqWords,
        UserBuffer, //
    },
    returned,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use tsm_core::context::TdiContext;
use tsm_sys::{
    uaccess::{
        self,
        Payload, //
    },
    vdevice::IommuFile, //
};
use tsm_wire::{
    guest_message::{
        GuestMessage,
        Kind,
        MESSAGE_LEN, //
    },
    op::{
        Op,
        TvmArch, //
    },
    refusal::{
        Refusal,
        Refused, //
    },
    request::Request,
    scope::{
        self,
        Scope, //
    },
    tdi::TdiState,
    uapi::NONCE_LEN, //
};

/// Bytes in `struct iommu_tsm_object_info_out`.
const OBJECT_INFO_LEN: u32 = 4;

impl Bindings {
    /// IOMMU_VDEVICE_TSM_REQ.
    #[inline]
    pub(crate) fn req(&self, file: IommuFile<'_>, arg: usize) -> isize {
        match ReqWords::read(arg) {
            Ok(words) if words.is_op_form() => self.req_framed(file, ReqFrame::op_form(arg, words)),
            Ok(words) => self.req_any_form(file, arg, words),
            Err(refusal) => returned(Err(refusal)),
        }
    }

    /// Of any form. Apart, so that the one of every day is decoded where it is used.
    #[cold]
    #[inline(never)]
    fn req_any_form(&self, file: IommuFile<'_>, arg: usize, words: ReqWords) -> isize {
        self.req_framed(file, ReqFrame::any_form(arg, words))
    }

    #[inline(always)]
    fn req_framed(&self, file: IommuFile<'_>, frame: Result<ReqFrame, Refusal>) -> isize {
        let frame = match frame {
            Ok(frame) => frame,
            Err(refusal) => return returned(Err(refusal)),
        };
        match file.look(frame.vdevice_id, |key| self.context(key)) {
            Some(Some(context)) => returned(self.req_of(file, &frame, context)),
            Some(None) => returned(self.req_of_unbound(file, &frame)),
            None => returned(Err(Refusal::NoVdevice)),
        }
    }

    /// Of a vDEVICE that is bound. Apart, so that what refuses before needs no room for what this
    /// needs.
    #[inline(never)]
    fn req_of(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: Arc<TdiContext>,
    ) -> Result<u32, Refusal> {
        // What is asked for all the time has its length and operation known where it is decoded:
        // little is left of the decoder then.
        let request = match (frame.form, frame.req.len) {
            (Form::Op(Op::ObjectInfo, asked), 4) if context.serves(asked) => {
                return read(frame, &context, payload(frame, Op::ObjectInfo, 4)?)
            }
            (Form::Op(Op::ReadObject, asked), 16) if context.serves(asked) => {
                return read(frame, &context, payload(frame, Op::ReadObject, 16)?)
            }
            (Form::Op(Op::SetTdiState, asked), 4) if context.serves(asked) => {
                payload(frame, Op::SetTdiState, 4)?
            }
            _ => match context.arch() {
                Ok(Some(arch)) if is_long(frame, arch) => {
                    return self.long(file, frame, &context, arch)
                }
                Ok(Some(arch)) => decode(frame, arch)?,
                Ok(None) => {
                    let done = self.foreign(file, frame, &context);
                    return done.map_err(|refused| frame.refused(refused));
                }
                Err(_) => return self.req_of_unbound(file, frame),
            },
        };
        self.answer(file, frame, &context, request)
    }

    /// Of a TDI of a TSM of ours.
    #[inline(always)]
    fn answer(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
        request: Request,
    ) -> Result<u32, Refusal> {
        match request {
            Request::SetTdiState(target) if context.state() == Some(target) => {
                // it is there: nothing for the TSM to do
                frame.residue(frame.req.len, 0)
            }
            request if request.is_read() => read(frame, context, request),
            request => match self.change(file, frame, context, request) {
                Ok(()) => frame.residue(frame.req.len, 0),
                Err(refused) => Err(frame.refused(refused)),
            },
        }
    }

    /// Of a length that no structure of the op form has.
    #[cold]
    #[inline(never)]
    fn long(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
        arch: TvmArch,
    ) -> Result<u32, Refusal> {
        if frame.req.len as usize > MESSAGE_LEN {
            return Err(Refusal::Payload);
        }
        let mut payload = bounce(frame.req.len as usize)?;
        uaccess::read(frame.req.ptr, &mut payload)?;
        let request = match frame.form {
            Form::Op(op, _) => Request::decode_message(op, &payload)?,
            Form::Scope(scope) => scope::decode(arch, scope, &payload)?,
        };
        match request {
            Request::GuestMessage(kind) => self
                .message(file, frame, context, kind, &payload)
                .map_err(|refused| frame.refused(refused)),
            request => self.answer(file, frame, context, request),
        }
    }

    /// An SNP guest message, and its answer.
    fn message(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
        kind: Kind,
        request: &[u8],
    ) -> Result<u32, Refused> {
        // whatever the answer is, there is room for it
        if (frame.resp.len as usize) < MESSAGE_LEN {
            return Err(Refusal::Payload.into());
        }
        probe(frame.resp)?;
        let mut response = bounce(MESSAGE_LEN)?;
        let filled = self.while_bound(file, frame, context, || {
            context.guest_message(GuestMessage {
                kind,
                request,
                response: &mut response,
            })
        })??;
        let part = response.get(..filled).ok_or(Refusal::Firmware)?;
        uaccess::write(frame.resp.ptr, part)?;
        Ok(frame.residue(frame.req.len, part.len() as u32)?)
    }

    /// Everything that is not read from the evidence.
    #[inline(never)]
    fn change(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
        request: Request,
    ) -> Result<(), Refused> {
        if let Request::ValidateMmio(range) = request {
            if !context.owns(&range) {
                return Err(Refusal::Payload.into());
            }
        }
        let nonce = nonce(&request)?;
        probe(frame.resp)?;
        self.while_bound(file, frame, context, || context.guest_req(request, nonce))?
    }

    /// Calls the TSM, with the vDEVICE held: destroying it waits, or answers EBUSY.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoVdevice`], [`Refusal::NotBound`] if it is not bound any more, or another time.
    fn while_bound<R>(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
        call: impl FnOnce() -> R,
    ) -> Result<R, Refusal> {
        let vdev = file.vdevice(frame.vdevice_id).ok_or(Refusal::NoVdevice)?;
        match self.context(vdev.key()) {
            Some(now) if Arc::ptr_eq(&now, context) => Ok(call()),
            _ => Err(Refusal::NotBound),
        }
    }

    /// Of a vDEVICE that is not bound.
    #[inline]
    fn req_of_unbound(&self, file: IommuFile<'_>, frame: &ReqFrame) -> Result<u32, Refusal> {
        match frame.form {
            // on this form alone, which names what it wants without a TSM to decode it
            Form::Op(Op::SetTdiState, arch) => self
                .bind_by_request(file, frame, arch)
                .map_err(|refused| frame.refused(refused)),
            _ => Err(Refusal::NotBound),
        }
    }

    /// Of a vDEVICE that is not bound, a guest can ask that it be locked: that binds it.
    #[cold]
    fn bind_by_request(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        arch: TvmArch,
    ) -> Result<u32, Refused> {
        let request = match Payload::read(frame.req.ptr, frame.req.len) {
            Ok(payload) => Request::decode(Op::SetTdiState, payload.bytes()),
            Err(Refusal::Fault) => return Err(Refusal::Fault.into()),
            Err(other) => Err(other),
        };
        let Ok(Request::SetTdiState(TdiState::Locked)) = request else {
            return Err(Refusal::NotBound.into());
        };
        probe(frame.resp)?;
        let vdev = file.vdevice(frame.vdevice_id).ok_or(Refusal::NoVdevice)?;
        let context = self.bind(&vdev, arch)?;
        // bound by somebody else in the meantime, perhaps
        if context.arch()?.is_some_and(|of_tsm| !arch.fits(of_tsm)) {
            return Err(Refusal::Arch.into());
        }
        Ok(frame.residue(frame.req.len, 0)?)
    }

    /// A TSM that is not of this project takes raw bytes and a scope.
    #[cold]
    fn foreign(
        &self,
        file: IommuFile<'_>,
        frame: &ReqFrame,
        context: &Arc<TdiContext>,
    ) -> Result<u32, Refused> {
        let scope = match frame.form {
            Form::Scope(scope) => scope,
            Form::Op(Op::ReadObject | Op::ObjectInfo, _) => Scope::Info,
            Form::Op(..) => Scope::StateChange,
        };
        let memory = |_| Refusal::Memory;
        let (req_len, resp_len) = (frame.req.len, frame.resp.len);
        let mut req = KVVec::from_elem(0, req_len as usize, GFP_KERNEL).map_err(memory)?;
        uaccess::read(frame.req.ptr, &mut req)?;
        probe(frame.resp)?;
        let mut resp = KVVec::from_elem(0, resp_len as usize, GFP_KERNEL).map_err(memory)?;
        let (residue, tsm_code) = self.while_bound(file, frame, context, || {
            context.guest_req_raw(scope, &mut req, &mut resp)
        })?;
        let residue = residue.map_err(|why| Refused { why, tsm_code })?;
        let (consumed, filled) = if resp_len != 0 {
            let filled = resp_len.checked_sub(residue).ok_or(Refusal::Firmware)?;
            let part = resp.get(..filled as usize).ok_or(Refusal::Firmware)?;
            uaccess::write(frame.resp.ptr, part)?;
            (req_len, filled)
        } else {
            let consumed = req_len.checked_sub(residue).ok_or(Refusal::Firmware)?;
            (consumed, 0)
        };
        frame.write_code(tsm_code)?;
        Ok(frame.residue(consumed, filled)?)
    }
}

/// The nonce of a request that has one: read once, and early.
fn nonce(request: &Request) -> Result<Option<[u8; NONCE_LEN]>, Refusal> {
    match request {
        Request::RegenObject(regen) if regen.nonce_uptr != 0 => {
            let mut nonce = [0; NONCE_LEN];
            uaccess::read(regen.nonce_uptr, &mut nonce)?;
            Ok(Some(nonce))
        }
        _ => Ok(None),
    }
}

/// Is a request that a TSM of `arch` gets one that [`Payload`] does not take: an SNP guest message,
/// or whatever an architecture had in scope form?
#[inline]
fn is_long(frame: &ReqFrame, arch: TvmArch) -> bool {
    match frame.form {
        Form::Op(op, asked) => {
            arch == TvmArch::Sev && asked == arch && Request::is_message(op, frame.req.len)
        }
        Form::Scope(_) => arch != TvmArch::Cca,
    }
}

/// Memory for `len` bytes that a user gives or gets; `len` is at most [`MESSAGE_LEN`].
fn bounce(len: usize) -> Result<KVec<u8>, Refusal> {
    KVec::from_elem(0, len, GFP_KERNEL).map_err(|_| Refusal::Memory)
}

/// The request of an operation whose payload has `len` bytes.
#[inline(always)]
fn payload(frame: &ReqFrame, op: Op, len: u32) -> Result<Request, Refusal> {
    Request::decode(op, Payload::read(frame.req.ptr, len)?.bytes())
}

/// Any request to a TSM of `arch`.
#[inline(never)]
fn decode(frame: &ReqFrame, arch: TvmArch) -> Result<Request, Refusal> {
    let read = || Payload::read(frame.req.ptr, frame.req.len);
    match frame.form {
        Form::Op(_, asked) if !asked.fits(arch) => Err(Refusal::Arch),
        Form::Op(op, _) => Request::decode(op, read()?.bytes()),
        Form::Scope(scope) => scope::decode(arch, scope, read()?.bytes()),
    }
}

/// Is the response buffer there? Before anything happens.
#[inline]
fn probe(resp: UserBuffer) -> Result<(), Refusal> {
    if resp.len == 0 {
        Ok(())
    } else {
        uaccess::probe_write(resp.ptr, resp.len as usize)
    }
}

/// Answers from the evidence.
#[inline(always)]
fn read(frame: &ReqFrame, context: &TdiContext, request: Request) -> Result<u32, Refusal> {
    let filled = match request {
        Request::ObjectInfo(object) => {
            if frame.resp.len < OBJECT_INFO_LEN {
                return Err(Refusal::Payload);
            }
            uaccess::write_u32(frame.resp.ptr, context.evidence().length(object))?;
            OBJECT_INFO_LEN
        }
        Request::ReadObject { object, offset } => {
            let object = context.evidence().get(object);
            let bytes = object.as_ref().map_or(&[][..], |object| object.bytes());
            let offset = usize::try_from(offset).map_err(|_| Refusal::Payload)?;
            let rest = bytes.get(offset..).ok_or(Refusal::Payload)?;
            let part = rest.get(..frame.resp.len as usize).unwrap_or(rest);
            uaccess::write(frame.resp.ptr, part)?;
            part.len() as u32
        }
        _ => return Err(Refusal::Payload),
    };
    frame.residue(frame.req.len, filled)
}
