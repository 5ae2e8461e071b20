// SPDX-License-Identifier: GPL-2.0

//! The provisioning agent, which opens the SPDM session of a device and collects what is to be known
//! about it; here, the stand-in for it.

use crate::{
    courier::{
        wait,
        Courier, //
    },
    module::{
        result,
        Module, //
    }, //
};
use kernel::prelude::*;
use pci_tsm::{
    collection::Collection,
    patience::Patience,
    transport::{
        nonsense,
        FirmwareTransport,
        Registers, //
    }, //
};
use tsm_core::evidence::Evidence;
use tsm_sys::granule::Granule;
use tsm_wire::{
    refusal::Refused,
    tdx::{
        register::{
            R14,
            RAX,
            RCX,
            RDX, //
        },
        tpa::{
            Information,
            Turn, //
        },
        StandIn,
        Status,
        IOMMU_ID, //
    }, //
};

/// Calls that one conversation may take: an object of the largest size, 1 KiB at a time.
const CALLS_MAX: usize = 16 * 1024;

/// Has the agent do something with the session `spdm`, carries its messages, and puts what it found
/// out into `evidence` when all of it went well. `information` is the page that it puts that into,
/// a part at a time; `operands` are those from `R12` on.
pub(crate) fn run<'f, T: FirmwareTransport<'f>>(
    module: &Module<'f, T>,
    courier: &mut Courier<'_, 'f>,
    information: &Granule<'f>,
    (call, spdm, operands): (StandIn, u16, [u64; 2]),
    evidence: &Evidence,
    patience: &mut Patience,
) -> Result<Registers, Refused> {
    let mut collection = Collection::default();
    let mut turn = Turn::Begin;
    for _ in 0..CALLS_MAX {
        let [r12, r13] = operands;
        let operands = [
            IOMMU_ID,
            u64::from(spdm),
            courier.answer_page(),
            turn.into(),
            courier.request_page(),
            information.bus_address(),
            r12,
            r13,
        ];
        let registers = module.call(patience, call, &operands)?;
        let part = Information::from_raw(result(&registers, RDX));
        if part.len != 0 {
            collection.append(part.object.into(), information, 0, part.len as usize)?;
        }
        if result(&registers, RAX) != Status::GoOn.raw() {
            collection.store(evidence)?;
            return Ok(registers);
        }
        if result(&registers, RCX) == 0 {
            turn = Turn::Nothing;
            continue;
        }
        patience.commit();
        if patience.is_over() {
            return Err(nonsense());
        }
        wait(patience, result(&registers, R14))?;
        turn = if courier.send()? {
            Turn::Answer
        } else {
            Turn::NoAnswer
        };
    }
    Err(nonsense())
}
