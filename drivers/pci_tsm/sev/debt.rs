// SPDX-License-Identifier: GPL-2.0

//! What the PSP has to give back, when it has the time.

use crate::{
    guest::{
        GuestName,
        Guests, //
    },
    host::Host,
    psp::Psp, //
};
use kernel::prelude::*;
use pci_tsm::{
    arrears::is_early,
    patience::Patience, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::Refused,
    sev::{
        snp::Address,
        tdi::TdiReclaim,
        Command, //
    }, //
};
use zerocopy::{
    Immutable,
    IntoBytes, //
};

/// Pages that are the firmware's, or may be. Those that are not taken back are lost: nobody may use
/// them.
pub(crate) struct Pages<'f> {
    /// One, for which no memory is needed.
    first: Option<Granule<'f>>,
    others: KVec<Granule<'f>>,
    /// The firmware kept one of them.
    kept: bool,
}

impl<'f> From<Granule<'f>> for Pages<'f> {
    fn from(page: Granule<'f>) -> Self {
        Pages {
            first: Some(page),
            others: KVec::new(),
            kept: false,
        }
    }
}

impl<'f> From<KVec<Granule<'f>>> for Pages<'f> {
    fn from(pages: KVec<Granule<'f>>) -> Self {
        Pages {
            first: None,
            others: pages,
            kept: false,
        }
    }
}

impl<'f> Pages<'f> {
    /// Takes them back. Of a page that the PSP does not let go of nobody has any use any more; then
    /// false.
    ///
    /// # Errors
    ///
    /// It is not the time yet.
    pub(crate) fn take_back<T: Host<'f>>(
        &mut self,
        psp: &Psp<'f, T>,
        patience: &Patience,
    ) -> Result<bool, Refused> {
        while let Some(page) = self.others.last().or(self.first.as_ref()) {
            let taken = psp.reclaim(patience, page.bus_address());
            match taken {
                Err(refused) if is_early(&refused, patience) => return Err(refused),
                _ => {}
            }
            if let (Some(page), Err(refused)) = (self.pop(), taken) {
                lose(page, refused.tsm_code);
                self.kept = true;
            }
        }
        Ok(!self.kept)
    }

    fn pop(&mut self) -> Option<Granule<'f>> {
        self.others.pop().or_else(|| self.first.take())
    }
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        while let Some(page) = self.pop() {
            lose(page, 0);
        }
    }
}

fn lose(page: Granule<'_>, code: u64) {
    let address = page.bus_address();
    pr_warn!("the PSP keeps the page at {address:#x}, code {code:#x}; its memory is lost\n");
    page.leak();
}

/// A TDI context.
pub(crate) struct Context<'f> {
    /// What ends it, if it was begun.
    pub(crate) reclaim: Option<TdiReclaim>,
    pub(crate) pages: Pages<'f>,
    /// What lists the pages, if they are more than one.
    pub(crate) list: Option<Granule<'f>>,
}

impl<'f> Context<'f> {
    /// Ends it, and takes its pages back; false if the PSP keeps one.
    fn end<T: Host<'f>>(&mut self, psp: &Psp<'f, T>, patience: &Patience) -> Result<bool, Refused> {
        if let Some(reclaim) = &self.reclaim {
            end(psp, patience, Command::TioTdiReclaim, reclaim)?;
        }
        self.reclaim = None;
        // what is a TDI context still is not given back
        let all = self.pages.take_back(psp, patience)?;
        if all {
            // before that the firmware may have looked at it
            drop(self.list.take());
        }
        Ok(all)
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if let Some(list) = self.list.take() {
            list.leak();
        }
    }
}

/// Something that the PSP has to give back.
pub(crate) enum Debt<'f> {
    /// Pages that are nothing yet, or nothing any more.
    Pages(Pages<'f>),
    /// A guest that nobody has a TDI of: its context, and its ASID.
    Guest(Pages<'f>, u64, u32),
    /// A TDI of a guest. It is not bound.
    Tdi(Option<Context<'f>>, GuestName),
}

impl<'f> Debt<'f> {
    /// A guest, by its context.
    pub(crate) fn guest(gctx: Granule<'f>, asid: u32) -> Self {
        let address = gctx.bus_address();
        Debt::Guest(gctx.into(), address, asid)
    }

    /// Has it given back, as far as the PSP ever lets go of it.
    ///
    /// # Errors
    ///
    /// It is not the time yet; what is left is to be asked for later.
    pub(crate) fn pay<T: Host<'f>>(
        &mut self,
        psp: &Psp<'f, T>,
        guests: &Guests<'f>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        match self {
            Debt::Pages(pages) => {
                pages.take_back(psp, patience)?;
            }
            Debt::Guest(gctx, address, asid) => {
                let context = Address { address: *address };
                end(psp, patience, Command::SnpDecommission, &context)?;
                // what is a guest still is not given back, and has its ASID
                if gctx.take_back(psp, patience)? {
                    guests.give_back(*asid);
                }
            }
            Debt::Tdi(context, guest) => {
                let all = match context {
                    Some(context) => context.end(psp, patience)?,
                    None => true,
                };
                if all {
                    guests.leave(psp, patience, *guest);
                } else {
                    guests.abandon(*guest);
                }
            }
        }
        Ok(())
    }
}

/// Has the PSP end something, which may be ended or have never begun. Twice: one answer may be lost.
fn end<'f, T: Host<'f>, B: IntoBytes + Immutable>(
    psp: &Psp<'f, T>,
    patience: &Patience,
    command: Command,
    buffer: &B,
) -> Result<(), Refused> {
    let end = || psp.call(patience, command, buffer);
    match end().or_else(|_| end()) {
        Err(refused) if is_early(&refused, patience) => Err(refused),
        _ => Ok(()),
    }
}
