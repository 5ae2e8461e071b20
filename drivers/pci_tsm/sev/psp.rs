// SPDX-License-Identifier: GPL-2.0

//! Commands to the PSP, and pages that go to it and come back.

use crate::{
    debt::{
        Debt,
        Pages, //
    },
    host::Host, //
};
use core::mem::size_of;
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    arrears::Arrears,
    patience::Patience,
    transport::{
        fault,
        nonsense,
        unreached, //
    }, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    detail::TransportFault,
    mailbox::X_COUNT,
    refusal::{
        Refusal,
        Refused, //
    },
    sev::{
        platform::{
            TioInit,
            TioStatus,
            TioStatusData,
            FLAG_ENABLED,
            FLAG_INIT_DONE, //
        },
        rmp::{
            PageState,
            RmpResult, //
        },
        sla::LIST_MAX,
        snp::Address,
        Command,
        Status,
        PAGE_SIZE, //
    }, //
};
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// Milliseconds between two looks whether the page of commands is free.
const POLL_MS: u32 = 2;
/// Milliseconds before a command that the PSP had no room for is given again.
const BUSY_MS: u32 = 5;
/// How often RMPUPDATE is given again for pages that overlap others just then.
const OVERLAPS: usize = 16;

/// `tsm_code` of SEV: bits 31:0 are what the PSP returned, bits 63:32 the detail of a failed
/// conversation.
fn tsm_code(status: u64, detail: u64) -> u64 {
    (status & 0xffff_ffff) | detail << 32
}

/// A page, or an address of the guest, is in the guest already.
pub(crate) fn occupied() -> Refused {
    fault(TransportFault::Occupied)
}

/// What the PSP says to a command.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    status: u64,
    detail: u64,
}

impl Answer {
    /// The status, if it is one that is known.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_x0(self.status).ok()
    }

    /// The answer as a refusal.
    pub(crate) fn refused(&self) -> Refused {
        Refused::by_firmware(tsm_code(self.status, self.detail))
    }
}

/// Did the PSP answer this?
pub(crate) fn is_status(refused: &Refused, status: Status) -> bool {
    refused.why == Refusal::Firmware && refused.tsm_code & 0xffff_ffff == u64::from(status)
}

/// The PSP.
pub(crate) struct Psp<'f, T> {
    transport: T,
    /// Buffer of commands: one at a time.
    command: Pin<KBox<Mutex<Granule<'f>>>>,
    /// What it has not given back yet.
    pub(crate) arrears: Pin<KBox<Arrears<Debt<'f>>>>,
    /// Sizes of buffers and contexts.
    pub(crate) sizes: TioStatusData,
}

