// SPDX-License-Identifier: GPL-2.0

//! Base address registers of a PCI function, as the host has assigned them.

/// `IORESOURCE_MEM` of the kernel's resource flags.
const MEMORY: u64 = 0x200;
/// Registers before the expansion ROM in sysfs `resource`.
const BARS: usize = 6;

/// A memory BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its register, 0 to 5.
    pub index: u8,
    /// Host physical address of its first byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

impl Bar {
    /// Does it hold all of `[start, start + len)`?
    #[must_use]
    pub const fn holds(&self, start: u64, len: u64) -> bool {
        match start.checked_sub(self.start) {
            Some(offset) => offset <= self.len && len <= self.len - offset,
            None => false,
        }
    }

    /// Memory BARs in a sysfs `resource` file: a line `start end flags` for each register, zeroes
    /// where there is none. `None` if that is not what the text is.
    #[must_use]
    pub fn parse_all(resource: &str) -> Option<Vec<Bar>> {
        let mut bars = Vec::new();
        for (index, line) in (0u8..).zip(resource.lines().take(BARS)) {
            let mut words = line.split_ascii_whitespace().map(hex);
            let (start, end, flags) = (words.next()??, words.next()??, words.next()??);
            if flags & MEMORY == 0 {
                continue;
            }
            let len = end.checked_sub(start)?.checked_add(1)?;
            bars.push(Bar { index, start, len });
        }
        Some(bars)
    }
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_file() {
        let text = "0x00000000fe800000 0x00000000fe803fff 0x0000000000040200\n\
                    0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                    0x000000c000000000 0x000000c00000ffff 0x000000000014220c\n\
                    0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                    0x000000000000c000 0x000000000000c01f 0x0000000000040101\n\
                    0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                    0x00000000fe700000 0x00000000fe77ffff 0x0000000000046200\n";
        let bars = [
            Bar {
                index: 0,
                start: 0xfe80_0000,
                len: 0x4000,
            },
            Bar {
                index: 2,
                start: 0xc0_0000_0000,
                len: 0x1_0000,
            },
        ];
        assert_eq!(Bar::parse_all(text).unwrap(), bars);
    }

    #[test]
    fn what_is_no_resource_file() {
        for text in [
            "x",
            "0x1 0x2",
            "0x2 0x1 0x200",
            "0x0 0xffffffffffffffff 0x200",
        ] {
            assert_eq!(Bar::parse_all(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_inside() {
        let bar = Bar {
            index: 0,
            start: 0x1000,
            len: 0x2000,
        };
        assert!(bar.holds(0x1000, 0x2000));
        assert!(bar.holds(0x2000, 0x1000));
        assert!(!bar.holds(0x2000, 0x1001));
        assert!(!bar.holds(0xfff, 1));
        assert!(!bar.holds(0x4000, 0));
        assert!(!bar.holds(0x2000, u64::MAX));
    }
}
