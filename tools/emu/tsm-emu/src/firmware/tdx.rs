// SPDX-License-Identifier: GPL-2.0

//! The TDX module: SEAMCALL leaves that make device interfaces of TDIs and give them to TDs.
//!
//! It is that of which Intel published the source with TDX Connect (`intel/tdx-module`, the parts called
//! tdxio, see [`tsm_wire::tdx`]): each leaf checks what the handler of that name checks, in its order,
//! and answers with its status and operand. Where a file is named, it is one of that source. What
//! real machines have besides is taken to be there: an IOMMU of number 0 that is configured, root ports
//! that were handed over, one TDMR over all memory, the upper levels of DMA remapping and of
//! the secure EPT.
//!
//! Exceptions, each because a host could not get rid of something otherwise, or because there is no
//! guest: a request whose answer is lost or unusable is over, and does not wait for ever; a session that
//! is lost takes the requests in it along; a blocked stream can be deleted without a session; a report
//! can be read again; and what a TD or the agent that makes sessions would do is a call of the
//! host's.

mod completion;
mod device_table;
mod devif;
mod dma;
mod key_management;
mod message;
mod mmio;
mod mmio_table;
mod pamt;
mod provisioning;
mod request;
mod spdm_session;
mod stream;
mod table;
mod td;

use super::tsm::{Counts, Machine, Registers, Tsm};
use completion::{Gprs, Outcome, Refused};
use devif::Devif;
use dma::Entry;
use mmio_table::MmioTable;
use pamt::Pamt;
use spdm_session::Spdm;
use std::collections::BTreeMap;
use stream::Stream;
use table::Table;
use td::{Td, TDCS_PAGES};
use tracing::debug;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::{
    Call, Leaf, StandIn, FEATURES0_TDXCONNECT, FIELD_FEATURES0, FIELD_TDCS_BASE_SIZE, PAGE_SIZE,
};

/// Bits of `X[0]` that a fault is asked for by.
const NUMBER: u64 = 0xffff;

/// The module.
#[derive(Debug)]
pub struct Tdx {
    pamt: Pamt,
    /// By TDR.
    tds: BTreeMap<u64, Td>,
    /// By number.
    sessions: BTreeMap<u64, Spdm>,
    /// By Stream ID.
    streams: BTreeMap<u8, Stream>,
    device_table: Table,
    /// By requester ID.
    devifs: BTreeMap<u16, Devif>,
    mmio_table: MmioTable,
    /// PASID table entries by requester ID.
    dma: BTreeMap<u16, Entry>,
}

impl Default for Tdx {
    fn default() -> Self {
        Self {
            pamt: Pamt::default(),
            tds: BTreeMap::new(),
            sessions: BTreeMap::new(),
            streams: BTreeMap::new(),
            device_table: device_table::empty(),
            devifs: BTreeMap::new(),
            mmio_table: MmioTable::default(),
            dma: BTreeMap::new(),
        }
    }
}

impl Tsm for Tdx {
    fn call(&mut self, machine: &mut Machine<'_>, x: &Registers) -> Registers {
        let (rax, operands) = Gprs::split(x);
        let (rax_out, out) = match self.serve(machine, rax, &operands) {
            Ok((out, status)) => (status.raw(), out),
            Err(Refused(status)) => (status, Gprs::default()),
        };
        debug!("{rax:#x} {operands:x?} -> {rax_out:#x} {out:x?}");
        out.join(rax_out)
    }

    fn cut_off(&self) -> u64 {
        Status::SysNotReady.raw()
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn counts(&self) -> Counts {
        Counts {
            connections: self.sessions.len(),
            tdis: self.devifs.len(),
            vms: self.tds.len(),
            pages: self.pamt.len(),
        }
    }
}

impl Tdx {
    fn serve(
        &mut self,
        machine: &mut Machine<'_>,
        rax: u64,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        let call =
            Call::from_raw(rax).map_err(|_| Refused::at(Status::OperandInvalid, Operand::Rax))?;
        if machine.is_busy() {
            return Err(Status::SysBusy.into());
        }
        let number = rax & NUMBER;
        if machine.knobs.fails_before(number) {
            return Err(Status::SysNotReady.into());
        }
        let (out, status) = match call {
            Call::Leaf(leaf) => self.leaf(machine, leaf, x)?,
            Call::StandIn(call) => self.stand_in(machine, call, x)?,
        };
        // Of a call that goes on, the failure shows when it is over.
        if status != Status::GoOn && machine.knobs.fails_after(number) {
            return Err(Status::SysStateIncorrect.into());
        }
        Ok((out, status))
    }

