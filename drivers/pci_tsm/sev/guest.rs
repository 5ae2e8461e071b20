// SPDX-License-Identifier: GPL-2.0

//! The VM, as the PSP has it.
//!
//! KVM makes the context of an SNP guest. Nothing but an x86 host with SEV-SNP has one: for the VMs
//! of other hosts a stand-in is made, one for each VM that has a TDI bound, so that the PSP can tell
//! whose a TDI is.

use crate::{
    debt::Debt,
    host::Host,
    psp::{
        is_status,
        Psp, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    patience::Patience,
    shared::{
        Share,
        Shared, //
    }, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::{
        Refusal,
        Refused, //
    },
    sev::{
        snp::{
            Activate,
            Address,
            LaunchFinish,
            LaunchStart,
            POLICY_RESERVED_ONE,
            POLICY_SMT, //
        },
        Command,
        Status, //
    }, //
};

/// ASIDs that guests may have, with that of the host, which is 0. A real host has as many as CPUID
/// says.
const ASIDS: u32 = 512;
/// How many ASIDs are tried that somebody else may have.
const ASID_ATTEMPTS: usize = 8;

/// How a guest is named in commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GuestName {
    /// Address of its context.
    pub(crate) gctx: u64,
    /// Its ASID.
    pub(crate) asid: u32,
}

struct Guest<'f> {
    gctx: Granule<'f>,
    asid: u32,
}

impl Share for Guest<'_> {
    type Name = GuestName;

    fn name(&self) -> GuestName {
        GuestName {
            gctx: self.gctx.bus_address(),
            asid: self.asid,
        }
    }
}

/// The guests that have a TDI, by the key of their VM.
#[pin_data]
pub(crate) struct Guests<'f> {
    #[pin]
    guests: Shared<usize, Guest<'f>>,
    /// KVM has a table of its own of them.
    #[pin]
    asids: Mutex<Asids>,
}

struct Asids {
    /// One bit for each that is in use.
    used: [u64; (ASIDS / u64::BITS) as usize],
    /// The one that was used least recently, or about that: to use one again that a guest had takes
    /// a flush of all caches.
    next: u32,
}

impl Asids {
    fn is_used(&self, asid: u32) -> bool {
        let word = self.used.get((asid / u64::BITS) as usize);
        word.is_none_or(|word| word & 1 << (asid % u64::BITS) != 0)
    }

    fn set(&mut self, asid: u32, used: bool) {
        if let Some(word) = self.used.get_mut((asid / u64::BITS) as usize) {
            let bit = 1 << (asid % u64::BITS);
            *word = if used { *word | bit } else { *word & !bit };
        }
    }

    /// Takes one.
    fn take(&mut self) -> Option<u32> {
        let asid = Iterator::chain(self.next..ASIDS, 1..self.next).find(|n| !self.is_used(*n))?;
        self.set(asid, true);
        self.next = asid + 1;
        Some(asid)
    }
}

impl<'f> Guests<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            guests <- Shared::new(c"Guests::guests", kernel::static_lock_class!()),
            asids <- new_mutex!(
                Asids {
                    used: [0; (ASIDS / u64::BITS) as usize],
                    next: 1,
                },
                "Guests::asids"
            ),
        })
    }

    /// Names of the guest that this VM is, for a TDI of it.
    pub(crate) fn join<T: Host<'f>>(
        &self,
        psp: &Psp<'f, T>,
        patience: &Patience,
        vm: usize,
    ) -> Result<GuestName, Refused> {
        self.guests
            .join(patience, vm, || self.launch(psp, patience))
    }

    /// The PSP keeps a TDI of this guest: no other one joins it any more, and it stays for good.
    pub(crate) fn abandon(&self, name: GuestName) {
        self.guests.abandon(name);
    }

    /// A TDI of this guest is gone.
    pub(crate) fn leave<T: Host<'f>>(
        &self,
        psp: &Psp<'f, T>,
        patience: &Patience,
        name: GuestName,
    ) {
        self.guests.leave(name, |guest| {
            self.end(psp, patience, Debt::guest(guest.gctx, guest.asid));
        });
    }

    fn launch<T: Host<'f>>(
        &self,
        psp: &Psp<'f, T>,
        patience: &Patience,
    ) -> Result<Guest<'f>, Refused> {
        let gctx = psp.firmware_granule(patience)?;
        let mut asid = 0;
        match self.launch_in(psp, patience, gctx.bus_address(), &mut asid) {
            Ok(()) => Ok(Guest { gctx, asid }),
            Err(refused) => {
                // whatever came back: it may be that the answer alone was lost
                let debt = Debt::guest(gctx, asid);
                if refused.why != Refusal::Signal {
                    self.end(psp, &patience.undo(), debt);
                } else if let Err(debt) = psp.arrears.owe(debt) {
                    // who sent the signal would not wait for the PSP, but for the lack of memory
                    self.end(psp, &patience.undo(), debt);
                }
                Err(refused)
            }
        }
    }

    fn launch_in<T: Host<'f>>(
        &self,
        psp: &Psp<'f, T>,
        patience: &Patience,
        gctx_paddr: u64,
        asid: &mut u32,
    ) -> Result<(), Refused> {
        let context = Address {
            address: gctx_paddr,
        };
        psp.call(patience, Command::SnpGctxCreate, &context)?;
        let start = LaunchStart {
            gctx_paddr,
            policy: POLICY_RESERVED_ONE | POLICY_SMT,
            ..Default::default()
        };
        psp.call(patience, Command::SnpLaunchStart, &start)?;
        self.activate(psp, patience, gctx_paddr, asid)?;
        let finish = LaunchFinish {
            gctx_paddr,
            ..Default::default()
        };
        psp.call(patience, Command::SnpLaunchFinish, &finish)
    }

    /// Gives it an ASID, which may be one that another guest had.
    fn activate<T: Host<'f>>(
        &self,
        psp: &Psp<'f, T>,
        patience: &Patience,
        gctx_paddr: u64,
        asid: &mut u32,
    ) -> Result<(), Refused> {
        let mut refused = Refusal::Memory.into();
        for _ in 0..ASID_ATTEMPTS {
            let next = self.asids.lock().take().ok_or(Refusal::Memory)?;
            let activate = Activate {
                gctx_paddr,
                asid: next,
            };
            let give = || psp.call(patience, Command::SnpActivate, &activate);
            let given = give().or_else(|refused| {
                if is_status(&refused, Status::DfflushRequired)
                    || is_status(&refused, Status::WbinvdRequired)
                {
                    psp.flush(patience)?;
                    give()
                } else {
                    Err(refused)
                }
            });
            match given {
                // of somebody who was here before us, and who did not end it
                Err(e) if is_status(&e, Status::AsidOwned) => refused = e,
                other => {
                    *asid = next;
                    return other;
                }
            }
        }
        Err(refused)
    }

    /// Ends a guest, and takes its context back, now or later.
    fn end<T: Host<'f>>(&self, psp: &Psp<'f, T>, patience: &Patience, mut guest: Debt<'f>) {
        if guest.pay(psp, self, patience).is_err() {
            // without memory for the note its page is lost, and its ASID
            let _ = psp.arrears.owe(guest);
        }
    }

    /// The guest with this ASID is gone.
    pub(crate) fn give_back(&self, asid: u32) {
        self.asids.lock().set(asid, false);
    }
}
