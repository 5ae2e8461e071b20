// SPDX-License-Identifier: GPL-2.0

//! Root ports: PDEVs of the RMM that streams end at.
//!
//! Devices below a switch share one; the RMM knows it as long as one of them has a stream.

use crate::{
    pdev::{
        Category,
        Pdev, //
    },
    rmm::is_unsupported, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pci_tsm::{
    patience::Patience,
    transport::FirmwareTransport, //
};
use tsm_sys::granule::Granule;
use tsm_wire::refusal::{
    Refusal,
    Refused, //
};

struct RootPort<'f> {
    /// Requester ID.
    id: u64,
    /// Streams that end at it.
    users: usize,
    pdev: Granule<'f>,
}

/// The root ports that have a stream.
#[pin_data]
pub(crate) struct RootPorts<'f> {
    #[pin]
    ports: Mutex<KVec<RootPort<'f>>>,
}

impl<'f> RootPorts<'f> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            ports <- new_mutex!(KVec::new(), "RootPorts::ports"),
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
        let mut ports = self.ports.lock();
        if let Some(port) = ports.iter_mut().find(|port| port.id == id) {
            port.users += 1;
            return Ok(Some(port.pdev.bus_address()));
        }
        ports.reserve(1, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        let pdev = device.cca.rmm.delegated(patience)?;
        let address = pdev.bus_address();
        let made = device
            .create(address, Category::RootPort, id, patience)
            .and_then(|()| device.make_ready(address, device.scrap(), patience));
        if let Err(refused) = made {
            device.unmake(&mut patience.undo(), pdev);
            return if is_unsupported(&refused) {
                Ok(None)
            } else {
                Err(refused)
            };
        }
        let port = RootPort { id, users: 1, pdev };
        // reserved above
        ports.push(port, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        Ok(Some(address))
    }

    /// A stream from `device` to the root port whose PDEV is at `address` is gone.
    pub(crate) fn leave<T: FirmwareTransport<'f>>(
        &self,
        device: &Pdev<'_, 'f, T>,
        patience: &mut Patience,
        address: u64,
    ) {
        let mut ports = self.ports.lock();
        let Some(index) = ports.iter().position(|p| p.pdev.bus_address() == address) else {
            return;
        };
        let Some(port) = ports.get_mut(index) else {
            return;
        };
        port.users -= 1;
        if port.users != 0 {
            return;
        }
        if let Ok(port) = ports.remove(index) {
            device.unmake(patience, port.pdev);
        }
    }
}