    fn leaf(
        &mut self,
        machine: &mut Machine<'_>,
        leaf: Leaf,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        let out = match leaf {
            Leaf::IdeStreamIdekmrsp => return self.idekm_response(machine, x),
            Leaf::DevifResponse => return self.devif_response(machine, x),
            Leaf::SysRd => field(x),
            Leaf::MngCreate => self.mng_create(machine, x),
            Leaf::MngKeyConfig => self.mng_key_config(x),
            Leaf::MngAddcx => self.mng_addcx(machine, x),
            Leaf::MngInit => self.mng_init(machine, x),
            Leaf::MrFinalize => self.mr_finalize(x),
            Leaf::MemTrack => self.mem_track(x),
            Leaf::MngVpflushdone => self.mng_vpflushdone(x),
            Leaf::PhymemCacheWb => self.phymem_cache_wb(x),
            Leaf::MngKeyFreeid => self.mng_key_freeid(x),
            Leaf::PhymemPageReclaim => self.phymem_page_reclaim(x),
            Leaf::PhymemPageWbinvd => self.phymem_page_wbinvd(machine, x),
            Leaf::SpdmCreate => self.spdm_create(machine, x),
            Leaf::SpdmDelete => self.spdm_delete(x),
            Leaf::IdeStreamCreate => self.ide_stream_create(machine, x),
            Leaf::IdeStreamBlock => self.ide_stream_block(machine, x),
            Leaf::IdeStreamDelete => self.ide_stream_delete(x),
            Leaf::IdeStreamIdekmreq => self.idekm_request(machine, x),
            Leaf::DevifCreate => self.devif_create(machine, x),
            Leaf::DevifRemove => self.devif_remove(x),
            Leaf::DevifRequest => self.devif_request(machine, x),
            Leaf::DevifMtAdd => self.devif_mt_add(machine, x),
            Leaf::DevifMtRemove => self.devif_mt_remove(x),
            Leaf::MmioMtAdd => self.mmio_mt_add(machine, x),
            Leaf::MmioMtSet => self.mmio_mt_set(x),
            Leaf::MmioMtRemove => self.mmio_mt_remove(x),
            Leaf::MmioMap => self.mmio_map(machine, x),
            Leaf::MmioBlock => self.mmio_block(x),
            Leaf::MmioUnmap => self.mmio_unmap(x),
            Leaf::DmarAdd => self.dmar_add(x),
            Leaf::DmarBlock => self.dmar_block(x),
            Leaf::DmarRemove => self.dmar_remove(x),
            Leaf::IqInvRequest => self.iq_inv_request(machine, x),
            Leaf::IqInvProcess => self.iq_inv_process(x),
        };
        Ok((out?, Status::Success))
    }

    fn stand_in(
        &mut self,
        machine: &mut Machine<'_>,
        call: StandIn,
        x: &Gprs,
    ) -> Result<(Gprs, Status), Refused> {
        let out = match call {
            StandIn::TpaConnect | StandIn::TpaDisconnect | StandIn::TpaMeasure => {
                return self.provision(machine, call, x);
            }
            StandIn::IntegratedStream => self.integrated_stream(machine, x),
            StandIn::DevifValidate => self.devif_validate(x),
            StandIn::DevifRequest => self.guest_request(x),
            StandIn::DevifResponse => self.guest_response(machine, x),
            StandIn::DmarAccept => self.dmar_accept(x),
            StandIn::MmioAccept => self.mmio_accept(x),
        };
        Ok((out?, Status::Success))
    }
}

/// A field of the module's.
fn field(x: &Gprs) -> Outcome {
    let value = match x.rdx {
        FIELD_FEATURES0 => FEATURES0_TDXCONNECT,
        FIELD_TDCS_BASE_SIZE => (TDCS_PAGES * PAGE_SIZE) as u64,
        _ => return Err(Refused::at(Status::MetadataFieldIdIncorrect, Operand::Rdx)),
    };
    Ok(Gprs {
        r8: value,
        ..Gprs::default()
    })
}
