// SPDX-License-Identifier: GPL-2.0

//! Who owns which page.

use super::ground::{is_aligned, Ground, Kind};
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Clone, Copy, Debug)]
struct Page<U> {
    kind: Kind,
    used: U,
}

/// All pages that are not the host's, with what each is used for. What a use is, is the personality's
/// own; so are the ways from one to another.
#[derive(Debug)]
pub(super) struct Pages<U> {
    pages: BTreeMap<u64, Page<U>>,
}

impl<U> Default for Pages<U> {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
        }
    }
}

impl<U: Copy + PartialEq> Pages<U> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// What a page is used for; `None` if it is the host's.
    pub(super) fn used(&self, page: u64) -> Option<U> {
        self.pages.get(&page).map(|page| page.used)
    }

    /// Takes a page from the host, for this use. Returns whether there was one to take.
    pub(super) fn claim(&mut self, ground: &dyn Ground, page: u64, used: U) -> bool {
        let kind = ground
            .kind(page)
            .filter(|_| is_aligned(page) && !self.pages.contains_key(&page));
        let Some(kind) = kind else {
            return false;
        };
        self.pages.insert(page, Page { kind, used });
        true
    }

    /// Gives a page that has this use back to the host. Returns whether it had.
    pub(super) fn give_back(&mut self, page: u64, used: U) -> bool {
        let has = self.used(page) == Some(used);
        if has {
            self.pages.remove(&page);
        }
        has
    }

    /// Changes the use of a page of this kind from one to another. Returns whether it had the first.
    pub(super) fn turn(&mut self, page: u64, kind: Kind, from: U, to: U) -> bool {
        match self.pages.get_mut(&page) {
            Some(page) if page.kind == kind && page.used == from => {
                page.used = to;
                true
            }
            _ => false,
        }
    }

    /// Changes the use of a page, whatever it was. A page of the host's stays that.
    pub(super) fn set(&mut self, page: u64, used: U) {
        if let Some(page) = self.pages.get_mut(&page) {
            page.used = used;
        }
    }

    /// Whether a page is one that the host and the firmware may exchange data in.
    pub(super) fn is_host_memory(&self, ground: &dyn Ground, page: u64) -> bool {
        is_aligned(page)
            && !self.pages.contains_key(&page)
            && ground.kind(page) == Some(Kind::Memory)
    }

    /// The first page of a range that has this use.
    pub(super) fn first(&self, range: Range<u64>, used: U) -> Option<u64> {
        self.pages
            .range(range)
            .find(|(_, page)| page.used == used)
            .map(|(page, _)| *page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Memory below 64 KiB, a device up to 128 KiB.
    struct Flat;

    impl Ground for Flat {
        fn kind(&self, page: u64) -> Option<Kind> {
            match page {
                0..0x1_0000 => Some(Kind::Memory),
                0x1_0000..0x2_0000 => Some(Kind::Device),
                _ => None,
            }
        }

        fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }

        fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn from_the_host_and_back() {
        let mut pages = Pages::default();
        assert!(pages.claim(&Flat, 0x1000, 'a'));
        for (page, why) in [(0x1000, "taken"), (0x2800, "inside"), (0x2_0000, "nothing")] {
            assert!(!pages.claim(&Flat, page, 'a'), "{why}");
        }
        assert_eq!((pages.used(0x1000), pages.used(0x2000)), (Some('a'), None));
        assert!(!pages.turn(0x1000, Kind::Device, 'a', 'b'));
        assert!(!pages.turn(0x1000, Kind::Memory, 'b', 'a'));
        assert!(pages.turn(0x1000, Kind::Memory, 'a', 'b'));
        assert!(!pages.give_back(0x1000, 'a') && pages.len() == 1);
        pages.set(0x1000, 'c');
        pages.set(0x2000, 'c');
        assert!(pages.give_back(0x1000, 'c') && pages.len() == 0);
    }

    #[test]
    fn what_is_the_hosts() {
        let mut pages = Pages::default();
        assert!(pages.claim(&Flat, 0x2000, ()) && pages.claim(&Flat, 0x1_0000, ()));
        assert!(pages.is_host_memory(&Flat, 0x1000));
        for page in [0x1800, 0x2000, 0x1_1000, 0x3_0000] {
            assert!(!pages.is_host_memory(&Flat, page), "{page:#x}");
        }
        assert_eq!(pages.first(0..0x2000, ()), None);
        assert_eq!(pages.first(0..0x2001, ()), Some(0x2000));
    }
}
