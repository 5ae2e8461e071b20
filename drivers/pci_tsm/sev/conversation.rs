// SPDX-License-Identifier: GPL-2.0

//! Conversations: messages that the host carries between the PSP and a device.
//!
//! A command that talks with a device leaves a message for it in the request buffer and answers
//! SPDM_REQUEST. The host sends it over DOE, puts what came back into the response buffer, and gives
//! the same command again, until it answers something else.

use crate::{
    buffer::{
        Buffer,
        Owner, //
    },
    host::Host,
    psp::Psp,
    vca::Vca, //
};
use core::mem::size_of;
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::nonsense, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::doe::{
    Doe,
    DoeType, //
};
use tsm_wire::{
    object::{
        ObjectType,
        OBJECT_MAX_LEN, //
    },
    refusal::{
        Refusal,
        Refused, //
    },
    sev::{
        buffer::FLAG_ENCRYPTED,
        dev::{
            DevCertificates,
            DevConnect,
            DevDisconnect,
            DevMeasurements,
            DevStatus,
            DevStatusData,
            REQUEST_PENDING, //
        },
        guest_message::TioGuestRequest,
        object::{
            padded,
            DataType,
            EvidenceHeader,
            MessageHeader,
            ObjectHeader,
            ObjectId,
            EVIDENCE,
            VERSION_MAJOR, //
        },
        tdi::{
            TdiBind,
            TdiReport,
            TdiStatus,
            TdiUnbind, //
        },
        BufferHeader,
        Command,
        Sla,
        SpdmCtrl,
        Status,
        PAGE_SIZE, //
    }, //
};
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// Messages that one conversation may take.
const MESSAGES_MAX: usize = 1024;
/// How often a command is given again to end a conversation: an answer may be lost.
const HANG_UP_ATTEMPTS: usize = 3;
/// Offset of the object in a buffer.
const OBJECT: usize = size_of::<BufferHeader>();

/// Buffer of a command that talks with a device.
pub(crate) trait Talk: IntoBytes + Immutable {
    /// The command.
    const COMMAND: Command;

    /// The buffers that it talks by, for the conversation to fill in.
    fn spdm_ctrl(&mut self) -> &mut SpdmCtrl;

    /// The device that it talks with.
    fn device(&self) -> Sla;
}

macro_rules! talks {
    ($($buffer:ty: $command:ident),* $(,)?) => {
        $(impl Talk for $buffer {
            const COMMAND: Command = Command::$command;

            fn spdm_ctrl(&mut self) -> &mut SpdmCtrl {
                &mut self.spdm_ctrl
            }

            fn device(&self) -> Sla {
                self.dev_ctx_sla
            }
        })*
    };
}

talks! {
    DevConnect: TioDevConnect,
    DevDisconnect: TioDevDisconnect,
    DevMeasurements: TioDevMeasurements,
    DevCertificates: TioDevCertificates,
    TdiBind: TioTdiBind,
    TdiUnbind: TioTdiUnbind,
    TdiReport: TioTdiReport,
    TdiStatus: TioTdiStatus,
    TioGuestRequest: TioGuestRequest,
}

/// The host's side of the conversations with one device.
pub(crate) struct Conversation<'a, 'f, T: Host<'f>> {
    psp: &'a Psp<'f, T>,
    doe: Doe<'a>,
    request: Buffer<'a, 'f, T>,
    response: Buffer<'a, 'f, T>,
    scratch: Buffer<'a, 'f, T>,
    output: Buffer<'a, 'f, T>,
    /// For what the PSP tells; the firmware's.
    status: Buffer<'a, 'f, T>,
    /// What DOE reads from.
    message: KVec<u8>,
    /// What DOE writes to.
    answer: KVec<u8>,
    /// What passes in the clear of version, capabilities and algorithms.
    pub(crate) vca: Vca,
}

/// Bytes of a message that a buffer holds.
fn message_room(buffer: usize) -> usize {
    buffer.saturating_sub(OBJECT + size_of::<MessageHeader>())
}

