// SPDX-License-Identifier: GPL-2.0

//! What several devices or TDIs have in common in the firmware: made for the first of them, and
//! ended with the last.
//!
//! A VM is such a thing, and so is a root port. They are few, so a table of them is searched from
//! its beginning. It is locked while one is made or ended, so that nobody joins what is half there;
//! the making of one may wait for that of another, as long as the patience of who makes that lasts.

use crate::patience::Patience;
use kernel::{
    prelude::*,
    sync::{
        LockClassKey,
        Mutex, //
    }, //
};
use tsm_sys::granule::Granule;
use tsm_wire::refusal::{
    Refusal,
    Refused, //
};

/// Milliseconds between two looks whether the table is free.
const POLL_MS: u32 = 2;

/// A thing that can be shared.
pub trait Share {
    /// What who has joined it knows it by; no two that exist have the same.
    type Name: Copy + PartialEq;

    /// Its name.
    fn name(&self) -> Self::Name;
}

impl Share for Granule<'_> {
    type Name = u64;

    fn name(&self) -> u64 {
        self.bus_address()
    }
}

struct Entry<K, V> {
    /// What it is of; `None` if nobody joins it any more.
    key: Option<K>,
    /// How many have joined it.
    users: usize,
    value: V,
}

/// Things of one kind, each of what a `K` tells from others.
#[pin_data]
pub struct Shared<K, V> {
    #[pin]
    entries: Mutex<KVec<Entry<K, V>>>,
}

impl<K: PartialEq, V: Share> Shared<K, V> {
    /// None yet. `class` is `kernel::static_lock_class!()`: each kind has a class of its own, since
    /// one kind may be made while another is locked.
    pub fn new(
        name: &'static CStr,
        class: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> + use<K, V> {
        pin_init!(Self {
            entries <- Mutex::new(KVec::new(), name, class),
        })
    }

    /// Joins the one of `key`, which `make` makes if there is none. Returns its name.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`], [`Refusal::Signal`], that others take too long, and what `make` has.
    pub fn join(
        &self,
        patience: &Patience,
        key: K,
        make: impl FnOnce() -> Result<V, Refused>,
    ) -> Result<V::Name, Refused> {
        // not lock(): whoever has it may wait for long, and a signal would have to wait with us
        let mut entries = loop {
            match self.entries.try_lock() {
                Some(entries) => break entries,
                None => patience.wait(POLL_MS)?,
            }
        };
        let mut of_key = entries.iter_mut();
        if let Some(entry) = of_key.find(|entry| entry.key.as_ref() == Some(&key)) {
            entry.users += 1;
            return Ok(entry.value.name());
        }
        entries
            .reserve(1, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        let value = make()?;
        let name = value.name();
        let entry = Entry {
            key: Some(key),
            users: 1,
            value,
        };
        // reserved above
        entries
            .push(entry, GFP_KERNEL)
            .map_err(|_| Refusal::Memory)?;
        Ok(name)
    }

    /// Nobody joins the one of this name any more, whatever its key is the key of by and by: the
    /// firmware keeps something of it that nobody can get rid of.
    pub fn abandon(&self, name: V::Name) {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.iter_mut().find(|e| e.value.name() == name) {
            entry.key = None;
        }
    }

    /// One that has joined it leaves; the last has `end` end it.
    pub fn leave(&self, name: V::Name, end: impl FnOnce(V)) {
        let mut entries = self.entries.lock();
        let Some(index) = entries.iter().position(|e| e.value.name() == name) else {
            return;
        };
        let Some(entry) = entries.get_mut(index) else {
            return;
        };
        entry.users -= 1;
        if entry.users != 0 {
            return;
        }
        if let Ok(entry) = entries.remove(index) {
            end(entry.value);
        }
    }
}
