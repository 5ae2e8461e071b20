// SPDX-License-Identifier: GPL-2.0

//! Device communication: messages that the host carries between the RMM and a device.
//!
//! The RMM writes a request into a page of the host's, the host sends it over DOE and brings the
//! answer, until the RMM has what it wants. What the RMM wants kept of the messages, for the guest
//! to examine, is collected on the way, and put into the evidence when all of it went well.

use crate::rmm::Rmm;
use core::mem::offset_of;
use kernel::prelude::*;
use pci_tsm::{
    collection::Collection,
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::{
    doe::{
        Doe,
        DoeType, //
    },
    granule::Granule, //
};
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    rmi::{
        CommStatus,
        DevCommData,
        DevCommEnter,
        DevCommExit,
        ExitFlags,
        Fid,
        Protocol,
        GRANULE_SIZE, //
    }, //
};
use zerocopy::{
    FromZeros,
    IntoBytes, //
};

/// Messages that one communication may take: an object of the largest size, 1 KiB at a time.
const MESSAGES_MAX: usize = 16 * 1024;
/// Microseconds that the RMM may have us wait before a message; an operation has not much more.
const DELAY_MAX_US: u64 = 5_000_000;
/// Offset of `RmiDevCommExit` in `RmiDevCommData`.
const EXIT: usize = offset_of!(DevCommData, exit);
/// Bytes of `RmiDevCommEnter` and of `RmiDevCommExit` that have a meaning.
const ENTER_LEN: usize = offset_of!(DevCommEnter, reserved);
const EXIT_LEN: usize = offset_of!(DevCommExit, reserved);

/// The host's side of the communication with one device.
pub(crate) struct Communication<'a, 'f> {
    doe: Doe<'a>,
    /// `RmiDevCommData`.
    data: Granule<'f>,
    request: Granule<'f>,
    response: Granule<'f>,
    /// What DOE reads from.
    outgoing: KVec<u8>,
    /// What DOE writes to.
    incoming: KVec<u8>,
}

/// Whose communication it is: which call carries it on, and with which arguments before the page.
#[derive(Clone, Copy)]
pub(crate) enum Party {
    /// A PDEV: `pdev`.
    Pdev([u64; 1]),
    /// A VDEV: `rd, pdev, vdev`.
    Vdev([u64; 3]),
}

/// Why a communication does not go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It is over.
    Over,
    /// It is the turn of the other end of a stream.
    StreamWait,
}

