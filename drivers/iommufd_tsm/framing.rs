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

/// `struct iommu_vdevice_tsm_req`, or `struct iommu_vdevice_tsm_scope_req`.
pub(crate) struct ReqFrame {
    pub(crate) form: Form,
    pub(crate) vdevice_id: u32,
    pub(crate) req: UserBuffer,
    pub(crate) resp: UserBuffer,
    /// Where `tsm_code` goes, if the form has one. It is 0 by now.
    code_at: Option<usize>,
}

/// The two 32-bit fields of a word.
#[inline]
fn halves(word: u64) -> (u32, u32) {
    let bytes = word.to_ne_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    (
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    )
}

/// Reads `N` words, the least that a structure has. One that is shorter may end where memory does.
#[inline]
fn read_least<const N: usize>(arg: usize) -> Result<[u64; N], Refusal> {
    uaccess::read_words(arg).map_err(|fault| short_or_fault(arg, N, fault))
}

#[cold]
fn short_or_fault(arg: usize, words: usize, fault: Refusal) -> Refusal {
    match uaccess::read_u32(arg) {
        Ok(size) if (size as usize) < words * 8 => Refusal::Short,
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
        let [first, second] = read_least(arg)?;
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

impl UserBuffer {
    #[inline]
    fn new(ptr: u64, len: u32) -> Result<Self, Refusal> {
        if (ptr == 0) == (len == 0) {
            Ok(UserBuffer { ptr, len })
        } else {
            Err(Refusal::Buffer)
        }
    }
}

impl ReqFrame {
    /// Reads it from `arg`, and sets `tsm_code` to 0.
    #[inline]
    pub(crate) fn read(arg: usize) -> Result<Self, Refusal> {
        let words: [u64; WORDS] = read_least(arg)?;
        let [first, second, third, req_ptr, resp_ptr] = words;
        let (size, vdevice_id) = halves(first);
        let size = size as usize;
        // Both forms have their pointers in the same place, and the lengths one word apart.
        let (form, req_len, resp_len, code_at);
        if size >= OP_FORM_SIZE {
            if size > OP_FORM_SIZE {
                check_tail(arg, OP_FORM_SIZE, size)?;
            }
            let (op, arch) = halves(second);
            let at = arg + TSM_CODE;
            // what we say about a call that is refused from here on is that no TSM said anything
            uaccess::write_u64(at, 0)?;
            let (op, arch) = Op::decode(op, arch)?;
            (req_len, resp_len) = halves(third);
            form = Form::Op(op, arch);
            code_at = Some(at);
        } else if size == SCOPE_FORM_SIZE {
            let scope;
            (scope, req_len) = halves(second);
            let reserved;
            (resp_len, reserved) = halves(third);
            if reserved != 0 {
                return Err(Refusal::Reserved);
            }
            form = Form::Scope(Scope::try_from(scope)?);
            code_at = None;
        } else {
            return Err(Refusal::Short);
        }
        let req = UserBuffer::new(req_ptr, req_len)?;
        let resp = UserBuffer::new(resp_ptr, resp_len)?;
        if req_len > REQ_MAX_LEN || resp_len > RESP_MAX_LEN {
            return Err(Refusal::Length);
        }
        Ok(ReqFrame {
            form,
            vdevice_id,
            req,
            resp,
            code_at,
        })
    }

    /// Says what the TSM said. It was possible to write there before: should it not be now, the
    /// operation stands, and the call fails.
    #[inline]
    pub(crate) fn write_code(&self, tsm_code: u64) -> Result<(), Refusal> {
        match self.code_at {
            Some(at) if tsm_code != 0 => uaccess::write_u64(at, tsm_code),
            _ => Ok(()),
        }
    }
}
