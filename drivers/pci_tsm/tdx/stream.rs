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
    /// Function 0 of the device.
    function: &'a pci::Device,
    /// `None` in the root complex.
    ide: Option<IdeStream<'a>>,
    id: u8,
    /// The module's, until it is given back in the end.
    page: Option<Granule<'f>>,
    /// The page was the module's, and its lines were not written back since.
    used: bool,
    /// The module was asked to make it, and may have it.
    created: bool,
    /// Keys were asked for.
    keyed: bool,
    /// It was blocked, or is not whole for another reason: nothing belongs to it until it is made
    /// anew.
    broken: bool,
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
            function,
            ide,
            id,
            page: Some(device.tdx.module.page()?),
            used: false,
            created: false,
            keyed: false,
            broken: false,
        }))
    }

    /// The Stream ID.
    pub(crate) fn id(&self) -> u8 {
        self.id
    }

    /// Does it have keys that it uses?
    pub(crate) fn is_keyed(&self) -> bool {
        self.keyed && !self.broken
    }

    /// Is it to be made anew before anything belongs to it?
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Gets rid of one that was blocked: the module has no way back from there. It does not do that
    /// as long as a device interface belongs to it; each has to be removed before.
    ///
    /// # Errors
    ///
    /// What the module has. It can be tried again.
    pub(crate) fn delete<T: FirmwareTransport<'f>>(
        &mut self,
        module: &Module<'f, T>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        if self.created {
            let operands = [IOMMU_ID, u64::from(self.id)];
            // one that was made anew and got no keys is not blocked
            let _ = module.call_twice(patience, Leaf::IdeStreamBlock, &operands);
            match module.call_twice(patience, Leaf::IdeStreamDelete, &operands) {
                // an answer was lost, of this or of what was to make it
                Err(refused) if status(&refused) != Some(Status::IdeStreamNotConfigured) => {
                    return Err(refused)
                }
                _ => {}
            }
            self.created = false;
            self.keyed = false;
        }
        if let (true, Some(page)) = (self.used, &self.page) {
            module.write_back(patience, page, GLOBAL_HKID)?;
            self.used = false;
        }
        if let Some(ide) = &mut self.ide {
            ide.disable();
        }
        Ok(())
    }

    /// Has the module make it for the session `spdm`.
    pub(crate) fn create<T: FirmwareTransport<'f>>(
        &mut self,
        module: &Module<'f, T>,
        spdm: u16,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let function = self.function;
        let page = self.page.as_ref().map_or(0, Granule::bus_address);
        let (first, last) = (function.dev_id(), function.dev_id() | LAST_FUNCTION);
        self.created = true;
        self.used = true;
        let Some(ide) = &self.ide else {
            let (first, last) = (u64::from(first), u64::from(last));
            let id = u64::from(self.id);
            let operands = [IOMMU_ID, spdm.into(), id, 0, last, first, 0, 0, 0, page];
            let made = module.call(patience, StandIn::IntegratedStream, &operands);
            return match made {
                // it is not in the root complex: there is no stream, and no device interface of it
                Err(refused) if status(&refused) == Some(Status::IdeStreamNotSupported) => {
                    self.created = false;
                    self.used = false;
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
        if let Some(ide) = &mut self.ide {
            ide.enable(insecure())?;
        }
        self.broken = false;
        Ok(())
    }

    /// Has the device forget keys that are not those of a new stream. It refuses others in the place
    /// of keys that it uses, if it is one that does not forget them when it is disabled.
    pub(crate) fn stop_keys<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        for parameters in KmParameters::of_key_set(KEY_SET) {
            let object = IdeKmObject::KSetStop;
            let stopped = self.manage(module, courier, object, parameters, patience);
            // twice: one answer may be lost
            stopped.or_else(|_| self.manage(module, courier, object, parameters, patience))?;
        }
        Ok(())
    }

    /// Has keys brought to both ends, new ones in the place of those that there may be.
    pub(crate) fn bring_keys<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        for object in [IdeKmObject::KeyProg, IdeKmObject::KSetGo] {
            for parameters in KmParameters::of_key_set(KEY_SET) {
                self.manage(module, courier, object, parameters, patience)?;
            }
        }
        Ok(())
    }

    /// One request of IDE_KM, and its answer; none where there is no IDE.
    fn manage<T: FirmwareTransport<'f>>(
        &self,
        module: &Module<'f, T>,
        courier: &mut Courier<'a, 'f>,
        object: IdeKmObject,
        parameters: KmParameters,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        if self.ide.is_none() {
            return Ok(());
        }
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
        &mut self,
        module: &Module<'f, T>,
        patience: &Patience,
    ) {
        if self.created {
            self.broken = true;
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
        if self.is_keyed() {
            // a device that is gone answers none of them
            let _ = self.stop_keys(module, courier, patience);
        }
        self.block(module, patience);
        let Some(page) = self.page.take() else {
            return;
        };
        if self.created {
            let operands = [IOMMU_ID, u64::from(self.id)];
            let _ = module.call_twice(patience, Leaf::IdeStreamDelete, &operands);
        }
        if self.used {
            module.take_back(patience, page, GLOBAL_HKID);
        }
    }
}
