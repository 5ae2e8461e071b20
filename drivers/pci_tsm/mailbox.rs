// SPDX-License-Identifier: GPL-2.0

//! The way to the emulated firmware: a PCI function with a mailbox.
//!
//! Registers: [`tsm_wire::mailbox`].

use crate::{
    patience::Patience,
    transport::{
        FirmwareTransport,
        Registers, //
    },
};
use kernel::{
    device,
    io::Io,
    new_mutex,
    pci,
    prelude::*,
    sync::Mutex,
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use tsm_sys::granule::{
    set_dma_mask,
    Granule, //
};
use tsm_wire::{
    mailbox::{
        self,
        Personality,
        BAR_SIZE,
        X_COUNT, //
    },
    refusal::Refusal, //
};

/// Reads of the status before the first sleep: the emulation answers at once, or late.
const SPINS: u32 = 4;
/// Milliseconds between two looks at the status.
const POLL_MS: u32 = 2;
/// Milliseconds that one call may take.
const CALL_MS: i64 = 5_000;

/// A mailbox.
#[pin_data]
pub struct Mailbox<'a> {
    function: &'a pci::Device<device::Bound>,
    /// The registers hold one call.
    #[pin]
    bar: Mutex<pci::Bar<'a, BAR_SIZE>>,
}

impl<'a> Mailbox<'a> {
    /// The mailbox of `function`, whose firmware has to be `personality`.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is another one, or none.
    pub fn new(
        function: &'a pci::Device<device::Core<'_>>,
        personality: Personality,
    ) -> Result<Pin<KBox<Self>>> {
        function.enable_device_mem()?;
        set_dma_mask::<{ mailbox::ADDRESS_BITS }>(function)?;
        function.set_master();
        let bound: &'a pci::Device<device::Bound> = function;
        let bar = bound.iomap_region_sized::<BAR_SIZE>(mailbox::BAR, c"tsm mailbox")?;
        let magic = bar.try_read32(mailbox::MAGIC)?;
        let version = bar.try_read32(mailbox::VERSION)?;
        let speaks = bar.try_read32(mailbox::PERSONALITY)?;
        if magic != mailbox::MAGIC_VALUE || version != mailbox::VERSION_VALUE {
            dev_err!(
                function,
                "no TSM mailbox: magic {magic:#x}, version {version}\n"
            );
            return Err(ENODEV);
        }
        if Personality::try_from(speaks) != Ok(personality) {
            return Err(ENODEV);
        }
        KBox::pin_init(
            pin_init!(Mailbox {
                function: bound,
                bar <- new_mutex!(bar, "Mailbox::bar"),
            }),
            GFP_KERNEL,
        )
    }

    /// Rings and waits.
    fn run(
        bar: &pci::Bar<'a, BAR_SIZE>,
        registers: &mut Registers,
        patience: &Patience,
    ) -> Result<Result<(), Refusal>> {
        let used = mailbox::used(registers);
        for (n, x) in registers.iter().enumerate().take(used) {
            bar.try_write64(*x, mailbox::x(n))?;
        }
        bar.try_write32(used as u32, mailbox::DOORBELL)?;
        let start = Instant::<Monotonic>::now();
        let mut looks = 0;
        let results = loop {
            let status = bar.try_read32(mailbox::STATUS)?;
            if status & mailbox::STATUS_BUSY == 0 {
                break mailbox::results(status);
            }
            looks += 1;
            if looks <= SPINS {
                continue;
            }
            // by the clock: a sleep is longer than asked for, and on a busy host much longer
            let waited = if start.elapsed() > Delta::from_millis(CALL_MS) {
                Err(Refusal::Firmware)
            } else {
                patience.wait(POLL_MS)
            };
            if waited.is_err() {
                bar.try_write32(1, mailbox::RESET)?;
                return Ok(waited);
            }
        };
        *registers = [0; X_COUNT];
        for (n, x) in registers.iter_mut().enumerate().take(results) {
            *x = bar.try_read64(mailbox::x(n))?;
        }
        Ok(Ok(()))
    }
}

impl<'a> FirmwareTransport<'a> for Pin<KBox<Mailbox<'a>>> {
    fn call(&self, registers: &mut Registers, patience: &Patience) -> Result<(), Refusal> {
        // not lock(): whoever has it may wait for long, and a signal would have to wait with us
        let bar = loop {
            match self.bar.try_lock() {
                Some(bar) => break bar,
                None => patience.wait(POLL_MS)?,
            }
        };
        // an offset that is outside of the BAR: none of ours is
        Mailbox::run(&bar, registers, patience).map_err(|_| Refusal::Firmware)?
    }

    fn granule(&self) -> Result<Granule<'a>, Refusal> {
        Granule::new(self.function.as_ref()).map_err(|_| Refusal::Memory)
    }
}
