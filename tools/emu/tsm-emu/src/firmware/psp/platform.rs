// SPDX-License-Identifier: GPL-2.0

//! Commands about the firmware itself.

use super::parameters::{reserved, tio};
use super::{require, Machine, Psp, Refused};
use tsm_wire::sev::platform::{TioInit, TioStatus, TioStatusData, FLAG_ENABLED, FLAG_INIT_DONE};
use tsm_wire::sev::Status;
use zerocopy::{FromZeros, IntoBytes};

/// Least and most bytes of a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) min: usize,
    pub(super) max: usize,
}

/// Of buffers for messages to a device.
pub(super) const REQUEST: Limits = Limits {
    min: 4096,
    max: 8192,
};
/// Of buffers for answers of a device.
pub(super) const RESPONSE: Limits = REQUEST;
/// Of buffers for what the firmware has to remember.
pub(super) const SCRATCH: Limits = Limits {
    min: 4096,
    max: 0x1_0000,
};
/// Of buffers for what a command makes.
pub(super) const OUTPUT: Limits = Limits {
    min: 4096,
    max: 0x10_0000,
};
/// Bytes of a device context: more than a page, so that hosts have to make a list.
pub(super) const DEVICE_CONTEXT: usize = 8192;
/// Bytes of a TDI context.
pub(super) const TDI_CONTEXT: usize = 4096;

impl Psp {
    pub(super) fn tio_status(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (status, _) = tio::<TioStatus>(machine.ground, &self.rmp, at)?;
        reserved(&status.reserved)?;
        let mut data = TioStatusData::new_zeroed();
        data.length = size_of::<TioStatusData>() as u32;
        data.flags = FLAG_ENABLED | if self.initialized { FLAG_INIT_DONE } else { 0 };
        data.spdm_req_size_min = REQUEST.min as u32;
        data.spdm_req_size_max = REQUEST.max as u32;
        data.spdm_rsp_size_min = RESPONSE.min as u32;
        data.spdm_rsp_size_max = RESPONSE.max as u32;
        data.spdm_scratch_size_min = SCRATCH.min as u32;
        data.spdm_scratch_size_max = SCRATCH.max as u32;
        data.spdm_out_size_min = OUTPUT.min as u32;
        data.spdm_out_size_max = OUTPUT.max as u32;
        data.devctx_size = DEVICE_CONTEXT as u32;
        data.tdictx_size = TDI_CONTEXT as u32;
        self.tell(machine, status.status_paddr, data.as_bytes())
    }

    pub(super) fn tio_init(&mut self, machine: &mut Machine<'_>, at: u64) -> Result<(), Refused> {
        let (init, _) = tio::<TioInit>(machine.ground, &self.rmp, at)?;
        reserved(&init.reserved)?;
        require(!self.initialized, Status::InvalidPlatformState)?;
        self.initialized = true;
        Ok(())
    }

    /// Writes what a command tells into a page of the firmware's.
    pub(super) fn tell(
        &self,
        machine: &Machine<'_>,
        page: u64,
        data: &[u8],
    ) -> Result<(), Refused> {
        self.rmp.firmware(machine.ground, page)?;
        let written = machine.ground.write(page, data).is_ok();
        require(written, Status::InvalidAddress)
    }
}
