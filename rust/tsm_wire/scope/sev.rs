// SPDX-License-Identifier: GPL-2.0

//! Payloads of the scope form on AMD SEV-TIO: one byte that starts or stops the TDI, or an SNP
//! guest message.
//!
//! As the guest_req of the AMDESE kernel had it: STATE_CHANGE with one byte is 1 for run, else
//! unbind; anything longer goes to the PSP as it is. Here the other byte is 0 and stops, after which
//! the TDI is bound still, as SET_TDI_STATE(UNLOCKED) has it.

use super::Scope;
use crate::{guest_message::Kind, refusal::Refusal, request::Request, tdi::TdiState};

/// Decodes a request in scope form as AMD SEV-TIO has it.
///
/// # Errors
///
/// [`Refusal::Payload`] for another byte, a message that is none of [`Kind`], or what the scope does
/// not cover.
pub fn decode(scope: Scope, payload: &[u8]) -> Result<Request, Refusal> {
    match (scope, payload) {
        (Scope::StateChange, [0]) => Ok(Request::SetTdiState(TdiState::Unlocked)),
        (Scope::StateChange, [1]) => Ok(Request::SetTdiState(TdiState::Run)),
        (_, message) => {
            let kind = Kind::of(message)?;
            if kind.is_of_scope(scope) {
                Ok(Request::GuestMessage(kind))
            } else {
                Err(Refusal::Payload)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_message::{HEADER_LEN, MSG_TYPE};
    use proptest::prelude::*;

    #[test]
    fn one_byte_starts_and_stops() {
        let change = |payload: &[u8]| decode(Scope::StateChange, payload);
        assert_eq!(change(&[1]), Ok(Request::SetTdiState(TdiState::Run)));
        assert_eq!(change(&[0]), Ok(Request::SetTdiState(TdiState::Unlocked)));
        for payload in [&[2][..], &[0xff], &[], &[1, 0], &[0, 0, 0, 0]] {
            assert_eq!(change(payload), Err(Refusal::Payload), "{payload:?}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(decode(Scope::Info, &[byte]), Err(Refusal::Payload));
        }
    }

    #[test]
    fn messages_under_their_scope() {
        for kind in Kind::ALL {
            let mut message = [0; HEADER_LEN];
            message[MSG_TYPE] = kind as u8;
            let (of_scope, other) = match kind {
                Kind::TdiInfo => (Scope::Info, Scope::StateChange),
                Kind::MmioValidate | Kind::MmioConfig | Kind::SdteWrite => {
                    (Scope::StateChange, Scope::Info)
                }
            };
            assert_eq!(
                decode(of_scope, &message),
                Ok(Request::GuestMessage(kind)),
                "{kind:?}"
            );
            assert_eq!(decode(other, &message), Err(Refusal::Payload), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(Scope::Info, &bytes);
            let _ = decode(Scope::StateChange, &bytes);
        }
    }
}
