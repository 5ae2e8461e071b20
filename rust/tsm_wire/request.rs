// SPDX-License-Identifier: GPL-2.0

//! A request of a guest, decoded and checked as far as no state is needed for it.
//!
//! A backend sees this and never a payload's bytes.

use crate::{
    guest_message::Kind,
    object::ObjectType,
    op::Op,
    refusal::Refusal,
    tdi::TdiState,
    uapi::{self, ValidateMmio},
};
use core::mem::size_of;
use zerocopy::FromBytes;

/// Granularity of MMIO that goes into a VM, bytes.
pub const MMIO_GRANULE: u64 = 4096;

/// A range of the TDI's MMIO, aligned and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioRange {
    /// First guest physical address.
    pub gpa: u64,
    /// Host physical address of the first byte.
    pub pa: u64,
    /// Bytes, a multiple of [`MMIO_GRANULE`].
    pub len: u64,
}

impl MmioRange {
    /// Does `[start, start + len)` hold the whole range of physical addresses?
    pub const fn is_inside(&self, start: u64, len: u64) -> bool {
        match self.pa.checked_sub(start) {
            Some(offset) => offset <= len && self.len <= len - offset,
            None => false,
        }
    }
}

/// What REGEN_OBJECT asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regen {
    /// Measurement or interface report.
    pub object: ObjectType,
    /// Measurements as raw bit streams and not as digests.
    pub raw: bool,
    /// User address of the nonce, or 0.
    pub nonce_uptr: u64,
}

