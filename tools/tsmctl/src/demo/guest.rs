// SPDX-License-Identifier: GPL-2.0

//! An SNP guest, played: it shares a key with the PSP, and what it says to it the host carries
//! unread.
//!
//! The key is known here by the control line of the emulated platform alone. The guests of the other
//! architectures talk to their firmware without the host.

use super::window::Window;
use anyhow::{bail, ensure, Context};
use iommufd_tsm::{Op, TvmArch, Vdevice};
use snp::{mmio_validate, sdte::Sdte, sdte_write, Guest, MessageType, Vmpck};
use std::path::Path;
use tsmctl::control::ControlLine;
use zerocopy::{
    little_endian::{U16, U32, U64},
    FromBytes, IntoBytes,
};

/// Bytes in a page.
const PAGE: u64 = 4096;

/// The guest of one device.
pub(super) struct SnpGuest {
    guest: Guest,
    device: u16,
}

impl SnpGuest {
    /// The guest that a TDI of `arch` was bound to last, if it is one of SNP. It calls the TDI
    /// `device`.
    pub(super) fn of(
        arch: TvmArch,
        device: u16,
        control: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        let (TvmArch::Sev, Some(control)) = (arch, control) else {
            return Ok(None);
        };
        let key = ControlLine::open(control)?.guest_key(0)?;
        let key = Vmpck::from_hex(&key).context("the control line's key is none")?;
        let guest = Guest::new(key, 0, 0);
        Ok(Some(SnpGuest { guest, device }))
    }

    /// TIO_MSG_MMIO_VALIDATE_REQ: the pages of `window`, from `gpa` on, are the guest's.
    pub(super) fn validate(
        &mut self,
        tdi: &Vdevice<'_>,
        window: &Window<'_>,
        gpa: u64,
    ) -> anyhow::Result<String> {
        let request = mmio_validate::Request {
            guest_device_id: U16::new(self.device),
            base: U64::new(gpa),
            page_count: U32::new(u32::try_from(window.len() / PAGE)?),
            flags: U16::new(mmio_validate::VALIDATED),
            range_id: U16::new(window.range_id()),
            ..mmio_validate::Request::default()
        };
        let kind = MessageType::MmioValidateRequest;
        let answer = self.ask(tdi, Op::ValidateMmio, kind, request.as_bytes())?;
        let answer = mmio_validate::Response::read_from_bytes(&answer);
        let answer = answer.ok().context("the response has another length")?;
        ensure!(
            answer.status.get() == mmio_validate::Status::Success as u16,
            "the PSP answers MMIO_VALIDATE by status {}",
            answer.status
        );
        Ok("MMIO_VALIDATE: done".to_owned())
    }

    /// TIO_MSG_SDTE_WRITE_REQ: the device may access memory of the guest, or may not.
    pub(super) fn dma(&mut self, tdi: &Vdevice<'_>, enable: bool) -> anyhow::Result<String> {
        let (op, sdte) = match enable {
            true => (Op::SevEnableDma, Sdte::allow(0, 0)),
            false => (Op::SevDisableDma, Sdte::deny()),
        };
        let request = sdte_write::Request::of(self.device, sdte);
        let kind = MessageType::SdteWriteRequest;
        let answer = self.ask(tdi, op, kind, request.as_bytes())?;
        let answer = sdte_write::Response::read_from_bytes(&answer);
        let answer = answer.ok().context("the response has another length")?;
        match answer.status.get() {
            0 if enable => Ok("SDTE_WRITE: allowed".to_owned()),
            0 => Ok("SDTE_WRITE: forbidden".to_owned()),
            status => bail!("the PSP answers SDTE_WRITE by status {status}"),
        }
    }

    /// Has the host carry a message, and decrypts what comes back.
    fn ask(
        &mut self,
        tdi: &Vdevice<'_>,
        op: Op,
        kind: MessageType,
        payload: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let message = self.guest.request(kind, payload)?;
        let response = tdi.guest_message(op, &message)?;
        Ok(self.guest.response(&response)?.payload)
    }
}
