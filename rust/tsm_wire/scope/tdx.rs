// SPDX-License-Identifier: GPL-2.0

//! Payloads of the scope form on Intel TDX Connect.

use super::Scope;
use crate::{refusal::Refusal, request::Request};

/// Decodes a request in scope form as Intel TDX Connect has it.
///
/// # Errors
///
/// [`Refusal::Payload`]: there is none yet.
pub fn decode(_scope: Scope, _payload: &[u8]) -> Result<Request, Refusal> {
    Err(Refusal::Payload)
}
