// SPDX-License-Identifier: GPL-2.0

//! What guests say to the firmware about their TDIs ([`snp`]). The host carries it. A message that is
//! authentic and of a known form is answered, also if what it asks for is refused; everything else
//! is refused to the host, and not counted.

use super::super::ground::{is_aligned, Kind, PAGE_SIZE};
use super::buffer::Buffers;
use super::device::ALGORITHMS;
use super::evidence::digest;
use super::parameters::{reserved, tio};
use super::rmp::{Rmp, Use};
use super::tdi::{Bound, Tdi};
use super::{require, Machine, Psp, Refused};
use snp::{mmio_config, mmio_validate, sdte_write, tdi_info};
use snp::{Malformed, Message, MessageType, TIO_MESSAGE_VERSION};
use tdisp::interface_report::{INFO_NO_FW_UPDATE, RANGE_NON_TEE};
use tsm_wire::sev::guest_message::TioGuestRequest;
use tsm_wire::sev::Status;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, IntoBytes};

/// A TDI as its guest named it.
enum Named<'a> {
    /// It is bound to the guest.
    Bound(&'a mut Tdi, Bound),
    /// It was.
    Unbound,
    /// There is none.
    Unknown,
}

impl Psp {
    pub(super) fn guest_request(
        &mut self,
        machine: &mut Machine<'_>,
        at: u64,
    ) -> Result<(), Refused> {
        let ground = machine.ground;
        let (call, _) = tio::<TioGuestRequest>(ground, &self.rmp, at)?;
        reserved(call.reserved.as_bytes())?;
        let tdi = self.tdi(call.dev_ctx_sla, call.tdi_ctx_sla)?;
        let bound = tdi.bound.ok_or(Status::InvalidTdiState)?;
        require(bound.guest == call.gctx_paddr, Status::InvalidGuest)?;
        Buffers::new(ground, &self.rmp, &call.spdm_ctrl)?;
        self.rmp.host(ground, call.req_paddr)?;
        self.rmp.firmware(ground, call.res_paddr)?;
        let mut page = vec![0; PAGE_SIZE as usize];
        let read = ground.read(call.req_paddr, &mut page).is_ok();
        require(read, Status::InvalidAddress)?;
        let channel = self.guests.channel(bound.guest)?;
        let request = channel.request(&page).map_err(refusal)?;
        // Nothing is done that could not be answered.
        let empty = vec![0; PAGE_SIZE as usize];
        let writable = ground.write(call.res_paddr, &empty).is_ok();
        require(writable, Status::InvalidAddress)?;
        let payload = self.execute(machine, call.tdi_ctx_sla.0, bound.guest, &request)?;
        let channel = self.guests.channel(bound.guest)?;
        let response = channel.response(&request, payload).map_err(refusal)?;
        let written = ground.write(call.res_paddr, &response).is_ok();
        require(written, Status::InvalidAddress)
    }

    /// Does what a guest asks for. The response to it.
    fn execute(
        &mut self,
        machine: &Machine<'_>,
        tdi: u64,
        guest: u64,
        message: &Message,
    ) -> Result<Vec<u8>, Refused> {
        let version = message.message_version == TIO_MESSAGE_VERSION;
        require(version, Status::InvalidParam)?;
        let payload = &message.payload;
        let invalid = Refused::from(Status::InvalidParam);
        match MessageType::from_raw(message.message_type) {
            Some(MessageType::TdiInfoRequest) => {
                let request = tdi_info::Request::read_from_bytes(payload).map_err(|_| invalid)?;
                require(request.is_well_formed(), Status::InvalidParam)?;
                let response = self.tdi_info(tdi, guest, &request);
                Ok(response.as_bytes().to_vec())
            }
            Some(MessageType::MmioValidateRequest) => {
                let request = mmio_validate::Request::read_from_bytes(payload);
                let request = request.map_err(|_| invalid)?;
                require(request.is_well_formed(), Status::InvalidParam)?;
                let (status, changed) = self
                    .mmio_validate(machine, tdi, guest, &request)
                    .map_or_else(
                        |status| (status, false),
                        |changed| (mmio_validate::Status::Success, changed),
                    );
                let response = mmio_validate::Response::to(&request, status, changed);
                Ok(response.as_bytes().to_vec())
            }
            Some(MessageType::MmioConfigRequest) => {
                let request =
                    mmio_config::Request::read_from_bytes(payload).map_err(|_| invalid)?;
                require(request.is_well_formed(), Status::InvalidParam)?;
                let (status, attributes) = self.mmio_config(tdi, guest, &request);
                let response = mmio_config::Response::to(&request, status, attributes);
                Ok(response.as_bytes().to_vec())
            }
            Some(MessageType::SdteWriteRequest) => {
                let request = sdte_write::Request::read_from_bytes(payload).map_err(|_| invalid)?;
                let status = self.sdte_write(tdi, guest, &request);
                let response = sdte_write::Response::to(&request, status);
                Ok(response.as_bytes().to_vec())
            }
            _ => Err(invalid),
        }
    }

