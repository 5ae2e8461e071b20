// SPDX-License-Identifier: GPL-2.0

//! Calls into the RMM (Arm DEN0137, chapter "Realm Management Interface").

use core::{
    iter::once,
    marker::PhantomData, //
};
use kernel::prelude::*;
use pci_tsm::{
    patience::Patience,
    transport::{
        nonsense,
        unreached,
        FirmwareTransport,
        Registers, //
    },
};
use tsm_sys::granule::Granule;
use tsm_wire::{
    mailbox::X_COUNT,
    refusal::{
        Refusal,
        Refused, //
    },
    rmi::{
        Fid,
        Status,
        ABI_VERSION,
        FEATURE_DA,
        FEATURE_REGISTER_DA,
        GRANULE_SIZE, //
    }, //
};

/// Milliseconds before a call that the RMM was too busy for is made again.
const BUSY_MS: u32 = 5;

/// `tsm_code` of CCA: bits 15:0 are what the RMM returned (status and index), bits 63:32 the detail
/// of a failed communication.
fn tsm_code(x0: u64, detail: u64) -> u64 {
    (x0 & 0xffff) | detail << 32
}

/// The RMM returned a failure. `X1` is a detail of communications only; of other calls it may be an
/// address, which is nobody's business.
fn returned(fid: Fid, x0: u64, x1: u64) -> Refused {
    let detail = match fid {
        Fid::PdevCommunicate | Fid::VdevCommunicate => x1 & 0xffff_ffff,
        _ => 0,
    };
    Refused::by_firmware(tsm_code(x0, detail))
}

/// Is that what the RMM said?
pub(crate) fn is_status(refused: &Refused, status: Status) -> bool {
    refused.why == Refusal::Firmware && Status::from_x0(refused.tsm_code) == Ok(status)
}

/// Memory that was not delegated.
pub(crate) struct NotDelegated {
    refused: Refused,
    /// The RMM may have some of it all the same, and nobody else may use it.
    keeps: bool,
}

impl From<Refusal> for NotDelegated {
    fn from(why: Refusal) -> Self {
        NotDelegated {
            refused: why.into(),
            keeps: false,
        }
    }
}

impl From<NotDelegated> for Refused {
    fn from(failed: NotDelegated) -> Self {
        failed.refused
    }
}

/// The RMM.
pub(crate) struct Rmm<'f, T> {
    transport: T,
    _firmware: PhantomData<&'f ()>,
}

impl<'f, T: FirmwareTransport<'f>> Rmm<'f, T> {
    pub(crate) fn new(transport: T) -> Self {
        Rmm {
            transport,
            _firmware: PhantomData,
        }
    }

    /// Makes a call, again as long as the RMM is busy. Returns all registers.
    pub(crate) fn call(
        &self,
        patience: &Patience,
        fid: Fid,
        arguments: &[u64],
    ) -> Result<Registers, Refused> {
        loop {
            let mut registers: Registers = [0; X_COUNT];
            let words = Iterator::chain(once(fid.raw()), arguments.iter().copied());
            for (to, from) in registers.iter_mut().zip(words) {
                *to = from;
            }
            self.transport
                .call(&mut registers, patience)
                .map_err(unreached)?;
            let [x0, x1, ..] = registers;
            match Status::from_x0(x0) {
                Ok(Status::Success) => return Ok(registers),
                Ok(Status::Busy) => match patience.wait(BUSY_MS) {
                    Ok(()) => {}
                    Err(Refusal::Firmware) => return Err(returned(fid, x0, x1)),
                    Err(why) => return Err(why.into()),
                },
                _ => return Err(returned(fid, x0, x1)),
            }
        }
    }

    /// Is it an RMM that assigns devices?
    pub(crate) fn check(&self) -> Result {
        let patience = Patience::operation();
        let version = self.call(&patience, Fid::Version, &[ABI_VERSION]);
        let features = self.call(&patience, Fid::Features, &[FEATURE_REGISTER_DA]);
        match (version, features) {
            (Ok(_), Ok([_, features, ..])) if features & FEATURE_DA != 0 => Ok(()),
            (Err(failure), _) | (_, Err(failure)) => {
                let code = failure.tsm_code;
                pr_err!("the RMM does not answer as version 2.0 does: code {code:#x}\n");
                Err(ENODEV)
            }
            _ => {
                pr_err!("the RMM assigns no devices\n");
                Err(ENODEV)
            }
        }
    }

    /// New memory, the host's.
    pub(crate) fn granule(&self) -> Result<Granule<'f>, Refused> {
        Ok(self.transport.granule()?)
    }

    /// New memory, the RMM's: delegated to it.
    pub(crate) fn delegated(&self, patience: &Patience) -> Result<Granule<'f>, Refused> {
        let granule = self.granule()?;
        let base = granule.bus_address();
        match self.delegate(patience, base, GRANULE_SIZE as u64) {
            Ok(()) => Ok(granule),
            Err(failed) => {
                if failed.keeps {
                    granule.leak();
                }
                Err(failed.refused)
            }
        }
    }

    /// Takes memory back that the RMM had. If it does not give it back, nobody gets it any more; then
    /// false.
    pub(crate) fn reclaim(&self, patience: &Patience, granule: Granule<'f>) -> bool {
        let base = granule.bus_address();
        let take = || self.undelegate(patience, base, GRANULE_SIZE as u64);
        // twice: one answer may be lost
        let taken = take().or_else(|_| take()).or_else(|refused| {
            if !is_status(&refused, Status::ErrorInput) {
                return Err(refused);
            }
            // the first may have happened: then it is one to delegate again, and in use it is not
            self.delegate(patience, base, GRANULE_SIZE as u64)?;
            take()
        });
        if taken.is_ok() {
            return true;
        }
        pr_warn!("the RMM keeps the granule at {base:#x}; its memory is lost\n");
        granule.leak();
        false
    }

    /// Gives `len` bytes at `base` to the RMM; all, or none.
    pub(crate) fn delegate(
        &self,
        patience: &Patience,
        base: u64,
        len: u64,
    ) -> Result<(), NotDelegated> {
        let top = base.checked_add(len).ok_or(Refusal::Payload)?;
        let mut next = base;
        while next < top {
            match self.call(patience, Fid::GranuleRangeDelegate, &[next, top]) {
                Ok([_, end, ..]) if next < end && end <= top => next = end,
                failed => {
                    let refused = failed.err().unwrap_or(nonsense());
                    if refused.why == Refusal::Signal && next == base {
                        // nothing happened, and who sent it does not wait for the RMM either
                        return Err(refused.why.into());
                    }
                    // it may be that the answer alone was lost: from the first granule on that the
                    // RMM does not have it has none
                    let back = self.undelegate(&patience.undo(), base, len);
                    let keeps = back.is_err_and(|back| !is_status(&back, Status::ErrorInput));
                    return Err(NotDelegated { refused, keeps });
                }
            }
        }
        Ok(())
    }

    /// Takes `len` bytes at `base` back.
    pub(crate) fn undelegate(
        &self,
        patience: &Patience,
        base: u64,
        len: u64,
    ) -> Result<(), Refused> {
        let top = base.checked_add(len).ok_or(Refusal::Payload)?;
        let mut next = base;
        while next < top {
            let [_, end, ..] = self.call(patience, Fid::GranuleRangeUndelegate, &[next, top])?;
            if end <= next || end > top {
                return Err(nonsense());
            }
            next = end;
        }
        Ok(())
    }
}
