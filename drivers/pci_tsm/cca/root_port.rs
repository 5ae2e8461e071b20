// SPDX-License-Identifier: GPL-2.0

//! Root ports: PDEVs of the RMM that streams end at.
//!
//! Devices below a switch share one; the RMM knows it as long as one of them has a stream.

use crate::{
    pdev::{
        Category,
        Pdev, //
    },
    rmm::is_status, //
};
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    shared::Shared,
    transport::FirmwareTransport, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::Refused,
    rmi::Status, //
};

/// The root ports that have a stream, by requester ID: PDEVs.
#[pin_data]
pub(crate) struct RootPorts<'f> {
    #[pin]
    ports: Shared<u64, Granule<'f>>,
}

impl<'f> RootPorts<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            ports <- Shared::new(c"RootPorts::ports", kernel::static_lock_class!()),
        })
    }

    /// Address of the PDEV of the root port with this requester ID, for a stream to `device`; `None`
    /// if the RMM makes no such PDEVs.
    pub(crate) fn join<T: FirmwareTransport<'f>>(
        &self,
        device: &Pdev<'_, 'f, T>,
        id: u64,
        patience: &mut Patience,
    ) -> Result<Option<u64>, Refused> {
        let mut unsupported = false;
        let turn = *patience;
        let joined = self.ports.join(&turn, id, || {
            let pdev = device.cca.rmm.delegated(patience)?;
            let address = pdev.bus_address();
            let made = device
                .create(address, Category::RootPort, id, patience)
                .and_then(|()| device.make_ready(address, device.scrap(), patience));
            if let Err(refused) = made {
                device.unmake(&mut patience.undo(), pdev);
                unsupported = is_status(&refused, Status::ErrorNotSupported);
                return Err(refused);
            }
            Ok(pdev)
        });
        match joined {
            Err(_) if unsupported => Ok(None),
            joined => joined.map(Some),
        }
    }

    /// A stream from `device` to the root port whose PDEV is at `address` is gone.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        device: &Pdev<'_, 'f, T>,
        patience: &mut Patience,
        address: u64,
    ) {
        self.ports
            .leave(address, |pdev| device.unmake(patience, pdev));
    }
}
