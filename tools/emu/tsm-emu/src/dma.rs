// SPDX-License-Identifier: GPL-2.0

//! Memory of the guest that a function may reach: files that QEMU gives, by bus address.
//!
//! Accesses are reads and writes of the file and not of a mapping of it, so there is no memory
//! here that another process changes under a reference.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Weak};

#[derive(Debug)]
struct Region {
    size: u64,
    file: Arc<File>,
    offset: u64,
    writable: bool,
}

/// Which bus address is which part of which file.
#[derive(Debug, Default)]
pub struct DmaMap {
    regions: BTreeMap<u64, Region>,
    /// Open files by device and inode. QEMU sends a descriptor of the same file with each mapping,
    /// one for each page behind an IOMMU: keeping them all would exhaust the limit.
    files: BTreeMap<(u64, u64), Weak<File>>,
}

impl DmaMap {
    /// Maps a range.
    pub fn map(
        &mut self,
        address: u64,
        size: u64,
        file: File,
        offset: u64,
        writable: bool,
    ) -> io::Result<()> {
        let metadata = file.metadata()?;
        let key = (metadata.dev(), metadata.ino());
        let known = self.files.get(&key).and_then(Weak::upgrade);
        let file = known.unwrap_or_else(|| {
            let file = Arc::new(file);
            self.files.insert(key, Arc::downgrade(&file));
            file
        });
        let region = Region {
            size,
            file,
            offset,
            writable,
        };
        self.regions.insert(address, region);
        Ok(())
    }

    /// Unmaps every range that lies within this one.
    pub fn unmap(&mut self, address: u64, size: u64) {
        self.regions.retain(|base, region| {
            *base < address || region.size > size || base - address > size - region.size
        });
    }

    /// Unmaps everything.
    pub fn clear(&mut self) {
        self.regions.clear();
    }

    /// Whether all of a range is mapped.
    pub fn contains(&self, address: u64, length: u64) -> bool {
        self.pieces(address, length).is_some()
    }

    /// Reads.
    pub fn read(&self, address: u64, data: &mut [u8]) -> io::Result<()> {
        let pieces = self
            .pieces(address, data.len() as u64)
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut rest = data;
        for (region, offset, length) in pieces {
            let (part, after) = rest
                .split_at_mut_checked(length as usize)
                .ok_or(io::ErrorKind::InvalidInput)?;
            region.file.read_exact_at(part, offset)?;
            rest = after;
        }
        Ok(())
    }

    /// Writes.
    pub fn write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        let pieces = self
            .pieces(address, data.len() as u64)
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        if pieces.iter().any(|(region, ..)| !region.writable) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut rest = data;
        for (region, offset, length) in pieces {
            let (part, after) = rest
                .split_at_checked(length as usize)
                .ok_or(io::ErrorKind::InvalidInput)?;
            region.file.write_all_at(part, offset)?;
            rest = after;
        }
        Ok(())
    }

    /// The parts of files that make up a range, or `None` if some of it is not mapped.
    fn pieces(&self, address: u64, length: u64) -> Option<Vec<(&Region, u64, u64)>> {
        let end = address.checked_add(length)?;
        let mut pieces = Vec::new();
        let mut at = address;
        while at < end {
            let (base, region) = self.regions.range(..=at).next_back()?;
            let into = at - base;
            let left = region.size.checked_sub(into).filter(|left| *left != 0)?;
            let length = left.min(end - at);
            pieces.push((region, region.offset.checked_add(into)?, length));
            at += length;
        }
        Some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64) -> File {
        let path = std::env::temp_dir().join(format!("tsm-emu-dma-{}-{name}", std::process::id()));
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(size).unwrap();
        file
    }

    #[test]
    fn pieces_of_files() {
        let mut map = DmaMap::default();
        let one = file("one", 0x3000);
        let two = file("two", 0x1000);
        map.map(0x1_0000, 0x1000, one.try_clone().unwrap(), 0x2000, true)
            .unwrap();
        map.map(0x1_1000, 0x1000, two.try_clone().unwrap(), 0, true)
            .unwrap();
        map.map(0x1_2000, 0x1000, one.try_clone().unwrap(), 0x1000, false)
            .unwrap();
        assert_eq!(map.files.len(), 2);
        map.write(0x1_0ffe, &[1, 2, 3, 4]).unwrap();
        let mut data = [0; 4];
        map.read(0x1_0ffe, &mut data).unwrap();
        assert_eq!(data, [1, 2, 3, 4]);
        one.read_exact_at(&mut data[..2], 0x2ffe).unwrap();
        two.read_exact_at(&mut data[2..], 0).unwrap();
        assert_eq!(data, [1, 2, 3, 4]);
        assert!(map.write(0x1_1ffe, &[0; 4]).is_err());
        assert!(map.read(0x1_2ffe, &mut data).is_err());
        assert!(map.read(0xfffe, &mut data).is_err());
        assert!(map.read(u64::MAX - 1, &mut data).is_err());
        assert!(map.contains(0x1_0000, 0x3000) && !map.contains(0x1_0000, 0x3001));
        map.unmap(0x1_1000, 0x1000);
        assert!(
            !map.contains(0x1_1000, 1)
                && map.contains(0x1_0000, 0x1000)
                && map.contains(0x1_2000, 1)
        );
        map.unmap(0, u64::MAX);
        assert!(!map.contains(0x1_0000, 1));
    }
}
