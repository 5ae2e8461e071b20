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
    object::{
        ObjectType,
        OBJECT_MAX_LEN, //
    },
    refusal::{
        Refusal,
        Refused, //
    },
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
    let mut collection = Collection {
        objects: Default::default(),
    };
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
        collection.append(part, information)?;
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

/// Objects that are being collected.
struct Collection {
    objects: [Option<KVVec<u8>>; ObjectType::ALL.len()],
}

impl Collection {
    fn append(&mut self, part: Information, page: &Granule<'_>) -> Result<(), Refused> {
        let len = part.len as usize;
        if len == 0 {
            return Ok(());
        }
        let slot = self.objects.get_mut(part.object as usize);
        let bytes = slot.ok_or(nonsense())?.get_or_insert_with(KVVec::new);
        append(bytes, page, 0, len)
    }

    fn store(self, evidence: &Evidence) -> Result<(), Refused> {
        for (object, bytes) in ObjectType::ALL.into_iter().zip(self.objects) {
            if let Some(bytes) = bytes {
                evidence
                    .put(object, bytes)
                    .map_err(|_| Refused::from(Refusal::Memory))?;
            }
        }
        Ok(())
    }
}

/// Appends `len` bytes of a page, from `offset` on, to an object.
pub(crate) fn append(
    bytes: &mut KVVec<u8>,
    page: &Granule<'_>,
    offset: usize,
    len: usize,
) -> Result<(), Refused> {
    let old = bytes.len();
    // a page at most, which is looked at when it is read
    let new = old.checked_add(len).ok_or(nonsense())?;
    if new > OBJECT_MAX_LEN {
        return Err(Refusal::Memory.into());
    }
    if bytes.capacity() < new {
        // twice the room each time, so that a large object is not copied for each message
        bytes
            .reserve(len.max(old), GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
    }
    bytes
        .resize(new, 0, GFP_KERNEL)
        .map_err(|_| Refusal::Memory)?;
    let room = bytes.get_mut(old..).ok_or(nonsense())?;
    page.read(offset, room).map_err(|_| nonsense())
}