impl<'f, T: Host<'f>> Psp<'f, T> {
    /// Takes over the PSP behind a transport, which may have had another driver before.
    ///
    /// # Errors
    ///
    /// `ENODEV` if it is not one that assigns devices.
    pub(crate) fn new(transport: T) -> Result<Self> {
        let granule = transport.granule().map_err(|_| ENOMEM)?;
        let command = KBox::pin_init(new_mutex!(granule, "Psp::command"), GFP_KERNEL)?;
        let mut psp = Psp {
            transport,
            command,
            arrears: KBox::pin_init(Arrears::new(), GFP_KERNEL)?,
            sizes: TioStatusData::default(),
        };
        let sizes = psp.init(&Patience::operation()).map_err(|refused| {
            let code = refused.tsm_code;
            pr_err!(
                "the PSP assigns no devices: {:?}, code {code:#x}\n",
                refused.why
            );
            ENODEV
        })?;
        psp.sizes = sizes;
        Ok(psp)
    }

    fn init(&self, patience: &Patience) -> Result<TioStatusData, Refused> {
        let page = self.firmware_granule(patience)?;
        let data = self.init_with(patience, &page);
        self.take_back(&patience.undo(), page.into());
        data
    }

    fn init_with(&self, patience: &Patience, page: &Granule<'f>) -> Result<TioStatusData, Refused> {
        let before = self.tio_status(patience, page)?;
        if before.flags & (FLAG_ENABLED | FLAG_INIT_DONE) == 0 {
            return Err(Refusal::Unsupported.into());
        }
        // a driver before us may have done that: what it left behind is nobody's but the PSP's
        if before.flags & FLAG_INIT_DONE == 0 {
            let init = TioInit {
                length: size_of::<TioInit>() as u32,
                ..Default::default()
            };
            self.call(patience, Command::TioInit, &init)?;
        }
        let data = self.tio_status(patience, page)?;
        let most = (LIST_MAX * PAGE_SIZE) as u32;
        let ranges = [
            (data.spdm_req_size_min, data.spdm_req_size_max),
            (data.spdm_rsp_size_min, data.spdm_rsp_size_max),
            (data.spdm_scratch_size_min, data.spdm_scratch_size_max),
            (data.spdm_out_size_min, data.spdm_out_size_max),
            (1, data.devctx_size),
            (1, data.tdictx_size),
        ];
        let sane = |(min, max): &(u32, u32)| min <= max && *max <= most;
        if ranges.iter().all(sane) {
            Ok(data)
        } else {
            Err(nonsense())
        }
    }

    fn tio_status(
        &self,
        patience: &Patience,
        page: &Granule<'f>,
    ) -> Result<TioStatusData, Refused> {
        let status = TioStatus {
            length: size_of::<TioStatus>() as u32,
            status_paddr: page.bus_address(),
            ..Default::default()
        };
        self.call(patience, Command::TioStatus, &status)?;
        let data: TioStatusData = self.told(page)?;
        let known = FLAG_ENABLED | FLAG_INIT_DONE;
        let end = core::mem::offset_of!(TioStatusData, tio_crypto_alg) as u32;
        if data.length < end || data.flags & !known != 0 {
            return Err(nonsense());
        }
        Ok(data)
    }

    /// What the PSP wrote into a page, read once.
    pub(crate) fn told<D: FromBytes + IntoBytes>(&self, page: &Granule<'f>) -> Result<D, Refused> {
        let mut data = D::new_zeroed();
        page.read(0, data.as_mut_bytes()).map_err(|_| nonsense())?;
        Ok(data)
    }

    /// Gives a command, whatever comes of it; again as long as the PSP has no room for it.
    ///
    /// # Errors
    ///
    /// That the PSP was not reached.
    pub(crate) fn issue<B: IntoBytes + Immutable>(
        &self,
        patience: &Patience,
        command: Command,
        buffer: &B,
    ) -> Result<Answer, Refused> {
        loop {
            let answer = self.issue_once(patience, command, buffer.as_bytes())?;
            if answer.status() != Some(Status::ResourceLimit) {
                return Ok(answer);
            }
            match patience.wait(BUSY_MS) {
                Ok(()) => {}
                Err(Refusal::Firmware) => return Ok(answer),
                Err(why) => return Err(why.into()),
            }
        }
    }

    fn issue_once(
        &self,
        patience: &Patience,
        command: Command,
        buffer: &[u8],
    ) -> Result<Answer, Refused> {
        // not lock(): whoever has it may wait for long, and a signal would have to wait with us
        let mut page = loop {
            match self.command.try_lock() {
                Some(page) => break page,
                None => patience.wait(POLL_MS).map_err(unreached)?,
            }
        };
        page.write(0, buffer).map_err(|_| nonsense())?;
        let mut registers = [0; X_COUNT];
        let [x0, x1, ..] = &mut registers;
        *x0 = command.into();
        // a command without a buffer has no address of one
        if !buffer.is_empty() {
            *x1 = page.bus_address();
        }
        self.transport
            .call(&mut registers, patience)
            .map_err(unreached)?;
        let [status, detail, ..] = registers;
        Ok(Answer {
            status,
            detail: detail & 0xffff_ffff,
        })
    }

    /// Gives a command that talks with no device.
    ///
    /// # Errors
    ///
    /// What the PSP says but success, and that it was not reached.
    pub(crate) fn call<B: IntoBytes + Immutable>(
        &self,
        patience: &Patience,
        command: Command,
        buffer: &B,
    ) -> Result<(), Refused> {
        let answer = self.issue(patience, command, buffer)?;
        match answer.status() {
            Some(Status::Success) => Ok(()),
            _ => Err(Answer {
                detail: 0,
                ..answer
            }
            .refused()),
        }
    }

    /// WBINVD and SNP_DF_FLUSH: ASIDs of guests that are gone can be used again.
    pub(crate) fn flush(&self, patience: &Patience) -> Result<(), Refused> {
        self.transport
            .write_back_caches(patience)
            .map_err(unreached)?;
        self.call(patience, Command::SnpDfFlush, &())
    }

    /// New memory, the host's.
    pub(crate) fn granule(&self) -> Result<Granule<'f>, Refused> {
        Ok(self.transport.granule()?)
    }

    /// New memory, the firmware's.
    pub(crate) fn firmware_granule(&self, patience: &Patience) -> Result<Granule<'f>, Refused> {
        let granule = self.granule()?;
        match self.give(patience, &granule) {
            Ok(()) => Ok(granule),
            Err(refused) => {
                // it may be that the answer alone was lost
                self.undo(&refused, patience, granule.into());
                Err(refused)
            }
        }
    }

    /// Makes a page of the host's one of the firmware's.
    pub(crate) fn give(&self, patience: &Patience, granule: &Granule<'f>) -> Result<(), Refused> {
        self.assign(patience, granule.bus_address(), 1, PageState::Firmware, 0)
    }

    /// Takes a page back that the firmware had.
    pub(crate) fn reclaim(&self, patience: &Patience, address: u64) -> Result<(), Refused> {
        let take = || {
            // of a page that it has let go of already the firmware says so; the map knows better
            let reclaimed = self.call(patience, Command::SnpPageReclaim, &Address { address });
            self.assign(patience, address, 1, PageState::Shared, 0)
                .map_err(|refused| reclaimed.err().unwrap_or(refused))
        };
        // twice: one answer may be lost
        take().or_else(|_| take())
    }

    /// Takes pages back that the firmware had, now or later. False if they are not back now: nobody
    /// gets one that the firmware does not let go of.
    pub(crate) fn take_back(&self, patience: &Patience, mut pages: Pages<'f>) -> bool {
        match pages.take_back(self, patience) {
            Ok(all) => all,
            Err(_) => {
                // without memory for the note they are lost
                let _ = self.arrears.owe(Debt::Pages(pages));
                false
            }
        }
    }

    /// Takes pages back after something was refused; later if who sent a signal waits.
    pub(crate) fn undo(&self, refused: &Refused, patience: &Patience, pages: Pages<'f>) {
        if refused.why != Refusal::Signal {
            self.take_back(&patience.undo(), pages);
        } else if let Err(Debt::Pages(pages)) = self.arrears.owe(Debt::Pages(pages)) {
            self.take_back(&patience.undo(), pages);
        }
    }

    /// Gives pages to a guest, or takes them back; all, or none.
    pub(crate) fn assign(
        &self,
        patience: &Patience,
        address: u64,
        pages: u64,
        state: PageState,
        gpa: u64,
    ) -> Result<(), Refused> {
        let mut done = 0;
        let mut refused = nonsense();
        for _ in 0..OVERLAPS {
            let offset = done * PAGE_SIZE as u64;
            let from = address + offset;
            let update =
                self.transport
                    .rmp_update(patience, from, pages - done, state, gpa + offset);
            match update {
                Ok((part, result)) => {
                    done += part;
                    if done == pages {
                        return Ok(());
                    }
                    if !matches!(result, RmpResult::FailOverlap | RmpResult::Success) {
                        break;
                    }
                }
                Err(why) => {
                    refused = unreached(why);
                    break;
                }
            }
        }
        if done != 0 && state != PageState::Shared {
            let undo = patience.undo();
            // whatever comes of it: they were the host's, and are nobody else's
            let _ = self
                .transport
                .rmp_update(&undo, address, done, PageState::Shared, 0);
        }
        Err(refused)
    }
}
