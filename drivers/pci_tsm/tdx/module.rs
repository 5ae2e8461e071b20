// SPDX-License-Identifier: GPL-2.0

//! Calls into the TDX module.

use core::{
    iter::once,
    marker::PhantomData, //
};
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::{
        detail,
        fault,
        unreached,
        FirmwareTransport,
        Registers, //
    },
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    detail::{
        AuthenticationFault,
        DetailClass,
        TransportFault, //
    },
    mailbox::X_COUNT,
    refusal::{
        Refusal,
        Refused, //
    },
    tdx::{
        register::{
            R8,
            RAX,
            RSI, //
        },
        td::with_key,
        Call,
        Leaf,
        StandIn,
        Status,
        FEATURES0_TDXCONNECT,
        FIELD_FEATURES0,
        FIELD_TDCS_BASE_SIZE,
        PAGE_SIZE, //
    }, //
};

/// Milliseconds before a call that the module was too busy for is made again.
const BUSY_MS: u32 = 5;
/// Most pages that a TDCS may have (`MAX_NUM_TDCS_PAGES` of the module is 9).
const TDCS_PAGES_MAX: u64 = 16;

/// A device did not answer, and the module does not say more than that an answer is missing.
pub(crate) fn unanswered() -> Refused {
    fault(TransportFault::NoAnswer)
}

/// A device answered TDISP_ERROR, which is an answer like others to the module.
pub(crate) fn tdisp_error(error: u32) -> Refused {
    detail(DetailClass::Tdisp, error as u16)
}

/// A device says that an interface is in a state that it should not be in.
pub(crate) fn wrong_state(state: u16) -> Refused {
    detail(DetailClass::WrongState, state)
}

/// After a session was lost the device showed other certificates than before.
pub(crate) fn other_device() -> Refused {
    let fault = AuthenticationFault::OtherDevice;
    detail(DetailClass::Authentication, fault as u16)
}

/// The status that the module refused something with.
pub(crate) fn status(refused: &Refused) -> Option<Status> {
    match refused.why {
        Refusal::Firmware => Status::from_rax(refused.tsm_code).ok(),
        _ => None,
    }
}

/// Register `n` of a result.
pub(crate) fn result(registers: &Registers, n: usize) -> u64 {
    registers.get(n).copied().unwrap_or_default()
}

/// The TDX module.
pub(crate) struct Module<'f, T> {
    transport: T,
    /// Pages that the control structure of a TD takes.
    tdcs_pages: usize,
    _firmware: PhantomData<&'f ()>,
}

impl<'f, T: FirmwareTransport<'f>> Module<'f, T> {
    /// The module behind `transport`, if it is one with TDX Connect.
    pub(crate) fn new(transport: T) -> Result<Self> {
        let mut module = Module {
            transport,
            tdcs_pages: 0,
            _firmware: PhantomData,
        };
        let refuse = |failure: Refused| {
            let code = failure.tsm_code;
            pr_err!("the TDX module does not say what it has: code {code:#x}\n");
            ENODEV
        };
        let features = module.read(FIELD_FEATURES0).map_err(refuse)?;
        if features & FEATURES0_TDXCONNECT == 0 {
            pr_err!("the TDX module assigns no devices\n");
            return Err(ENODEV);
        }
        let size = module.read(FIELD_TDCS_BASE_SIZE).map_err(refuse)?;
        let pages = size.div_ceil(PAGE_SIZE as u64);
        if pages > TDCS_PAGES_MAX {
            pr_err!("the TDX module wants {size} bytes for a TD\n");
            return Err(ENODEV);
        }
        module.tdcs_pages = pages as usize;
        Ok(module)
    }

    /// Pages that the control structure of a TD takes.
    pub(crate) fn tdcs_pages(&self) -> usize {
        self.tdcs_pages
    }

    /// Makes a call, again as long as the module is busy. Operands are those from `RCX` on. Returns
    /// all registers.
    pub(crate) fn call(
        &self,
        patience: &Patience,
        call: impl Into<Call>,
        operands: &[u64],
    ) -> Result<Registers, Refused> {
        let mut input: Registers = [0; X_COUNT];
        let words = Iterator::chain(once(call.into().raw()), operands.iter().copied());
        for (to, from) in input.iter_mut().zip(words) {
            *to = from;
        }
        self.make(patience, input)
    }

    /// Makes a call in the place of the guest whose TDR this is.
    pub(crate) fn call_as_guest(
        &self,
        patience: &Patience,
        tdr: u64,
        call: StandIn,
        operands: &[u64],
    ) -> Result<Registers, Refused> {
        let mut input: Registers = [0; X_COUNT];
        let words = Iterator::chain(once(Call::from(call).raw()), operands.iter().copied());
        for (to, from) in input.iter_mut().zip(words) {
            *to = from;
        }
        if let Some(rsi) = input.get_mut(RSI) {
            *rsi = tdr;
        }
        self.make(patience, input)
    }

    fn make(&self, patience: &Patience, input: Registers) -> Result<Registers, Refused> {
        loop {
            let mut registers = input;
            self.transport
                .call(&mut registers, patience)
                .map_err(unreached)?;
            let rax = result(&registers, RAX);
            if Status::is_success(rax) {
                return Ok(registers);
            }
            if !Status::from_rax(rax).is_ok_and(Status::is_busy) {
                return Err(Refused::by_firmware(rax));
            }
            match patience.wait(BUSY_MS) {
                Ok(()) => {}
                Err(Refusal::Firmware) => return Err(Refused::by_firmware(rax)),
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Makes a call that takes something back, and that may be made twice: one answer may be lost.
    pub(crate) fn call_twice(
        &self,
        patience: &Patience,
        leaf: Leaf,
        operands: &[u64],
    ) -> Result<Registers, Refused> {
        self.call(patience, leaf, operands)
            .or_else(|_| self.call(patience, leaf, operands))
    }

    fn read(&self, field: u64) -> Result<u64, Refused> {
        let registers = self.call(&Patience::operation(), Leaf::SysRd, &[0, field])?;
        Ok(result(&registers, R8))
    }

    /// New memory. It is the host's until a call makes something of it; nothing needs to be told to
    /// the module before.
    pub(crate) fn page(&self) -> Result<Granule<'f>, Refused> {
        Ok(self.transport.granule()?)
    }

    /// Takes memory back that the module had, and used with the key `hkid`. If it is not the host's
    /// again, nobody gets it any more; then false.
    ///
    /// A host has the lines of the page written back that are cached with that key, before it uses
    /// it; the module does that for pages that are the host's only.
    pub(crate) fn take_back(&self, patience: &Patience, page: Granule<'f>, hkid: u16) -> bool {
        if self.write_back(patience, &page, hkid).is_ok() {
            return true;
        }
        let address = page.bus_address();
        pr_warn!("the TDX module keeps the page at {address:#x}; its memory is lost\n");
        page.leak();
        false
    }

    /// As [`Module::take_back`], for memory that will be the module's again.
    pub(crate) fn write_back(
        &self,
        patience: &Patience,
        page: &Granule<'f>,
        hkid: u16,
    ) -> Result<(), Refused> {
        let operands = [with_key(page.bus_address(), hkid)];
        self.call_twice(patience, Leaf::PhymemPageWbinvd, &operands)?;
        Ok(())
    }
}