impl<'a, 'f> Communication<'a, 'f> {
    pub(crate) fn new<T: FirmwareTransport<'f>>(
        doe: Doe<'a>,
        rmm: &Rmm<'f, T>,
    ) -> Result<Self, Refused> {
        let buffer = || KVec::from_elem(0, GRANULE_SIZE, GFP_KERNEL).map_err(|_| Refusal::Memory);
        Ok(Communication {
            doe,
            data: rmm.granule()?,
            request: rmm.granule()?,
            response: rmm.granule()?,
            outgoing: buffer()?,
            incoming: buffer()?,
        })
    }

    /// Carries messages until the RMM is content, or has to hear from another device first, and
    /// puts what it wants kept into `evidence`.
    ///
    /// Once the first message is sent, a signal does not end it any more.
    ///
    /// # Errors
    ///
    /// What the RMM says, or that it is not reached. The communication is to be aborted then.
    pub(crate) fn run<T: FirmwareTransport<'f>>(
        &mut self,
        rmm: &Rmm<'f, T>,
        party: Party,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<Halt, Refused> {
        let mut kept = Collection::default();
        let mut status = CommStatus::None;
        let mut brought = 0;
        for _ in 0..MESSAGES_MAX {
            let exit = self.step(rmm, party, status, brought, patience)?;
            let flags = ExitFlags(exit.flags);
            if flags.contains(ExitFlags::CACHE_RSP) {
                let part = (exit.cache_rsp_offset, exit.cache_rsp_len, brought);
                keep(&mut kept, exit.cache_obj_id, &self.response, part)?;
            }
            if flags.contains(ExitFlags::CACHE_REQ) {
                let part = (exit.cache_req_offset, exit.cache_req_len, exit.req_len);
                keep(&mut kept, exit.cache_obj_id, &self.request, part)?;
            }
            if flags.0 == 0 {
                kept.store(evidence)?;
                return Ok(Halt::Over);
            }
            if flags == ExitFlags::STREAM_WAIT {
                kept.store(evidence)?;
                return Ok(Halt::StreamWait);
            }
            if !flags.contains(ExitFlags::SEND) {
                status = CommStatus::None;
                brought = 0;
                continue;
            }
            patience.commit();
            if patience.is_over() || exit.req_delay > DELAY_MAX_US {
                return Err(nonsense());
            }
            // a device that was not ready wants to be asked later
            if exit.req_delay != 0 {
                patience.wait(exit.req_delay.div_ceil(1000) as u32)?;
            }
            match self.send(&exit)? {
                Some(len) => {
                    status = CommStatus::Response;
                    brought = len;
                }
                None => {
                    status = CommStatus::Error;
                    brought = 0;
                }
            }
        }
        Err(nonsense())
    }

    /// One `*_COMMUNICATE`.
    fn step<T: FirmwareTransport<'f>>(
        &mut self,
        rmm: &Rmm<'f, T>,
        party: Party,
        status: CommStatus,
        brought: u64,
        patience: &Patience,
    ) -> Result<DevCommExit, Refused> {
        let enter = DevCommEnter {
            status: status.into(),
            req_addr: self.request.bus_address(),
            resp_addr: self.response.bus_address(),
            resp_len: brought,
            reserved: [0; 0xe0],
        };
        let outside = |_| nonsense();
        // after that is what nobody writes to: zeroes
        let enter = enter.as_bytes().get(..ENTER_LEN).ok_or(nonsense())?;
        self.data.write(0, enter).map_err(outside)?;
        let data = self.data.bus_address();
        match party {
            Party::Pdev([pdev]) => rmm.call(patience, Fid::PdevCommunicate, &[pdev, data])?,
            Party::Vdev([rd, pdev, vdev]) => {
                rmm.call(patience, Fid::VdevCommunicate, &[rd, pdev, vdev, data])?
            }
        };
        // once, and only the copy is looked at
        let mut exit = DevCommExit::new_zeroed();
        let told = exit.as_mut_bytes().get_mut(..EXIT_LEN);
        let told = told.ok_or(nonsense())?;
        self.data.read(EXIT, told).map_err(outside)?;
        Ok(exit)
    }

    /// Sends the request. Returns how many bytes the answer has, if there is one.
    fn send(&mut self, exit: &DevCommExit) -> Result<Option<u64>, Refused> {
        let outside = |_| nonsense();
        let kind = match Protocol::try_from(exit.protocol) {
            Ok(Protocol::Spdm) => DoeType::Cma,
            Ok(Protocol::SecureSpdm) => DoeType::SecuredCma,
            Err(_) => return Err(nonsense()),
        };
        let len = usize::try_from(exit.req_len).map_err(|_| nonsense())?;
        let request = self.outgoing.get_mut(..len).ok_or(nonsense())?;
        self.request.read(0, request).map_err(outside)?;
        let answer = self.doe.exchange(kind, request, &mut self.incoming);
        let Ok(len) = answer else {
            return Ok(None);
        };
        let answer = self.incoming.get(..len).ok_or(nonsense())?;
        self.response.write(0, answer).map_err(outside)?;
        Ok(Some(len as u64))
    }
}

/// Adds a part of `page` to what is collected; `valid` bytes of the page have a meaning.
fn keep(
    collection: &mut Collection,
    object: u64,
    page: &Granule<'_>,
    (offset, len, valid): (u64, u64, u64),
) -> Result<(), Refused> {
    let fits = offset.checked_add(len).is_some_and(|end| end <= valid);
    if !fits || valid > GRANULE_SIZE as u64 {
        return Err(nonsense());
    }
    collection.append(object, page, offset as usize, len as usize)
}
