// SPDX-License-Identifier: GPL-2.0

//! Trees of pages that the host gives: the table of device interfaces (DEVIFMT) and that of MMIO
//! (MMIOMT). What is in a page nobody outside of the module sees, so only which pages there are is
//! kept.

use std::collections::BTreeMap;

/// How a tree is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Level of the root's entry. Entries of level 0 are leaves.
    pub(super) root: u32,
    /// Bits of a key that stand below an entry of level 1 which points to a page.
    pub(super) lowest: u32,
    /// Bits of a key that each level more has.
    pub(super) step: u32,
}

/// A tree.
#[derive(Debug)]
pub(super) struct Table {
    form: Form,
    /// Pages by the level of the entry that points to them, and the part of the key above it.
    pages: BTreeMap<(u32, u64), u64>,
}

impl Table {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            pages: BTreeMap::new(),
        }
    }

    /// Which entry of a level points to the page that a key is below.
    fn entry(&self, level: u32, key: u64) -> (u32, u64) {
        let bits = self.form.lowest + self.form.step * level.saturating_sub(1);
        let above = if level >= self.form.root {
            0
        } else {
            key.checked_shr(bits).unwrap_or(0)
        };
        (level, above)
    }

    /// Whether a walk gets to the entry of this level.
    pub(super) fn reaches(&self, level: u32, key: u64) -> bool {
        (level + 1..=self.form.root).all(|above| self.pages.contains_key(&self.entry(above, key)))
    }

    /// The page that the entry of this level points to.
    pub(super) fn page(&self, level: u32, key: u64) -> Option<u64> {
        self.pages.get(&self.entry(level, key)).copied()
    }

    /// Lets the entry of this level point to a page.
    pub(super) fn add(&mut self, level: u32, key: u64, page: u64) {
        let entry = self.entry(level, key);
        self.pages.insert(entry, page);
    }

    /// Takes the page away that the entry of this level points to.
    pub(super) fn remove(&mut self, level: u32, key: u64) {
        let entry = self.entry(level, key);
        self.pages.remove(&entry);
    }

    /// Whether two keys have the same entry of this level above them.
    pub(super) fn share(&self, level: u32, one: u64, other: u64) -> bool {
        self.entry(level, one) == self.entry(level, other)
    }

    /// Whether no entry of the page that this entry points to points to another page.
    pub(super) fn is_leafless(&self, level: u32, key: u64) -> bool {
        let Some(below) = level.checked_sub(1).filter(|below| *below != 0) else {
            return true;
        };
        let entry = self.entry(level, key);
        !self
            .pages
            .keys()
            .any(|(other, above)| *other == below && self.parent(below, *above) == entry)
    }

    /// The entry above one.
    fn parent(&self, level: u32, above: u64) -> (u32, u64) {
        let up = level + 1;
        let key = if up >= self.form.root {
            0
        } else {
            above >> self.form.step
        };
        (up, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        // That of device interfaces.
        let mut table = Table::new(Form {
            root: 4,
            lowest: 9,
            step: 9,
        });
        assert!(table.reaches(4, 0x100) && !table.reaches(3, 0x100));
        for level in (1..=4).rev() {
            assert!(table.reaches(level, 0x100));
            assert_eq!(table.page(level, 0x100), None);
            table.add(level, 0x100, u64::from(level) << 12);
        }
        assert!(table.reaches(0, 0x100) && table.reaches(0, 0x1ff));
        assert!(!table.reaches(0, 0x200) && table.reaches(1, 0x200));
        assert!(table.is_leafless(1, 0x100));
        for level in 2..=4 {
            assert!(!table.is_leafless(level, 0x100));
        }
        assert!(table.share(1, 0x100, 0x1ff) && !table.share(1, 0x100, 0x200));
        table.remove(1, 0x1ff);
        assert!(table.is_leafless(2, 0x100) && !table.reaches(0, 0x100));
    }
}
