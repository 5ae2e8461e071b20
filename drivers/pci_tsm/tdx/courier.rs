// SPDX-License-Identifier: GPL-2.0

//! Messages that the host carries between the TDX module and a device.
//!
//! One call has a request written into a page, the host sends it over DOE, and another call takes
//! the answer. In between the module waits: whatever goes wrong, the answer is brought, or that
//! there is none, so that the next request is not refused for the sake of this one.

use crate::module::{
    result,
    unanswered,
    Module, //
};
use core::mem::size_of;
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport,
        Registers, //
    }, //
};
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
    tdx::{
        doe::{
            DoeHeader,
            HEADER_SIZE,
            PAYLOAD_MAX,
            TYPE_CMA,
            TYPE_SECURED_CMA, //
        },
        register::{
            R14,
            RAX, //
        },
        Status, //
    }, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};

/// Messages that one request may take: a device that is not ready is asked again.
const ROUNDS: usize = 64;
/// Microseconds that the module may have us wait before a message; an operation has not much more.
const DELAY_MAX_US: u64 = 5_000_000;

/// The host's side of the messages of one device.
pub(crate) struct Courier<'a, 'f> {
    doe: Doe<'a>,
    request: Granule<'f>,
    answer: Granule<'f>,
    /// What DOE reads from.
    outgoing: KVec<u8>,
    /// What DOE writes to.
    incoming: KVec<u8>,
}

impl<'a, 'f> Courier<'a, 'f> {
    pub(crate) fn new<T: FirmwareTransport<'f>>(
        doe: Doe<'a>,
        module: &Module<'f, T>,
    ) -> Result<Self, Refused> {
        let buffer = || KVec::from_elem(0, PAYLOAD_MAX, GFP_KERNEL).map_err(|_| Refusal::Memory);
        Ok(Courier {
            doe,
            request: module.page()?,
            answer: module.page()?,
            outgoing: buffer()?,
            incoming: buffer()?,
        })
    }

    /// The page that requests are written to.
    pub(crate) fn request_page(&self) -> u64 {
        self.request.bus_address()
    }

    /// The page that answers are in.
    pub(crate) fn answer_page(&self) -> u64 {
        self.answer.bus_address()
    }

    /// Sends the request in its page, and puts the answer into the other one. False if there is no
    /// answer; then it is an object without a message.
    ///
    /// # Errors
    ///
    /// There is no request in the page.
    pub(crate) fn send(&mut self) -> Result<bool, Refused> {
        let header = self.header()?;
        let kind = match header.kind {
            TYPE_CMA => DoeType::Cma,
            TYPE_SECURED_CMA => DoeType::SecuredCma,
            _ => return Err(nonsense()),
        };
        let len = header.payload().ok_or(nonsense())?;
        let request = self.outgoing.get_mut(..len).ok_or(nonsense())?;
        let outside = |_| nonsense();
        self.request.read(HEADER_SIZE, request).map_err(outside)?;
        let got = self.doe.exchange(kind, request, &mut self.incoming);
        let answer = match got {
            Ok(len) => self.incoming.get(..len).ok_or(nonsense())?,
            Err(_) => &[],
        };
        let header = DoeHeader::new(header.kind, answer.len());
        self.answer.write(HEADER_SIZE, answer).map_err(outside)?;
        self.answer.write(0, header.as_bytes()).map_err(outside)?;
        Ok(got.is_ok())
    }

    /// Has a request written by `ask`, which is given the page for it, and brings the answer, which
    /// `take` takes from another page. Returns what that returned.
    ///
    /// Once the request is sent, a signal does not end it any more.
    ///
    /// # Errors
    ///
    /// What `ask` and `take` have, or that the device does not answer.
    pub(crate) fn converse(
        &mut self,
        patience: &mut Patience,
        ask: impl FnOnce(&Patience, u64) -> Result<Registers, Refused>,
        take: impl Fn(&Patience, u64) -> Result<Registers, Refused>,
    ) -> Result<Registers, Refused> {
        let none = [0; HEADER_SIZE];
        self.request.write(0, &none).map_err(|_| nonsense())?;
        let asked = ask(patience, self.request_page());
        if let Err(refused) = &asked {
            // nothing was written, as far as anybody can tell
            if refused.why == Refusal::Signal || self.header().is_err() {
                return asked;
            }
            // it was, and what was lost is the word of it: it goes the way of others
        }
        let taken = self.bring(patience, take);
        asked.and(taken)
    }

    fn bring(
        &mut self,
        patience: &mut Patience,
        take: impl Fn(&Patience, u64) -> Result<Registers, Refused>,
    ) -> Result<Registers, Refused> {
        patience.commit();
        let page = self.answer_page();
        let mut sent = self.send();
        for _ in 0..ROUNDS {
            let Ok(true) = sent else {
                break;
            };
            match take(patience, page) {
                Ok(registers) if result(&registers, RAX) == Status::GoOn.raw() => {
                    sent = wait(patience, result(&registers, R14)).and_then(|()| self.send());
                }
                Ok(registers) => return Ok(registers),
                Err(refused) => {
                    // twice: it may not have looked at it
                    let _ = take(&patience.undo(), page);
                    return Err(refused);
                }
            }
        }
        // the module is told, and there is nothing that it could say to it
        self.silence()?;
        let _ = take(&patience.undo(), page);
        match sent {
            Ok(true) => Err(nonsense()),
            Ok(false) => Err(unanswered()),
            Err(refused) => Err(refused),
        }
    }

    /// An object without a message in the place of the answer.
    fn silence(&mut self) -> Result<(), Refused> {
        let header = DoeHeader::new(TYPE_SECURED_CMA, 0);
        self.answer
            .write(0, header.as_bytes())
            .map_err(|_| nonsense())
    }

    /// The header of the request, if there is one.
    fn header(&self) -> Result<DoeHeader, Refused> {
        let mut header = [0; size_of::<DoeHeader>()];
        self.request.read(0, &mut header).map_err(|_| nonsense())?;
        let header = DoeHeader::read_from_bytes(&header).map_err(|_| nonsense())?;
        match header.payload() {
            Some(_) => Ok(header),
            None => Err(nonsense()),
        }
    }
}

/// Waits as long as the module wants, before a message.
pub(crate) fn wait(patience: &Patience, us: u64) -> Result<(), Refused> {
    if us > DELAY_MAX_US {
        return Err(nonsense());
    }
    if us != 0 {
        patience.wait(us.div_ceil(1000) as u32)?;
    }
    Ok(())
}
