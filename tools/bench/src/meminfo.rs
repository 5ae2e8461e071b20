// SPDX-License-Identifier: GPL-2.0

//! `/proc/meminfo`.

use anyhow::Context;
use std::fs;

/// Bytes that are mapped by vmalloc.
pub(crate) fn vmalloc_used() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    field(&text, "VmallocUsed").context("/proc/meminfo has no VmallocUsed")
}

fn field(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes() {
        let text = "VmallocTotal:   34359738367 kB\nVmallocUsed:        2040 kB\n";
        assert_eq!(field(text, "VmallocUsed"), Some(2040 * 1024));
        assert_eq!(field(text, "Vmalloc"), None);
        assert_eq!(field("VmallocUsed: x kB", "VmallocUsed"), None);
    }
}
