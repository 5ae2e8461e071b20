// SPDX-License-Identifier: GPL-2.0

//! Payloads of the scope form on Arm CCA: a type, then what belongs to it.

use super::Scope;
use crate::{
    object::ObjectType,
    refusal::Refusal,
    request::{Regen, Request},
    tdi::TdiState,
    uapi::ValidateMmio,
};
use zerocopy::FromBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct iommu_tsm_cca_scope_object_size`; also of SET_TDI_STATE, with the state as operand.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Word {
    req_type: u32,
    operand: u32,
}

/// `struct iommu_tsm_cca_scope_object_read`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct ObjectRead {
    req_type: u32,
    object_type: u32,
    offset: u64,
}

/// `struct iommu_tsm_cca_scope_update_measurements`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct UpdateMeasurements {
    req_type: u32,
    reserved: u32,
    flags: u64,
    nonce_uptr: u64,
}

/// `struct iommu_tsm_cca_scope_vdev_map`.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct VdevMap {
    req_type: u32,
    reserved: u32,
    mmio: ValidateMmio,
}

const OBJECT_SIZE: u32 = 1;
const OBJECT_READ: u32 = 2;
const UPDATE_INTERFACE_REPORT: u32 = 3;
const UPDATE_MEASUREMENTS: u32 = 4;
const VDEV_MAP: u32 = 5;
const SET_TDI_STATE: u32 = 6;

/// Decodes a request in scope form as the CCA backend had it: a type, then what belongs to it.
///
/// # Errors
///
/// [`Refusal::Payload`] for an unknown type, a wrong length, a reserved word that is not zero, or a
/// type that the scope does not cover.
pub fn decode(scope: Scope, payload: &[u8]) -> Result<Request, Refusal> {
    let (req_type, _) = u32::read_from_prefix(payload).map_err(|_| Refusal::Payload)?;
    let request = match req_type {
        OBJECT_SIZE => {
            let word: Word = whole(payload)?;
            Request::ObjectInfo(ObjectType::try_from(word.operand)?)
        }
        OBJECT_READ => {
            let read: ObjectRead = whole(payload)?;
            Request::ReadObject {
                object: ObjectType::try_from(read.object_type)?,
                offset: read.offset,
            }
        }
        UPDATE_INTERFACE_REPORT => {
            let _: u32 = whole(payload)?;
            Request::RegenObject(Regen {
                object: ObjectType::InterfaceReport,
                raw: false,
                nonce_uptr: 0,
            })
        }
        UPDATE_MEASUREMENTS => {
            let update: UpdateMeasurements = whole(payload)?;
            if update.reserved != 0 {
                return Err(Refusal::Payload);
            }
            Request::RegenObject(Regen::new(
                ObjectType::Measurement,
                update.flags,
                update.nonce_uptr,
            )?)
        }
        VDEV_MAP => {
            let map: VdevMap = whole(payload)?;
            if map.reserved != 0 {
                return Err(Refusal::Payload);
            }
            Request::validate_mmio(map.mmio)?
        }
        SET_TDI_STATE => {
            let word: Word = whole(payload)?;
            Request::SetTdiState(TdiState::requested(word.operand)?)
        }
        _ => return Err(Refusal::Payload),
    };
    let covered = match request {
        Request::ObjectInfo(_) | Request::ReadObject { .. } => scope == Scope::Info,
        Request::RegenObject(_) => true,
        Request::ValidateMmio(_) | Request::SetTdiState(_) => scope == Scope::StateChange,
        Request::GuestMessage(_) => false,
    };
    if covered {
        Ok(request)
    } else {
        Err(Refusal::Payload)
    }
}

/// A payload that is exactly one `T`.
fn whole<T: FromBytes>(payload: &[u8]) -> Result<T, Refusal> {
    T::read_from_bytes(payload).map_err(|_| Refusal::Payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn each_type_under_its_scope() {
        let cases: [(&[u32], bool, bool); 6] = [
            (&[1, 3], true, false),
            (&[2, 1, 16, 0], true, false),
            (&[3], true, true),
            (&[4, 0, 0, 0, 0, 0], true, true),
            (&[5, 0, 0x1000, 0, 0x2000, 0, 0x3000, 0], false, true),
            (&[6, 2], false, true),
        ];
        for (payload, info, change) in cases {
            let payload = words(payload);
            assert_eq!(decode(Scope::Info, &payload).is_ok(), info, "{payload:?}");
            assert_eq!(
                decode(Scope::StateChange, &payload).is_ok(),
                change,
                "{payload:?}"
            );
        }
    }

    #[test]
    fn values_arrive() {
        assert_eq!(
            decode(Scope::Info, &words(&[2, 1, 16, 1])),
            Ok(Request::ReadObject {
                object: ObjectType::Certificate,
                offset: 1 << 32 | 16
            })
        );
        assert_eq!(
            decode(Scope::StateChange, &words(&[6, 1])),
            Ok(Request::SetTdiState(TdiState::Locked))
        );
    }

    #[test]
    fn reserved_words_are_looked_at() {
        for payload in [
            words(&[4, 1, 0, 0, 0, 0]),
            words(&[5, 1, 0, 0, 0x1000, 0, 0, 0]),
        ] {
            assert_eq!(decode(Scope::StateChange, &payload), Err(Refusal::Payload));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let _ = decode(Scope::Info, &bytes);
            let _ = decode(Scope::StateChange, &bytes);
        }

        #[test]
        fn a_length_that_is_off_is_refused(t in 1u32..7, len in 0usize..64) {
            let mut bytes = words(&[t]);
            bytes.resize(len.max(4), 0);
            let right = [0, 8, 16, 4, 24, 32, 8][t as usize];
            if bytes.len() != right {
                prop_assert_eq!(decode(Scope::StateChange, &bytes), Err(Refusal::Payload));
                prop_assert_eq!(decode(Scope::Info, &bytes), Err(Refusal::Payload));
            }
        }
    }
}