impl Regen {
    /// Checks what can be asked of an object.
    pub const fn new(object: ObjectType, flags: u64, nonce_uptr: u64) -> Result<Self, Refusal> {
        if !object.can_regen() || flags > 1 {
            return Err(Refusal::Payload);
        }
        // a report has no format and is fresh by its lock, not by a nonce
        if matches!(object, ObjectType::InterfaceReport) && (flags != 0 || nonce_uptr != 0) {
            return Err(Refusal::Payload);
        }
        Ok(Regen {
            object,
            raw: flags == 1,
            nonce_uptr,
        })
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Map MMIO into the VM.
    ValidateMmio(MmioRange),
    /// Change the TDISP state.
    SetTdiState(TdiState),
    /// Read an object from `offset`.
    ReadObject {
        /// Which.
        object: ObjectType,
        /// First byte.
        offset: u64,
    },
    /// Make an object anew.
    RegenObject(Regen),
    /// Length of an object.
    ObjectInfo(ObjectType),
    /// An SNP guest message, whose bytes go with it.
    GuestMessage(Kind),
}

impl Request {
    /// Decodes the payload of an op form request, as COMMON and CCA have it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Payload`] if its length is not that of the operation's structure, a reserved
    /// field is set, or a value is none of those that it may have.
    #[inline]
    pub fn decode(op: Op, payload: &[u8]) -> Result<Request, Refusal> {
        match op {
            Op::ValidateMmio => Request::validate_mmio(whole(payload)?),
            Op::SetTdiState => {
                let set: uapi::SetTdiState = whole(payload)?;
                Ok(Request::SetTdiState(TdiState::requested(set.state)?))
            }
            Op::ReadObject => {
                let read: uapi::ReadObject = whole(payload)?;
                if read.reserved != 0 {
                    return Err(Refusal::Payload);
                }
                Ok(Request::ReadObject {
                    object: ObjectType::try_from(read.r#type)?,
                    offset: read.offset,
                })
            }
            Op::RegenObject => {
                let regen: uapi::RegenObject = whole(payload)?;
                if regen.reserved != 0 {
                    return Err(Refusal::Payload);
                }
                Ok(Request::RegenObject(Regen::new(
                    ObjectType::try_from(regen.r#type)?,
                    regen.flags,
                    regen.nonce_uptr,
                )?))
            }
            Op::ObjectInfo => {
                let info: uapi::ObjectInfo = whole(payload)?;
                Ok(Request::ObjectInfo(ObjectType::try_from(info.r#type)?))
            }
            // guest messages, which the function below decodes, and nothing else
            Op::SevEnableDma | Op::SevDisableDma => Err(Refusal::Payload),
        }
    }

    /// Decodes the payload of an op form request of SEV that carries an SNP guest message.
    ///
    /// # Errors
    ///
    /// [`Refusal::Payload`] if it is no such message, or one that the operation does not carry.
    pub fn decode_message(op: Op, payload: &[u8]) -> Result<Request, Refusal> {
        let kind = Kind::of(payload)?;
        if kind.is_of_op(op) {
            Ok(Request::GuestMessage(kind))
        } else {
            Err(Refusal::Payload)
        }
    }

    /// Is an op form request of SEV with `req_len` bytes one that carries an SNP guest message?
    /// VALIDATE_MMIO is one of two things, which its length tells apart.
    pub const fn is_message(op: Op, req_len: u32) -> bool {
        match op {
            Op::SevEnableDma | Op::SevDisableDma => true,
            Op::ValidateMmio => req_len as usize != size_of::<ValidateMmio>(),
            Op::SetTdiState | Op::ReadObject | Op::RegenObject | Op::ObjectInfo => false,
        }
    }

    /// Checks a range: aligned, not empty, and nowhere past the end of the address space.
    pub fn validate_mmio(raw: ValidateMmio) -> Result<Request, Refusal> {
        let aligned = (raw.gpa_base | raw.gpa_top | raw.pa_base) & (MMIO_GRANULE - 1) == 0;
        let len = raw.gpa_top.saturating_sub(raw.gpa_base);
        if !aligned || len == 0 || raw.pa_base.checked_add(len).is_none() {
            return Err(Refusal::Payload);
        }
        Ok(Request::ValidateMmio(MmioRange {
            gpa: raw.gpa_base,
            pa: raw.pa_base,
            len,
        }))
    }

    /// Does it only read what the host has already?
    #[inline]
    pub const fn is_read(&self) -> bool {
        matches!(self, Request::ReadObject { .. } | Request::ObjectInfo(_))
    }
}

/// A payload that is exactly one `T`.
#[inline]
fn whole<T: FromBytes>(payload: &[u8]) -> Result<T, Refusal> {
    T::read_from_bytes(payload).map_err(|_| Refusal::Payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    fn mmio(gpa_base: u64, gpa_top: u64, pa_base: u64) -> Result<Request, Refusal> {
        let raw = ValidateMmio {
            gpa_base,
            gpa_top,
            pa_base,
        };
        Request::decode(Op::ValidateMmio, raw.as_bytes())
    }

    #[test]
    fn mmio_ranges() {
        let ok = MmioRange {
            gpa: 0x1000,
            pa: 0x8000,
            len: 0x2000,
        };
        assert_eq!(mmio(0x1000, 0x3000, 0x8000), Ok(Request::ValidateMmio(ok)));
        for (base, top, pa) in [
            (0x1001, 0x3000, 0x8000),
            (0x1000, 0x3001, 0x8000),
            (0x1000, 0x3000, 0x8001),
            (0x3000, 0x3000, 0x8000),
            (0x3000, 0x1000, 0x8000),
            (0x1000, 0x3000, u64::MAX - 0xfff),
        ] {
            assert_eq!(
                mmio(base, top, pa),
                Err(Refusal::Payload),
                "{base:#x} {top:#x} {pa:#x}"
            );
        }
    }

    #[test]
    fn a_range_is_inside_one_bar_or_not() {
        let range = MmioRange {
            gpa: 0,
            pa: 0x8000,
            len: 0x2000,
        };
        assert!(range.is_inside(0x8000, 0x2000));
        assert!(range.is_inside(0x7000, 0x4000));
        assert!(!range.is_inside(0x9000, 0x4000));
        assert!(!range.is_inside(0x8000, 0x1fff));
        assert!(!range.is_inside(0x0, 0x8000));
        assert!(!range.is_inside(0x0, 0));
        let edge = MmioRange {
            gpa: 0,
            pa: u64::MAX - 0x1fff,
            len: 0x1000,
        };
        assert!(edge.is_inside(u64::MAX - 0x1fff, 0x1fff));
    }

    #[test]
    fn regen_is_for_what_changes() {
        for object in ObjectType::ALL {
            assert_eq!(Regen::new(object, 0, 0).is_ok(), object.can_regen());
        }
        assert!(Regen::new(ObjectType::Measurement, 1, 0x1000).is_ok());
        assert!(Regen::new(ObjectType::Measurement, 2, 0).is_err());
        assert!(Regen::new(ObjectType::InterfaceReport, 1, 0).is_err());
        assert!(Regen::new(ObjectType::InterfaceReport, 0, 1).is_err());
    }

    #[test]
    fn lengths_are_exact() {
        let sizes = [
            (Op::ValidateMmio, 24),
            (Op::SetTdiState, 4),
            (Op::ReadObject, 16),
            (Op::RegenObject, 24),
            (Op::ObjectInfo, 4),
        ];
        for (op, size) in sizes {
            for len in 0..64 {
                if len != size {
                    let zeroes = vec![0; len];
                    assert_eq!(
                        Request::decode(op, &zeroes),
                        Err(Refusal::Payload),
                        "{op:?} {len}"
                    );
                }
            }
        }
    }

    #[test]
    fn messages_come_under_their_operation() {
        let mut message = [0; 96];
        message[52] = Kind::SdteWrite as u8;
        let carried = Ok(Request::GuestMessage(Kind::SdteWrite));
        assert_eq!(Request::decode_message(Op::SevEnableDma, &message), carried);
        assert_eq!(
            Request::decode_message(Op::SevDisableDma, &message),
            carried
        );
        for op in [Op::ValidateMmio, Op::SetTdiState, Op::ReadObject] {
            let refused = Request::decode_message(op, &message);
            assert_eq!(refused, Err(Refusal::Payload), "{op:?}");
        }
        message[52] = Kind::MmioValidate as u8;
        assert_eq!(
            Request::decode_message(Op::ValidateMmio, &message),
            Ok(Request::GuestMessage(Kind::MmioValidate))
        );
    }

    #[test]
    fn the_length_tells_a_range_from_a_message() {
        for len in 0..5000 {
            assert_eq!(Request::is_message(Op::ValidateMmio, len), len != 24);
            assert!(Request::is_message(Op::SevEnableDma, len));
            assert!(Request::is_message(Op::SevDisableDma, len));
            assert!(!Request::is_message(Op::SetTdiState, len));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            op in 1u32..8,
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = Request::decode(Op::try_from(op).unwrap(), &bytes);
        }

        #[test]
        fn objects_round_trip(t in 0u32..4, offset: u64) {
            let raw = uapi::ReadObject { r#type: t, reserved: 0, offset };
            prop_assert_eq!(
                Request::decode(Op::ReadObject, raw.as_bytes()),
                Ok(Request::ReadObject { object: ObjectType::try_from(t).unwrap(), offset })
            );
        }

        #[test]
        fn a_reserved_word_is_looked_at(t in 0u32..4, reserved in 1u32..) {
            let raw = uapi::ReadObject { r#type: t, reserved, offset: 0 };
            prop_assert_eq!(Request::decode(Op::ReadObject, raw.as_bytes()), Err(Refusal::Payload));
            let raw = uapi::RegenObject { r#type: 2, reserved, flags: 0, nonce_uptr: 0 };
            prop_assert_eq!(Request::decode(Op::RegenObject, raw.as_bytes()), Err(Refusal::Payload));
        }
    }
}
