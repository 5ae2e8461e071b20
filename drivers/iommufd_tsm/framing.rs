// SPDX-License-Identifier: GPL-2.0

//! The structures in user memory: each byte is read once, and only the copy is looked at.

use tsm_sys::uaccess;
use tsm_wire::{
    op::{
        Op,
        TvmArch, //
    },
    refusal::{
        Refusal,
        Refused, //
    },
    residue::Outcome,
    scope::Scope,
    uapi::{
        OP_FORM_SIZE,
        REQ_MAX_LEN,
        RESP_MAX_LEN,
        SCOPE_FORM_SIZE, //
    }, //
};

/// Most bytes that a structure may have; a longer one is not of this world.
const SIZE_MAX: usize = 4096;
/// Offset of `tsm_code` in the op form.
const TSM_CODE: usize = 40;

/// `struct iommu_vdevice_tsm_op`.
pub(crate) struct OpFrame {
    pub(crate) bind: bool,
    pub(crate) vdevice_id: u32,
}

/// Memory that a user names: both are zero, or none.
#[derive(Clone, Copy)]
pub(crate) struct UserBuffer {
    pub(crate) ptr: u64,
    pub(crate) len: u32,
}

/// What a request asks for.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// An operation of an architecture.
    Op(Op, TvmArch),
    /// A payload that the TSM's architecture decodes, under a scope.
    Scope(Scope),
}

/// What `struct iommu_vdevice_tsm_req` and `struct iommu_vdevice_tsm_scope_req` have in common, word
/// by word: our copy, as it was.
pub(crate) struct ReqWords {
    /// Size, and id of the vDEVICE.
    size_id: u64,
    /// Operation and architecture, or scope and length of the request.
    what: u64,
    /// Lengths of request and response, or length of the response and a reserved field.
    lengths: u64,
    req_ptr: u64,
    resp_ptr: u64,
}

/// One of these structures, checked.
pub(crate) struct ReqFrame {
    pub(crate) form: Form,
    pub(crate) vdevice_id: u32,
    /// The request.
    pub(crate) req: UserBuffer,
    /// Where the response goes.
    pub(crate) resp: UserBuffer,
    arg: usize,
}

/// The two 32-bit fields of a word.
#[inline]
fn halves(word: u64) -> (u32, u32) {
    let (low, high) = (word as u32, (word >> 32) as u32);
    if cfg!(target_endian = "little") {
        (low, high)
    } else {
        (high, low)
    }
}

/// A structure that is too short may end where memory does: does `is_long` take its size?
#[cold]
fn short_or_fault(arg: usize, is_long: fn(usize) -> bool, fault: Refusal) -> Refusal {
    match uaccess::read_u32(arg) {
        Ok(size) if !is_long(size as usize) => Refusal::Short,
        _ => fault,
    }
}

/// Bytes past what we know must be zero.
#[cold]
fn check_tail(arg: usize, known: usize, size: usize) -> Result<(), Refusal> {
    if size > SIZE_MAX {
        return Err(Refusal::Tail);
    }
    let tail = arg.checked_add(known).ok_or(Refusal::Fault)?;
    if uaccess::is_zero(tail, size - known)? {
        Ok(())
    } else {
        Err(Refusal::Tail)
    }
}

impl OpFrame {
    pub(crate) const SIZE: usize = 16;

    /// Reads it from `arg`.
    pub(crate) fn read(arg: usize) -> Result<Self, Refusal> {
        let [first, second] = uaccess::read_op(arg)
            .map_err(|fault| short_or_fault(arg, |size| size >= Self::SIZE, fault))?;
        let (size, ty) = halves(first);
        let (flags, vdevice_id) = halves(second);
        let size = size as usize;
        if size < Self::SIZE {
            return Err(Refusal::Short);
        }
        if size > Self::SIZE {
            check_tail(arg, Self::SIZE, size)?;
        }
        if flags != 0 {
            return Err(Refusal::Reserved);
        }
        let bind = match ty {
            1 => true,
            2 => false,
            _ => return Err(Refusal::Type),
        };
        Ok(OpFrame { bind, vdevice_id })
    }
}

