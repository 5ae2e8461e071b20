// SPDX-License-Identifier: GPL-2.0

//! The IDE stream of a connected device, as the TDX module has it.
//!
//! A device interface belongs to a stream, always: one in the root complex, where there is no link to
//! encrypt, has what counts as one. The registers of the ports are the kernel's to program here; on
//! a real host those of the root port are the module's own.

use crate::{
    courier::Courier,
    device::Device,
    module::{
        status,
        Module, //
    }, //
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
        FirmwareTransport, //
    }, //
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::Refused,
    tdx::{
        ide::{
            address_association,
            rid_association,
            stream_control,
            IdeKmObject,
            KmParameters,
            StreamConfig, //
        },
        td::GLOBAL_HKID,
        Leaf,
        StandIn,
        Status,
        IOMMU_ID, //
    }, //
};

/// The key set that is used.
const KEY_SET: u8 = 0;
/// Stream ID of what counts as a stream, of the device whose session is number 0; the others follow
/// downwards. Those of PCIe begin at 0, and 255 is nobody's.
const INTEGRATED_FIRST: u8 = 254;
/// Functions of a device without ARI, less one.
const LAST_FUNCTION: u16 = 7;

/// A stream.
pub(crate) struct Stream<'a, 'f> {
    /// `None` in the root complex.
    ide: Option<IdeStream<'a>>,
    id: u8,
    /// The module's, until it is given back in the end.
    page: Option<Granule<'f>>,
    /// The module was asked to make it, and may have it.
    created: bool,
    /// Keys were asked for.
    keyed: bool,
}

impl<'a, 'f> Stream<'a, 'f> {
    /// Takes a stream for the device, or what counts as one.
    pub(crate) fn begin<T: FirmwareTransport<'f>>(
        device: &Device<'a, 'f, T>,
        function: &'a pci::Device,
    ) -> Result<Option<Self>, Refused> {
        let ide = IdeStream::set_up(function)?;
        let integrated = INTEGRATED_FIRST.checked_sub(device.spdm as u8);
        let id = match (&ide, integrated) {
            (Some(ide), _) => ide.id(),
            (None, Some(id)) => id,
            (None, None) => return Ok(None),
        };
        Ok(Some(Stream {
            ide,
            id,
            page: Some(device.tdx.module.page()?),
            created: false,
            keyed: false,
        }))
    }

    /// The Stream ID.
    pub(crate) fn id(&self) -> u8 {
        self.id
    }

    /// Has the module make it for the session `spdm`.
    pub(crate) fn create<T: FirmwareTransport<'f>>(
        &mut self,
        module: &Module<'f, T>,
        spdm: u16,
        function: &pci::Device,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let page = self.page.as_ref().map_or(0, Granule::bus_address);
        let (first, last) = (function.dev_id(), function.dev_id() | LAST_FUNCTION);
        self.created = true;
        let Some(ide) = &self.ide else {
            let (first, last) = (u64::from(first), u64::from(last));
            let id = u64::from(self.id);
            let operands = [IOMMU_ID, spdm.into(), id, 0, last, first, 0, 0, 0, page];
            let made = module.call(patience, StandIn::IntegratedStream, &operands);
            return match made {
                // it is not in the root complex: there is no stream, and no device interface of it
                Err(refused) if status(&refused) == Some(Status::IdeStreamNotSupported) => {
                    self.created = false;
                    dev_info!(function, "connected without a stream\n");
                    Ok(())
                }
                made => made.map(|_| ()),
            };
        };
        let config = StreamConfig {
            block: ide.root_port_block(),
            root_port: ide.root_port().dev_id() as u8,
            key_id: self.id,
        };
        // one range, where a port may have two: what is between them is nobody's
        let (low, high) = ide
            .memory()
            .fold((u64::MAX, 0), |(low, high), (first, last)| {
                (low.min(first), high.max(last))
            });
        let [rid1, rid2] = rid_association(first, last);
        let [addr1, addr2, addr3] = address_association(low, high);
        let operands = [
            IOMMU_ID,
            spdm.into(),
            config.raw(),
            stream_control(self.id),
            rid1,
            rid2,
            addr1,
            addr2,
            addr3,
            page,
        ];
        module.call(patience, Leaf::IdeStreamCreate, &operands)?;
        Ok(())
    }

    /// Has keys brought to both ends, and enables it.
    pub(crate) fn key<T: FirmwareTransport<'f>>(
        &mut self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        self.keyed = true;
        self.bring_keys(module, courier, patience)?;
        match &mut self.ide {
            Some(ide) => ide.enable(insecure()),
            None => Ok(()),
        }
    }

    /// Has keys brought to both ends, new ones in the place of those that there may be.
    pub(crate) fn bring_keys<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        if self.ide.is_none() {
            return Ok(());
        }
        for object in [IdeKmObject::KeyProg, IdeKmObject::KSetGo] {
            for parameters in KmParameters::of_key_set(KEY_SET) {
                self.manage(module, courier, object, parameters, patience)?;
            }
        }
        Ok(())
    }

    /// One request of IDE_KM, and its answer.
    fn manage<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        object: IdeKmObject,
        parameters: KmParameters,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let id = u64::from(self.id);
        let slot = match object {
            IdeKmObject::KeyProg => parameters.slot(self.id),
            IdeKmObject::KSetGo | IdeKmObject::KSetStop => 0,
        };
        courier.converse(
            patience,
            |patience, page| {
                let operands = [IOMMU_ID, id, object.into(), parameters.raw(), slot, page];
                module.call(patience, Leaf::IdeStreamIdekmreq, &operands)
            },
            |patience, page| module.call(patience, Leaf::IdeStreamIdekmrsp, &[IOMMU_ID, id, page]),
        )?;
        Ok(())
    }

    /// Ends the use of it: nothing goes by it any more, and what belongs to it can be removed.
    pub(crate) fn block<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        patience: &Patience,
    ) {
        if self.created {
            let operands = [IOMMU_ID, u64::from(self.id)];
            let _ = module.call_twice(patience, Leaf::IdeStreamBlock, &operands);
        }
    }

    /// Takes the keys back, as far as the device lets us, and gets rid of it.
    pub(crate) fn end<T: FirmwareTransport<'f>>(
        mut self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        patience: &mut Patience,
    ) {
        if self.keyed && self.ide.is_some() {
            for parameters in KmParameters::of_key_set(KEY_SET) {
                let stopped =
                    self.manage(module, courier, IdeKmObject::KSetStop, parameters, patience);
                // a device that is gone answers none of them
                if stopped.is_err()
                    && self
                        .manage(module, courier, IdeKmObject::KSetStop, parameters, patience)
                        .is_err()
                {
                    break;
                }
            }
        }
        self.block(module, patience);
        let Some(page) = self.page.take() else {
            return;
        };
        if self.created {
            let operands = [IOMMU_ID, u64::from(self.id)];
            let _ = module.call_twice(patience, Leaf::IdeStreamDelete, &operands);
            module.take_back(patience, page, GLOBAL_HKID);
        }
    }
}
