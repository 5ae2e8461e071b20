// SPDX-License-Identifier: GPL-2.0

//! TDISP requests, by the TDX module: the host's, and those of the guest that the host passes on.

use crate::{
    device::{
        Desk,
        Device, //
    },
    module::{
        result,
        tdisp_error,
        wrong_state, //
    }, //
};
use kernel::prelude::*;
use pci_tsm::{
    collection::append,
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_wire::{
    object::ObjectType,
    refusal::{
        Refusal,
        Refused, //
    },
    tdx::{
        devif::{
            request,
            response,
            ResponseOut,
            TdispCode,
            TdispState,
            NO_FW_UPDATE,
            REPORT_PORTION,
            TD_FLAG, //
        },
        register::RCX,
        status::Operand,
        Leaf,
        StandIn, //
    }, //
};

/// Portions that a report may have: its length is 16 bits, and a portion is not empty.
const PORTIONS_MAX: usize = 256;

/// A function of a connected device, and the TD that it belongs to.
pub(crate) struct Interface<'t, 'a, 'f, T: FirmwareTransport<'f>> {
    pub(crate) device: &'t Device<'a, 'f, T>,
    /// Requester ID.
    pub(crate) function: u64,
    pub(crate) tdr: u64,
}

impl<'f, T: FirmwareTransport<'f>> Interface<'_, '_, 'f, T> {
    /// Makes a call in the place of the guest.
    pub(crate) fn as_guest(
        &self,
        patience: &Patience,
        call: StandIn,
        operands: &[u64],
    ) -> Result<ResponseOut, Refused> {
        let module = &self.device.tdx.module;
        let registers = module.call_as_guest(patience, self.tdr, call, operands)?;
        Ok(ResponseOut(result(&registers, RCX)))
    }

    /// Has a request of the host's answered, by `expected`.
    pub(crate) fn ask(
        &self,
        patience: &mut Patience,
        code: TdispCode,
        expected: TdispCode,
    ) -> Result<ResponseOut, Refused> {
        let request = match code {
            // what was measured is what is locked
            TdispCode::Lock => request(code) | NO_FW_UPDATE,
            _ => request(code),
        };
        let out = self.device.in_session(patience, Operand::Rcx, |patience| {
            self.device
                .at_desk(|desk| self.pass(desk, patience, request, 0))
        })?;
        check(out, expected)
    }

    /// The state that the device says it is in.
    pub(crate) fn state(&self, patience: &mut Patience) -> Result<TdispState, Refused> {
        let out = self.ask(patience, TdispCode::GetState, TdispCode::State)?;
        TdispState::try_from(out.state()).map_err(|_| nonsense())
    }

    /// Is the device where it was told to go? That it answered the request says little of that, and
    /// the module does not ask.
    pub(crate) fn expect(
        &self,
        expected: TdispState,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let state = self.state(patience)?;
        if state == expected {
            Ok(())
        } else {
            Err(wrong_state(u64::from(state) as u16))
        }
    }

    /// Has a request of the guest's answered. What the guest gets is in the paper on the desk, if
    /// it wants it.
    fn ask_as_guest(
        &self,
        desk: &mut Desk<'_, 'f>,
        patience: &mut Patience,
        code: TdispCode,
        expected: TdispCode,
        wanted: bool,
    ) -> Result<ResponseOut, Refused> {
        let function = self.function;
        let asked = self.as_guest(patience, StandIn::DevifRequest, &[function, code.into()]);
        match &asked {
            // nothing happened, and who sent the signal does not wait
            Err(refused) if refused.why == Refusal::Signal => return asked,
            _ => {}
        }
        // if the module does not know of it, it says so; if it does, it has to come to its end
        let mut passed = self.pass(desk, patience, TD_FLAG, TD_FLAG);
        if let (Ok(_), Err(refused)) = (&asked, &passed) {
            // it may wait yet, and the guest may ask for nothing else before it was answered
            patience.commit();
            let again = self.pass(desk, &mut patience.undo(), TD_FLAG, TD_FLAG);
            if refused.why == Refusal::Signal && again.is_ok() {
                passed = again;
            }
        }
        let page = if wanted { desk.paper.bus_address() } else { 0 };
        let take = |patience: &Patience| {
            self.as_guest(patience, StandIn::DevifResponse, &[function, page])
        };
        let taken = match (&asked, &passed) {
            (Ok(_), Ok(_)) => take(patience),
            (Err(_), Err(_)) => return asked,
            _ => take(&patience.undo()),
        };
        if taken.is_err() {
            // twice: the guest may ask for nothing else before it has it
            let _ = take(&patience.undo());
        }
        asked?;
        passed?;
        check(taken?, expected)
    }

    /// Starts the interface, as the guest wants it.
    pub(crate) fn start(&self, patience: &mut Patience) -> Result<(), Refused> {
        self.device.at_desk(|desk| {
            let (start, started) = (TdispCode::Start, TdispCode::Started);
            self.ask_as_guest(desk, patience, start, started, false)
        })?;
        Ok(())
    }

    /// Reads the interface report, as the guest wants it, for others to read.
    pub(crate) fn report(
        &self,
        evidence: &Evidence,
        patience: &mut Patience,
    ) -> Result<(), Refused> {
        let mut report = KVVec::new();
        for _ in 0..PORTIONS_MAX {
            let left = self.device.at_desk(|desk| {
                let (get, got) = (TdispCode::GetReport, TdispCode::Report);
                let out = self.ask_as_guest(desk, patience, get, got, true)?;
                let len = usize::from(out.portion());
                append(&mut report, &desk.paper, REPORT_PORTION, len)?;
                Ok::<_, Refused>(out.remainder())
            })?;
            if left == 0 {
                return evidence
                    .put(ObjectType::InterfaceReport, report)
                    .map_err(|_| Refusal::Memory.into());
            }
        }
        Err(nonsense())
    }

    /// Passes a request on: the host's, or with [`TD_FLAG`] the guest's.
    fn pass(
        &self,
        desk: &mut Desk<'_, 'f>,
        patience: &mut Patience,
        request: u64,
        flag: u64,
    ) -> Result<ResponseOut, Refused> {
        let module = &self.device.tdx.module;
        let function = self.function;
        let registers = desk.courier.converse(
            patience,
            |patience, page| module.call(patience, Leaf::DevifRequest, &[function, request, page]),
            |patience, page| {
                let operands = [function, response(page) | flag, 0];
                module.call(patience, Leaf::DevifResponse, &operands)
            },
        )?;
        Ok(ResponseOut(result(&registers, RCX)))
    }
}

/// Is it the answer that was to come?
fn check(out: ResponseOut, expected: TdispCode) -> Result<ResponseOut, Refused> {
    match TdispCode::try_from(out.code()) {
        Ok(code) if code == expected => Ok(out),
        Ok(TdispCode::Error) => Err(tdisp_error(out.error())),
        _ => Err(nonsense()),
    }
}
