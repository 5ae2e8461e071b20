// SPDX-License-Identifier: GPL-2.0

//! Fences between a device and the memory of a guest, by its ASID. Nothing behind them is emulated.

use super::parameters::{reserved, tio};
use super::{require, Machine, Psp, Refused};
use tdisp::State;
use tsm_wire::sev::fence::{AsidFenceClear, AsidFenceStatus, Fence};
use tsm_wire::sev::Status;
use zerocopy::IntoBytes;

impl Psp {
    pub(super) fn fence_clear(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (clear, _) = tio::<AsidFenceClear>(machine.ground, &self.rmp, at)?;
        reserved(clear.reserved1.as_bytes().iter().chain(&clear.reserved2))?;
        let name = clear.dev_ctx_sla;
        self.device(name)?;
        let asid = self.guests.active(clear.gctx_paddr)?;
        let broken = self.tdis.values().any(|tdi| {
            let of_guest = tdi.bound.as_ref().is_some_and(|bound| bound.asid == asid);
            tdi.device == name.0 && of_guest && tdi.state == State::Error
        });
        require(!broken, Status::InvalidTdiState)?;
        if let Some(fence) = self.device(name)?.fences.get_mut(&asid) {
            *fence = Fence::NONE;
        }
        Ok(())
    }

    pub(super) fn fence_status(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let (status, _) = tio::<AsidFenceStatus>(machine.ground, &self.rmp, at)?;
        reserved(status.reserved1.iter().chain(&status.reserved2))?;
        let (asid, page) = (status.asid, status.status_pa);
        let device = self.device(status.dev_ctx_sla)?;
        super::guest::check_asid(asid)?;
        let fence = device.fences.get(&asid).copied().unwrap_or(Fence::NONE);
        self.tell(machine, page, fence.as_bytes())
    }
}