impl<'a, 'f, T: Host<'f>> Conversation<'a, 'f, T> {
    pub(crate) fn new(
        psp: &'a Psp<'f, T>,
        doe: Doe<'a>,
        patience: &Patience,
    ) -> Result<Self, Refused> {
        let sizes = &psp.sizes;
        let response = Buffer::new(psp, patience, sizes.spdm_rsp_size_max, Owner::Host)?;
        let request = Buffer::new(psp, patience, sizes.spdm_req_size_max, Owner::Firmware)?;
        let zeroes = |len| KVec::from_elem(0, len, GFP_KERNEL).map_err(|_| Refusal::Memory);
        Ok(Conversation {
            message: zeroes(message_room(request.len()))?,
            answer: zeroes(message_room(response.len()))?,
            request,
            response,
            // the firmware says when it needs more
            scratch: Buffer::new(psp, patience, sizes.spdm_scratch_size_min, Owner::Firmware)?,
            output: Buffer::new(psp, patience, sizes.spdm_out_size_min, Owner::Firmware)?,
            status: Buffer::new(psp, patience, PAGE_SIZE as u32, Owner::Firmware)?,
            psp,
            doe,
            vca: Vca::new(),
        })
    }

    /// Gives a command, and carries its messages until it is done.
    ///
    /// Once the first message is sent, a signal does not end it any more.
    ///
    /// # Errors
    ///
    /// What the PSP says, or that it is not reached. The conversation is over then, too.
    pub(crate) fn run<B: Talk>(
        &mut self,
        buffer: &mut B,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        match self.carry(buffer, patience) {
            Ok(Ok(())) => Ok(()),
            // the PSP ended it
            Ok(Err(refused)) => Err(refused),
            // nothing was begun
            Err(refused) if refused.why == Refusal::Signal => Err(refused),
            Err(refused) => {
                self.hang_up(buffer, &patience.undo());
                Err(refused)
            }
        }
    }

    /// As [`Conversation::run`]; an error of the outer kind leaves the conversation where it is.
    fn carry<B: Talk>(
        &mut self,
        buffer: &mut B,
        patience: &mut Patience,
    ) -> Result<Result<(), Refused>, Refused> {
        for _ in 0..MESSAGES_MAX {
            *buffer.spdm_ctrl() = self.spdm_ctrl();
            let answer = self.psp.issue(patience, B::COMMAND, buffer)?;
            match answer.status() {
                Some(Status::Success) => return Ok(Ok(())),
                Some(Status::SpdmRequest) => {
                    patience.commit();
                    if patience.is_over() {
                        return Err(nonsense());
                    }
                    self.exchange()?;
                }
                Some(Status::ExpandBufferLengthRequest) => {
                    patience.commit();
                    self.expand(patience)?;
                }
                _ => return Ok(Err(answer.refused())),
            }
        }
        Err(nonsense())
    }

    /// Tells the PSP that nobody answers, so that it ends a conversation.
    fn hang_up<B: Talk>(&mut self, buffer: &mut B, patience: &Patience) {
        for _ in 0..HANG_UP_ATTEMPTS {
            // one that did not begin would begin now, and the end of that is felt by the device
            match self.dev_status(buffer.device(), patience) {
                Ok(data) if data.p1_flags & REQUEST_PENDING != 0 => {}
                _ => return,
            }
            let kind = self.kind_of_request().unwrap_or(DataType::Spdm);
            if self.respond(kind, 0).is_err() {
                return;
            }
            *buffer.spdm_ctrl() = self.spdm_ctrl();
            let _ = self.psp.issue(patience, B::COMMAND, buffer);
        }
    }

    /// What the PSP tells of a device.
    pub(crate) fn dev_status(
        &self,
        device: Sla,
        patience: &Patience,
    ) -> Result<DevStatusData, Refused> {
        let status = DevStatus {
            length: size_of::<DevStatus>() as u32,
            dev_ctx_sla: device,
            status_paddr: self.status_paddr(),
            ..Default::default()
        };
        self.psp.call(patience, Command::TioDevStatus, &status)?;
        self.told()
    }

    /// Address of the page that the PSP tells into.
    pub(crate) fn status_paddr(&self) -> u64 {
        self.status.sla().address()
    }

    /// What it told there, read once.
    pub(crate) fn told<D: FromBytes + IntoBytes>(&self) -> Result<D, Refused> {
        self.status.get(0)
    }

    fn spdm_ctrl(&self) -> SpdmCtrl {
        SpdmCtrl {
            req: self.request.sla(),
            resp: self.response.sla(),
            scratch: self.scratch.sla(),
            output: self.output.sla(),
        }
    }

    /// How the message in the request buffer travels.
    fn kind_of_request(&self) -> Result<DataType, Refused> {
        let header: MessageHeader = self.request.get(OBJECT)?;
        DataType::try_from(u64::from(header.data_type)).map_err(|_| nonsense())
    }

    /// Sends the message in the request buffer, and puts the answer into the response buffer.
    fn exchange(&mut self) -> Result<(), Refused> {
        let header: MessageHeader = self.request.get(OBJECT)?;
        let kind = DataType::try_from(u64::from(header.data_type)).map_err(|_| nonsense())?;
        let len = (header.object.length as usize)
            .checked_sub(size_of::<MessageHeader>())
            .ok_or(nonsense())?;
        let message = self.message.get_mut(..len).ok_or(nonsense())?;
        if header.object.id != u64::from(ObjectId::Request) as u32 {
            return Err(nonsense());
        }
        self.request
            .read(OBJECT + size_of::<MessageHeader>(), message)?;
        let carriage = match kind {
            DataType::Spdm => DoeType::Cma,
            DataType::SecureSpdm => DoeType::SecuredCma,
        };
        // a device that does not answer is the PSP's concern
        let len = self
            .doe
            .exchange(carriage, message, &mut self.answer)
            .unwrap_or(0);
        if kind == DataType::Spdm {
            let answer = self.answer.get(..len).ok_or(nonsense())?;
            self.vca.note(message, answer)?;
        }
        self.respond(kind, len)
    }

    /// Puts the first `len` bytes of what DOE brought into the response buffer.
    fn respond(&mut self, kind: DataType, len: usize) -> Result<(), Refused> {
        let object = size_of::<MessageHeader>() + len;
        // the kernel's own driver rounds both lengths up, and the firmware is known to take that
        let length = if len == 0 { object } else { padded(object) };
        let header = MessageHeader {
            object: ObjectHeader {
                id: u64::from(ObjectId::Response) as u32,
                length: length as u32,
                minor: 0,
                major: VERSION_MAJOR,
            },
            data_type: u64::from(kind) as u8,
            reserved: [0; 5],
        };
        let head = BufferHeader {
            capacity_sz: self.response.len() as u32,
            payload_sz: padded(object) as u32,
            ..Default::default()
        };
        self.response.write(0, head.as_bytes())?;
        self.response.write(OBJECT, header.as_bytes())?;
        let answer = self.answer.get(..len).ok_or(nonsense())?;
        let at = OBJECT + size_of::<MessageHeader>();
        self.response.write(at, answer)?;
        let zeroes = [0; 32];
        let rest = zeroes.get(..padded(object) - object).ok_or(nonsense())?;
        self.response.write(at + len, rest)
    }

    /// Gives the PSP the longer buffers that it wants.
    fn expand(&mut self, patience: &Patience) -> Result<(), Refused> {
        let sizes = &self.psp.sizes;
        let mut expanded = false;
        for (buffer, most) in [
            (&mut self.scratch, sizes.spdm_scratch_size_max),
            (&mut self.output, sizes.spdm_out_size_max),
        ] {
            let header: BufferHeader = buffer.get(0)?;
            if header.capacity_sz as usize <= buffer.len() {
                continue;
            }
            if header.capacity_sz > most {
                return Err(nonsense());
            }
            let mut old = core::mem::replace(
                buffer,
                Buffer::expanded(buffer, patience, header.capacity_sz)?,
            );
            old.take_back(&patience.undo());
            expanded = true;
        }
        if expanded {
            Ok(())
        } else {
            Err(nonsense())
        }
    }

    /// The object that the last command put into the output buffer, without its header.
    pub(crate) fn output(&self, id: ObjectId) -> Result<KVVec<u8>, Refused> {
        let head: BufferHeader = self.output.get(0)?;
        let header: EvidenceHeader = self.output.get(OBJECT)?;
        let length = header.object.length as usize;
        let room = self.output.len() - OBJECT;
        let fits = length <= room && length <= head.payload_sz as usize;
        if head.flags & FLAG_ENCRYPTED != 0
            || u64::from(header.object.id) != u64::from(id)
            || header.r#type != EVIDENCE
            || !fits
        {
            return Err(nonsense());
        }
        let len = length
            .checked_sub(size_of::<EvidenceHeader>())
            .filter(|len| (1..=OBJECT_MAX_LEN).contains(len))
            .ok_or(nonsense())?;
        let mut bytes = KVVec::from_elem(0, len, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        self.output
            .read(OBJECT + size_of::<EvidenceHeader>(), &mut bytes)?;
        Ok(bytes)
    }

    /// Puts that object where it can be read.
    pub(crate) fn store(
        &self,
        id: ObjectId,
        object: ObjectType,
        evidence: &Evidence,
    ) -> Result<(), Refused> {
        let bytes = self.output(id)?;
        evidence
            .put(object, bytes)
            .map_err(|_| Refusal::Memory.into())
    }

    /// Takes its buffers back.
    pub(crate) fn take_back(&mut self, patience: &Patience) {
        for buffer in [
            &mut self.request,
            &mut self.response,
            &mut self.scratch,
            &mut self.output,
            &mut self.status,
        ] {
            buffer.take_back(patience);
        }
    }
}