    /// The TDI that a guest names, if it is the one that the host says the message is about.
    fn named(&mut self, tdi: u64, guest: u64, device_id: u16) -> Named<'_> {
        let its_own = |bound: Option<Bound>| {
            bound.filter(|bound| bound.guest == guest && bound.device_id == device_id)
        };
        let unbound = self
            .tdis
            .values()
            .any(|tdi| its_own(tdi.was_bound).is_some());
        let named = self.tdis.get_mut(&tdi);
        match named.and_then(|tdi| its_own(tdi.bound).map(|bound| (tdi, bound))) {
            Some((tdi, bound)) => Named::Bound(tdi, bound),
            None if unbound => Named::Unbound,
            None => Named::Unknown,
        }
    }

    fn tdi_info(
        &mut self,
        tdi: u64,
        guest: u64,
        request: &tdi_info::Request,
    ) -> tdi_info::Response {
        let device_id = request.guest_device_id.get();
        let bare = |status| tdi_info::Response::bare(device_id, status);
        let tdi = match self.named(tdi, guest, device_id) {
            Named::Bound(tdi, _) => tdi,
            Named::Unbound => return bare(tdi_info::Status::Unbound),
            Named::Unknown => return bare(tdi_info::Status::Invalid),
        };
        let mut response = bare(tdi_info::Status::Bound);
        let report = tdi.interface_report();
        let lock_flags = report.map_or(0, |report| report.info & INFO_NO_FW_UPDATE);
        response.lock_flags = U32::new(u32::from(lock_flags));
        response.report_digest = tdi.report.as_deref().map_or([0; 48], digest);
        response.report_count = U64::new(tdi.reports);
        let (fresh, device) = (tdi.measured, tdi.device);
        let Some(device) = self.devices.get(&device) else {
            return response;
        };
        let algorithms = [
            ALGORITHMS.dhe,
            ALGORITHMS.aead,
            ALGORITHMS.asym,
            ALGORITHMS.hash,
            ALGORITHMS.key_sched,
            0,
            0,
            0,
        ];
        response.spdm_algorithms = U64::from_bytes(algorithms);
        response.certificates_digest = device.certificates_digest();
        if let Some(digest) = device.measured {
            let fresh = if fresh {
                tdi_info::MEASUREMENT_FRESH
            } else {
                0
            };
            response.measurement_flags = U32::new(tdi_info::MEASUREMENT_VALID | fresh);
            response.measurements_digest = digest;
        }
        response
    }

    /// Whether it changed something.
    fn mmio_validate(
        &mut self,
        machine: &Machine<'_>,
        tdi: u64,
        guest: u64,
        request: &mmio_validate::Request,
    ) -> Result<bool, mmio_validate::Status> {
        use mmio_validate::Status;
        let bound = match self.named(tdi, guest, request.guest_device_id.get()) {
            Named::Bound(tdi, bound) if tdi.is_trusted() => bound,
            Named::Bound(..) | Named::Unbound => return Err(Status::TdiUnbound),
            Named::Unknown => return Err(Status::InvalidTdi),
        };
        let tdi = self.tdis.get(&tdi).ok_or(Status::InvalidTdi)?;
        let pages = pages(&self.rmp, tdi, request)?;
        let base = request.base.get();
        if !is_aligned(base) {
            return Err(Status::NotMapped);
        }
        let mut found = Vec::new();
        for (offset, page) in (0..).step_by(PAGE_SIZE as usize).zip(pages) {
            match self.rmp.used(page) {
                Some(Use::Guest {
                    asid,
                    gpa,
                    validated,
                }) if asid == bound.asid => {
                    if machine.ground.kind(page) != Some(Kind::Device) {
                        return Err(Status::NotIo);
                    }
                    if base.checked_add(offset) != Some(gpa) {
                        return Err(Status::NotMapped);
                    }
                    found.push((page, validated));
                }
                _ => return Err(Status::NotAssigned),
            }
        }
        let wanted = request.flags.get() & mmio_validate::VALIDATED != 0;
        let force = request.flags.get() & mmio_validate::FORCE != 0;
        let differ = |(_, validated): &(u64, bool)| *validated != wanted;
        let changes = found.iter().filter(|page| differ(page)).count();
        if !force && changes != 0 && changes != found.len() {
            return Err(Status::NotUniform);
        }
        for (page, _) in found {
            self.rmp.validate(page, wanted);
        }
        Ok(changes != 0)
    }

    fn mmio_config(
        &mut self,
        tdi: u64,
        guest: u64,
        request: &mmio_config::Request,
    ) -> (mmio_config::Status, u16) {
        use mmio_config::Status;
        let tdi = match self.named(tdi, guest, request.guest_device_id.get()) {
            Named::Bound(tdi, _) => tdi,
            Named::Unbound => return (Status::TdiUnbound, 0),
            Named::Unknown => return (Status::InvalidTdi, 0),
        };
        let report = tdi.interface_report().unwrap_or_default();
        let mut ranges = report.ranges.iter();
        match ranges.find(|range| range.id == request.range_id.get()) {
            None => (Status::NotReported, 0),
            // The attribute could be changed by a message to the device that is not emulated.
            Some(range) if request.write.get() != 0 => (Status::CouldNotChange, range.attributes),
            Some(range) => (Status::Success, range.attributes),
        }
    }

    fn sdte_write(
        &mut self,
        tdi: u64,
        guest: u64,
        request: &sdte_write::Request,
    ) -> sdte_write::Status {
        use sdte_write::Status;
        match self.named(tdi, guest, request.guest_device_id.get()) {
            Named::Unknown => Status::InvalidTdi,
            Named::Bound(tdi, _) if tdi.is_trusted() => {
                if !request.is_well_formed() {
                    return Status::Reserved;
                }
                tdi.dma = request.sdte.is_valid();
                Status::Success
            }
            Named::Bound(..) | Named::Unbound => Status::TdiNotBound,
        }
    }
}

