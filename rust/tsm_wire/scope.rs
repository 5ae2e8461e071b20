// SPDX-License-Identifier: GPL-2.0

//! The scope form of IOMMU_VDEVICE_TSM_REQ.
//!
//! It names no operation: the TSM tells from the payload what is asked, and each architecture had
//! payloads of its own in the days of this form.
//!
//! | module | payloads of |
//! |---|---|
//! | [`cca`] | Arm CCA |
//! | [`sev`] | AMD SEV-TIO |
//! | [`tdx`] | Intel TDX Connect |
//!
//! Bind and unbind are IOMMU_VDEVICE_TSM_OP. Start, stop, and enabling or disabling MMIO and DMA
//! are STATE_CHANGE; reading objects is INFO; making an object anew, which changes no state of the
//! TDI but asks something of the device, may come under either.

pub mod cca;
pub mod sev;
pub mod tdx;

use crate::{op::TvmArch, refusal::Refusal, request::Request};

/// `enum iommu_vdevice_tsm_scope`, without the debug scopes, which are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Scope {
    /// Read.
    Info = 0,
    /// Change the TDISP state.
    StateChange = 1,
}

impl TryFrom<u32> for Scope {
    type Error = Refusal;

    #[inline]
    fn try_from(raw: u32) -> Result<Self, Refusal> {
        match raw {
            0 => Ok(Scope::Info),
            1 => Ok(Scope::StateChange),
            // 2 and 3 read and write debug information; PCI/TSM of the kernel refuses them too
            _ => Err(Refusal::Scope),
        }
    }
}

/// Decodes a request in scope form to a TSM of `arch`.
///
/// # Errors
///
/// [`Refusal::Payload`] if it says nothing that the architecture knows, or what the scope does not
/// cover.
pub fn decode(arch: TvmArch, scope: Scope, payload: &[u8]) -> Result<Request, Refusal> {
    match arch {
        // no TSM is of it
        TvmArch::Common => Err(Refusal::Arch),
        TvmArch::Cca => cca::decode(scope, payload),
        TvmArch::Sev => sev::decode(scope, payload),
        TvmArch::Tdx => tdx::decode(scope, payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_scopes_are_refused() {
        for raw in [2, 3, 4, u32::MAX] {
            assert_eq!(Scope::try_from(raw), Err(Refusal::Scope));
        }
    }

    #[test]
    fn nothing_is_of_no_architecture() {
        let start = [6, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(
            decode(TvmArch::Common, Scope::StateChange, &start),
            Err(Refusal::Arch)
        );
        assert!(decode(TvmArch::Cca, Scope::StateChange, &start).is_ok());
    }
}
