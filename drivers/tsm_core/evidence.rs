// SPDX-License-Identifier: GPL-2.0

//! Evidence: objects that a guest examines before it trusts a device.
//!
//! A store belongs to a connected device or to a TDI. Its objects never change: a new one takes the
//! place of an old one, and who reads the old one keeps it until the end of the read. Reading needs
//! no lock of PCI/TSM, and no copy between the store and user memory.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock,
        UniqueArc, //
    }, //
};
use tsm_wire::object::{
    ObjectType,
    OBJECT_MAX_LEN,
    OBJECT_TYPES, //
};

/// An object.
pub struct Object {
    generation: u64,
    bytes: KVVec<u8>,
}

impl Object {
    /// How many objects of its kind the store had before it, and itself.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Default)]
struct Slot {
    generation: u64,
    object: Option<Arc<Object>>,
}

/// A store.
#[pin_data]
pub struct Evidence {
    /// Bytes in each object, 0 if there is none: for those who want no more, without the lock.
    /// Written under it.
    lengths: [Atomic<u32>; OBJECT_TYPES],
    #[pin]
    slots: SpinLock<[Slot; OBJECT_TYPES]>,
}

impl Evidence {
    /// An empty one, in memory of its own.
    ///
    /// Never inlined: the class of its lock would be another one in each module.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline(never)]
    pub fn boxed() -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(Self::new(), GFP_KERNEL)
    }

    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lengths: [const { Atomic::new(0) }; OBJECT_TYPES],
            slots <- new_spinlock!(<[Slot; OBJECT_TYPES]>::default(), "Evidence::slots"),
        })
    }

    /// The object of this kind, if there is one now.
    #[inline]
    pub fn get(&self, object: ObjectType) -> Option<Arc<Object>> {
        let slots = self.slots.lock();
        slots.get(object as usize)?.object.clone()
    }

    /// Length in bytes of the object of this kind, 0 if there is none.
    #[inline]
    pub fn length(&self, object: ObjectType) -> u32 {
        let length = self.lengths.get(object as usize);
        length.map_or(0, |length| length.load(Relaxed))
    }

    /// Notes the length of what is in a slot now. Under the lock of the slots.
    fn note(&self, object: ObjectType, slot: &Slot) {
        // at most OBJECT_MAX_LEN
        let now = slot.object.as_ref().map_or(0, |o| o.bytes.len() as u32);
        if let Some(length) = self.lengths.get(object as usize) {
            length.store(now, Relaxed);
        }
    }

    /// Puts a new object in the place of what was there.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` beyond [`OBJECT_MAX_LEN`], `ENOMEM`; what was there stays then.
    pub fn put(&self, object: ObjectType, bytes: KVVec<u8>) -> Result {
        if bytes.len() > OBJECT_MAX_LEN {
            return Err(EMSGSIZE);
        }
        let mut new = UniqueArc::new(
            Object {
                generation: 0,
                bytes,
            },
            GFP_KERNEL,
        )?;
        let old = {
            let mut slots = self.slots.lock();
            let slot = slots.get_mut(object as usize).ok_or(EINVAL)?;
            slot.generation = slot.generation.wrapping_add(1);
            new.generation = slot.generation;
            let old = slot.object.replace(new.into());
            self.note(object, slot);
            old
        };
        // not under the lock: it may be large
        drop(old);
        Ok(())
    }

    /// Takes an object away.
    pub fn remove(&self, object: ObjectType) {
        let old = {
            let mut slots = self.slots.lock();
            slots.get_mut(object as usize).and_then(|slot| {
                let old = slot.object.take();
                self.note(object, slot);
                old
            })
        };
        drop(old);
    }

    /// Shares the objects of `device` that this store has none of.
    pub fn share(&self, device: &Evidence) {
        for object in ObjectType::ALL {
            let Some(shared) = device.get(object) else {
                continue;
            };
            let mut slots = self.slots.lock();
            if let Some(slot) = slots.get_mut(object as usize) {
                if slot.object.is_none() {
                    slot.generation = shared.generation;
                    slot.object = Some(shared);
                    self.note(object, slot);
                }
            }
        }
    }
}
