// SPDX-License-Identifier: GPL-2.0

//! The IDE stream of a connected device: a stream of the RMM between two PDEVs.

use crate::{
    communicate::{
        Halt,
        Party, //
    },
    pdev::Pdev, //
};
use kernel::{
    pci,
    prelude::*, //
};
use pci_tsm::{
    ide_stream::IdeStream,
    patience::Patience,
    transport::{
        insecure,
        nonsense,
        FirmwareTransport, //
    }, //
};
use tsm_wire::{
    refusal::Refused,
    rmi::{
        stream::{
            STREAM_ADDR_RANGE_MAX,
            STREAM_NCOH, //
        },
        AddrRange,
        Fid,
        PdevStreamParams, //
    }, //
};
use zerocopy::IntoBytes;

/// How often each end may have its turn; TF-RMM has two.
const TURNS: usize = 4;

/// A stream.
pub(crate) struct Stream<'a> {
    ide: IdeStream<'a>,
    /// PDEV of the root port, which may have other users.
    root_port: u64,
    /// What the RMM calls it, once it was asked to connect it.
    handle: Option<u64>,
}

impl<'a> Stream<'a> {
    /// Takes a stream for the device, and sees to the root port's PDEV. `None` if the device is
    /// connected without a stream: there are no two ends with IDE, or the RMM has no root ports.
    pub(crate) fn begin<'f, T: FirmwareTransport<'f>>(
        pdev: &Pdev<'a, 'f, T>,
        function: &'a pci::Device,
        patience: &mut Patience,
    ) -> Result<Option<Self>, Refused> {
        let Some(ide) = IdeStream::set_up(function)? else {
            return Ok(None);
        };
        let id = u64::from(ide.root_port().dev_id());
        let Some(root_port) = pdev.cca.root_ports.join(pdev, id, patience)? else {
            dev_info!(function, "the RMM has no streams: connected without one\n");
            return Ok(None);
        };
        Ok(Some(Stream {
            ide,
            root_port,
            handle: None,
        }))
    }

    /// Has the RMM bring keys to both ends, and enables it.
    pub(crate) fn connect<'f, T: FirmwareTransport<'f>>(
        &mut self,
        pdev: &Pdev<'a, 'f, T>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let handle = self.request(pdev, patience)?;
        self.handle = Some(handle);
        self.communicate(pdev, handle, patience)?;
        self.ide.enable(insecure())
    }

    /// Asks the RMM to connect it. Returns what it calls it.
    #[inline(never)] // a quarter of the stack, which is to be free again soon
    fn request<'f, T: FirmwareTransport<'f>>(
        &self,
        pdev: &Pdev<'a, 'f, T>,
        patience: &Patience,
    ) -> Result<u64, Refused> {
        let (addr_range, num_addr_range) = self.memory();
        let params = PdevStreamParams {
            flags: 0,
            stream_type: STREAM_NCOH,
            pdev_1: pdev.address,
            pdev_2: self.root_port,
            ide_sid: u64::from(self.ide.id()),
            num_addr_range,
            reserved0: [0; 0xd0],
            addr_range,
            reserved1: [0; 0xe00],
        };
        let params = pdev.with_params(params.as_bytes())?;
        let rmm = &pdev.cca.rmm;
        let [_, handle, ..] = rmm.call(patience, Fid::PdevStreamConnect, &[params])?;
        Ok(handle)
    }

    /// Has the RMM take the keys back, as far as it lets us, and disables it.
    pub(crate) fn end<'f, T: FirmwareTransport<'f>>(
        self,
        pdev: &Pdev<'a, 'f, T>,
        patience: &mut Patience,
    ) {
        if let Some(handle) = self.handle {
            // twice: one answer may be lost
            let _ = self
                .disconnect(pdev, handle, patience)
                .or_else(|_| self.disconnect(pdev, handle, patience));
        }
        pdev.cca.root_ports.leave(pdev, patience, self.root_port);
    }

    fn disconnect<'f, T: FirmwareTransport<'f>>(
        &self,
        pdev: &Pdev<'a, 'f, T>,
        handle: u64,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let names = [pdev.address, self.root_port, handle];
        let rmm = &pdev.cca.rmm;
        if rmm
            .call(patience, Fid::PdevStreamDisconnect, &names)
            .is_err()
        {
            // something is under way still
            let _ = rmm.call(patience, Fid::PdevStreamComplete, &names);
            self.abort(pdev, patience);
            rmm.call(patience, Fid::PdevStreamDisconnect, &names)?;
        }
        self.communicate(pdev, handle, patience)
    }

    /// Ends the communication of both ends.
    fn abort<'f, T: FirmwareTransport<'f>>(&self, pdev: &Pdev<'a, 'f, T>, patience: &Patience) {
        for end in [self.root_port, pdev.address] {
            // one of them may have none
            let _ = pdev.cca.rmm.call(patience, Fid::PdevAbort, &[end]);
        }
    }

    /// Lets both ends communicate in turn until what was begun with the stream is over.
    fn communicate<'f, T: FirmwareTransport<'f>>(
        &self,
        pdev: &Pdev<'a, 'f, T>,
        handle: u64,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let rmm = &pdev.cca.rmm;
        let done = self.take_turns(pdev, patience);
        if done.is_err() {
            self.abort(pdev, &patience.undo());
            return done;
        }
        let names = [pdev.address, self.root_port, handle];
        rmm.call(patience, Fid::PdevStreamComplete, &names)?;
        Ok(())
    }

    fn take_turns<'f, T: FirmwareTransport<'f>>(
        &self,
        pdev: &Pdev<'a, 'f, T>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let mut ends = [(self.root_port, false), (pdev.address, false)];
        for _ in 0..TURNS {
            for (end, over) in ends.iter_mut().filter(|(_, over)| !*over) {
                let halt = pdev.carry(Party::Pdev([*end]), pdev.scrap(), patience)?;
                *over = halt == Halt::Over;
            }
            if ends.iter().all(|(_, over)| *over) {
                return Ok(());
            }
        }
        Err(nonsense())
    }

    /// What the root port reaches by the stream, and how many ranges that are. The RMM has physical
    /// addresses, which on hosts whose bridges translate are not those of the bus.
    fn memory(&self) -> ([AddrRange; STREAM_ADDR_RANGE_MAX], u64) {
        let mut ranges = [AddrRange::default(); STREAM_ADDR_RANGE_MAX];
        let mut count = 0;
        for (range, (first, last)) in ranges.iter_mut().zip(self.ide.memory()) {
            *range = AddrRange {
                base: first,
                top: last.saturating_add(1),
            };
            count += 1;
        }
        (ranges, count)
    }
}
