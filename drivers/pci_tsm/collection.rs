// SPDX-License-Identifier: GPL-2.0

//! What firmware hands over of a device for the guest to examine, a part at a time.

use crate::transport::nonsense;
use kernel::prelude::*;
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
    }, //
};

/// Objects that are being collected.
#[derive(Default)]
pub struct Collection {
    objects: [Option<KVVec<u8>>; ObjectType::ALL.len()],
}

impl Collection {
    /// Appends `len` bytes of `page`, from `offset` on, to the object with this number.
    ///
    /// # Errors
    ///
    /// That this makes no sense: there is no such object, or no such part of a page. Or
    /// [`Refusal::Memory`], see [`append`].
    pub fn append(
        &mut self,
        object: u64,
        page: &Granule<'_>,
        offset: usize,
        len: usize,
    ) -> Result<(), Refused> {
        let object = usize::try_from(object).map_err(|_| nonsense())?;
        let slot = self.objects.get_mut(object).ok_or(nonsense())?;
        append(slot.get_or_insert_with(KVVec::new), page, offset, len)
    }

    /// Puts the objects where they can be read.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`].
    pub fn store(self, evidence: &Evidence) -> Result<(), Refused> {
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

/// Appends `len` bytes of `page`, from `offset` on, to an object.
///
/// # Errors
///
/// That this is no part of a page, which makes no sense. [`Refusal::Memory`] if there is none, or
/// the object becomes longer than [`OBJECT_MAX_LEN`].
pub fn append(
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
