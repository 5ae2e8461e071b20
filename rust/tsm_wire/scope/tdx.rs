// SPDX-License-Identifier: GPL-2.0

//! Payloads of the scope form on Intel TDX Connect: one word, which TDISP request is wanted.
//!
//! The public RFC of the days of this form (Xu Yilun, May 2025, "coco/tdx_tsm", `tdx_tsm.c`) has
//! requests of a TDI by number (`TDX_TDI_REQ_*`), and a guest request type (`PCI_TSM_GUEST_REQ_TDXC`)
//! whose blob it left to the guest and said nothing about; this is the least that such a blob can
//! be. It had nothing to read objects with.

use super::Scope;
use crate::{refusal::Refusal, request::Request, tdi::TdiState};
use zerocopy::FromBytes;

/// `TDX_TDI_REQ_BIND`: lock.
const BIND: u32 = 1;
/// `TDX_TDI_REQ_START`: run.
const START: u32 = 2;
/// `TDX_TDI_REQ_STOP`: unlock.
const STOP: u32 = 4;

/// Decodes a request in scope form as Intel TDX Connect has it.
///
/// # Errors
///
/// [`Refusal::Payload`] for what is not one word, for another number, which includes 3,
/// `TDX_TDI_REQ_GET_STATE`: the kernel knows the state, and no reply has room for it; and for any
/// under another scope than that of state changes.
pub fn decode(scope: Scope, payload: &[u8]) -> Result<Request, Refusal> {
    let request = u32::read_from_bytes(payload).map_err(|_| Refusal::Payload)?;
    let state = match request {
        BIND => TdiState::Locked,
        START => TdiState::Run,
        STOP => TdiState::Unlocked,
        _ => return Err(Refusal::Payload),
    };
    match scope {
        Scope::StateChange => Ok(Request::SetTdiState(state)),
        Scope::Info => Err(Refusal::Payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests() {
        let cases = [
            (1u32, TdiState::Locked),
            (2, TdiState::Run),
            (4, TdiState::Unlocked),
        ];
        for (number, state) in cases {
            let payload = number.to_ne_bytes();
            let decoded = decode(Scope::StateChange, &payload);
            assert_eq!(decoded, Ok(Request::SetTdiState(state)));
            assert_eq!(decode(Scope::Info, &payload), Err(Refusal::Payload));
        }
        for number in [0u32, 3, 5, u32::MAX] {
            let decoded = decode(Scope::StateChange, &number.to_ne_bytes());
            assert_eq!(decoded, Err(Refusal::Payload));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..16)) {
            let decoded = decode(Scope::StateChange, &payload);
            prop_assert!(payload.len() == 4 || decoded.is_err());
        }
    }
}
