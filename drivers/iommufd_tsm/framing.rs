// SPDX-License-Identifier: GPL-2.0

//! The structures in user memory: each byte is read once, and only the copy is looked at.

use tsm_sys::uaccess;
use tsm_wire::{
    op::{
        Op,
        TvmArch, //
    },
    refusal::Refusal,
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
/// 64-bit words in what both forms have in common.
const WORDS: usize = SCOPE_FORM_SIZE / 8;
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

/// `struct iommu_vdevice_tsm_req`, or `struct iommu_vdevice_tsm_scope_req`, which has all of its
/// fields in the same words: our copy, checked.
pub(crate) struct ReqFrame {
    words: [u64; WORDS],
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

/// The checks of a frame that is not just the op form as we know it. Returns the lengths of the
/// request and of the response.
#[cold]
fn check_rarer(arg: usize, size: usize, second: u64, third: u64) -> Result<(u32, u32), Refusal> {
    if size > OP_FORM_SIZE {
        check_tail(arg, OP_FORM_SIZE, size)?;
        let (op, arch) = halves(second);
        Op::decode(op, arch)?;
        return Ok(halves(third));
    }
    if size != SCOPE_FORM_SIZE {
        return Err(Refusal::Short);
    }
    let (scope, req_len) = halves(second);
    let (resp_len, reserved) = halves(third);
    if reserved != 0 {
        return Err(Refusal::Reserved);
    }
    Scope::try_from(scope)?;
    Ok((req_len, resp_len))
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

impl ReqFrame {
    /// Reads it from `arg`, and sets `tsm_code` to 0.
    #[inline]
    pub(crate) fn read(arg: usize) -> Result<Self, Refusal> {
        // what is said of a call that is refused from here on is that no TSM said anything
        let words = uaccess::read_req(arg).map_err(|fault| {
            let is_long = |size| size == SCOPE_FORM_SIZE || size >= OP_FORM_SIZE;
            short_or_fault(arg, is_long, fault)
        })?;
        let [first, second, third, req_ptr, resp_ptr] = words;
        let (size, _) = halves(first);
        let (req_len, resp_len) = if size as usize == OP_FORM_SIZE {
            let (op, arch) = halves(second);
            Op::decode(op, arch)?;
            halves(third)
        } else {
            check_rarer(arg, size as usize, second, third)?
        };
        if (req_ptr == 0) != (req_len == 0) || (resp_ptr == 0) != (resp_len == 0) {
            return Err(Refusal::Buffer);
        }
        if req_len > REQ_MAX_LEN || resp_len > RESP_MAX_LEN {
            return Err(Refusal::Length);
        }
        Ok(ReqFrame { words, arg })
    }

    #[inline]
    fn size(&self) -> usize {
        let [first, ..] = self.words;
        halves(first).0 as usize
    }

    #[inline]
    fn is_op_form(&self) -> bool {
        self.size() >= OP_FORM_SIZE
    }

    #[inline]
    pub(crate) fn vdevice_id(&self) -> u32 {
        let [first, ..] = self.words;
        halves(first).1
    }

    /// What it asks for.
    #[inline]
    pub(crate) fn form(&self) -> Result<Form, Refusal> {
        let [_, second, ..] = self.words;
        let (a, b) = halves(second);
        if self.is_op_form() {
            let (op, arch) = Op::decode(a, b)?;
            Ok(Form::Op(op, arch))
        } else {
            Ok(Form::Scope(Scope::try_from(a)?))
        }
    }

    /// Does it ask for what an unbound vDEVICE may be asked for, by this form alone: a state?
    #[inline]
    pub(crate) fn may_bind(&self) -> bool {
        let [_, second, ..] = self.words;
        halves(second).0 == Op::SetTdiState as u32 && self.is_op_form()
    }

    /// The request.
    #[inline]
    pub(crate) fn req(&self) -> UserBuffer {
        let [_, second, third, ptr, _] = self.words;
        let len = if self.is_op_form() {
            halves(third).0
        } else {
            halves(second).1
        };
        UserBuffer { ptr, len }
    }

    /// Where the response goes.
    #[inline]
    pub(crate) fn resp(&self) -> UserBuffer {
        let [_, _, third, _, ptr] = self.words;
        let (a, b) = halves(third);
        let len = if self.is_op_form() { b } else { a };
        UserBuffer { ptr, len }
    }

    /// Says what the TSM said, if the form has room for it. It was possible to write there before:
    /// should it not be now, the operation stands, and the call fails.
    #[inline]
    pub(crate) fn write_code(&self, tsm_code: u64) -> Result<(), Refusal> {
        if tsm_code == 0 || !self.is_op_form() {
            return Ok(());
        }
        let at = self.arg.checked_add(TSM_CODE).ok_or(Refusal::Fault)?;
        uaccess::write_u64(at, tsm_code)
    }
}