/// The pages of a TDI's MMIO that a guest means. Several ranges of a report can have one number: those
/// of one BAR. Offsets count from the range, so it is the one that is at the guest's address, if any is.
fn pages(
    rmp: &Rmp,
    tdi: &Tdi,
    request: &mmio_validate::Request,
) -> Result<impl Iterator<Item = u64>, mmio_validate::Status> {
    use mmio_validate::Status;
    let report = tdi.interface_report().ok_or(Status::NotReported)?;
    let ranges = report.ranges.iter();
    let ranges = ranges.filter(|range| range.id == request.range_id.get());
    if ranges.clone().next().is_none() {
        return Err(Status::NotReported);
    }
    let (offset, count) = (request.range_offset.get(), request.page_count.get());
    let fits = |range: &&tdisp::interface_report::Range| {
        let end = offset.checked_add(count);
        let inside = count != 0 && end.is_some_and(|end| end <= range.pages);
        inside && range.attributes & RANGE_NON_TEE == 0
    };
    let start = |range: &tdisp::interface_report::Range| {
        range.address.checked_add(u64::from(offset) * PAGE_SIZE)
    };
    let starts: Vec<u64> = ranges.filter(fits).filter_map(start).collect();
    let there = |page: &u64| matches!(rmp.used(*page), Some(Use::Guest { gpa, .. }) if gpa == request.base.get());
    let start = starts
        .iter()
        .copied()
        .find(there)
        .or(starts.first().copied());
    let start = start.ok_or(Status::OutOfRange)?;
    let end = start.checked_add(u64::from(count) * PAGE_SIZE);
    let end = end.ok_or(Status::OutOfRange)?;
    Ok((start..end).step_by(PAGE_SIZE as usize))
}

fn refusal(refused: snp::Refused) -> Refused {
    match refused {
        snp::Refused::Malformed(Malformed::Key) => Status::InvalidKey,
        snp::Refused::Malformed(_) | snp::Refused::Sequence => Status::InvalidParam,
        snp::Refused::Overflow => Status::AeadOflow,
        snp::Refused::Unauthentic => Status::BadSignature,
    }
    .into()
}