impl ReqWords {
    /// Reads it from `arg`, and sets `tsm_code` to 0.
    #[inline]
    pub(crate) fn read(arg: usize) -> Result<Self, Refusal> {
        // what is said of a call that is refused from here on is that no TSM said anything
        let [size_id, what, lengths, req_ptr, resp_ptr] =
            uaccess::read_req(arg).map_err(|fault| {
                let is_long = |size| size == SCOPE_FORM_SIZE || size >= OP_FORM_SIZE;
                short_or_fault(arg, is_long, fault)
            })?;
        Ok(ReqWords {
            size_id,
            what,
            lengths,
            req_ptr,
            resp_ptr,
        })
    }

    #[inline]
    fn size(&self) -> usize {
        halves(self.size_id).0 as usize
    }

    /// Is it the op form as we know it?
    #[inline]
    pub(crate) fn is_op_form(&self) -> bool {
        self.size() == OP_FORM_SIZE
    }
}

impl ReqFrame {
    /// Of the op form, which was at `arg`.
    #[inline]
    pub(crate) fn op_form(arg: usize, words: ReqWords) -> Result<Self, Refusal> {
        let (op, arch) = halves(words.what);
        let (op, arch) = Op::decode(op, arch)?;
        let lengths = halves(words.lengths);
        Self::new(arg, words, Form::Op(op, arch), lengths)
    }

    /// Of any form.
    pub(crate) fn any_form(arg: usize, words: ReqWords) -> Result<Self, Refusal> {
        let size = words.size();
        if size >= OP_FORM_SIZE {
            check_tail(arg, OP_FORM_SIZE, size)?;
            return Self::op_form(arg, words);
        }
        if size != SCOPE_FORM_SIZE {
            return Err(Refusal::Short);
        }
        let (scope, req_len) = halves(words.what);
        let (resp_len, reserved) = halves(words.lengths);
        if reserved != 0 {
            return Err(Refusal::Reserved);
        }
        let form = Form::Scope(Scope::try_from(scope)?);
        Self::new(arg, words, form, (req_len, resp_len))
    }

    /// With the lengths of the request and of the response.
    #[inline]
    fn new(
        arg: usize,
        words: ReqWords,
        form: Form,
        (req_len, resp_len): (u32, u32),
    ) -> Result<Self, Refusal> {
        let (req_ptr, resp_ptr) = (words.req_ptr, words.resp_ptr);
        if (req_ptr == 0) != (req_len == 0) || (resp_ptr == 0) != (resp_len == 0) {
            return Err(Refusal::Buffer);
        }
        if req_len > REQ_MAX_LEN || resp_len > RESP_MAX_LEN {
            return Err(Refusal::Length);
        }
        Ok(ReqFrame {
            form,
            vdevice_id: halves(words.size_id).1,
            req: UserBuffer {
                ptr: req_ptr,
                len: req_len,
            },
            resp: UserBuffer {
                ptr: resp_ptr,
                len: resp_len,
            },
            arg,
        })
    }

    /// What the call returns when `consumed` bytes of the request made `filled` bytes of response.
    #[inline]
    pub(crate) fn residue(&self, consumed: u32, filled: u32) -> Result<u32, Refusal> {
        Outcome::new(consumed, filled)
            .residue(self.req.len, self.resp.len)
            .ok_or(Refusal::Firmware)
    }

    /// Says what the TSM said, if the form has room for it. It was possible to write there before:
    /// should it not be now, the operation stands, and the call fails.
    #[inline]
    pub(crate) fn write_code(&self, tsm_code: u64) -> Result<(), Refusal> {
        if tsm_code == 0 || matches!(self.form, Form::Scope(_)) {
            return Ok(());
        }
        let at = self.arg.checked_add(TSM_CODE).ok_or(Refusal::Fault)?;
        uaccess::write_u64(at, tsm_code)
    }

    /// Says why a TSM refused, as [`ReqFrame::write_code`] does.
    #[cold]
    pub(crate) fn refused(&self, refused: Refused) -> Refusal {
        match self.write_code(refused.tsm_code) {
            Ok(()) => refused.why,
            Err(fault) => fault,
        }
    }
}
