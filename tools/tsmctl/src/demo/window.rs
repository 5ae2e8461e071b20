// SPDX-License-Identifier: GPL-2.0

//! A range of the TDI's MMIO that is for its guest alone, seen from the host.

use anyhow::{ensure, Context};
use iommufd_tsm::{assignment::Region, report::ReportedRange, Assignment, Bar, InterfaceReport};
use std::fmt;

/// What a read gives when nobody answers it.
const ALL_ONES: u32 = u32::MAX;
/// Words that are read at the front of the range.
const WORDS: u64 = 2;

/// A range in a BAR.
pub(super) struct Window<'a> {
    range: ReportedRange,
    /// Its first byte, from the start of the BAR.
    offset: u64,
    region: &'a Region,
}

impl<'a> Window<'a> {
    /// The first range of the report that only the guest may use while the TDI runs. Tables of
    /// interrupts are no data to look at.
    pub(super) fn find(
        report: &InterfaceReport,
        bars: &[Bar],
        assignment: &'a Assignment<'_>,
    ) -> Option<Self> {
        let (range, bar) = choose(report, bars)?;
        Some(Window {
            range,
            offset: range.start.checked_sub(bar.start)?,
            region: assignment.bar(bar.index)?,
        })
    }

    pub(super) fn start(&self) -> u64 {
        self.range.start
    }

    /// Its number in the interface report.
    pub(super) fn range_id(&self) -> u16 {
        self.range.range_id
    }

    pub(super) fn len(&self) -> u64 {
        self.range.len
    }

    pub(super) fn host_sees_data(&self, when: &str) -> anyhow::Result<((), String)> {
        let words = self.read()?;
        ensure!(
            words.iter().any(|word| *word != ALL_ONES),
            "all ones at {self}, though the TDI is {when}"
        );
        Ok(((), line(&words)))
    }

    pub(super) fn host_sees_ones(&self, when: &str) -> anyhow::Result<((), String)> {
        let words = self.read()?;
        ensure!(
            words.iter().all(|word| *word == ALL_ONES),
            "{words:x?} at {self}, though the TDI is {when}"
        );
        Ok(((), line(&words)))
    }

    fn read(&self) -> anyhow::Result<Vec<u32>> {
        (0..WORDS)
            .map(|index| {
                let mut word = [0; size_of::<u32>()];
                self.region
                    .read(self.offset + index * word.len() as u64, &mut word)
                    .with_context(|| format!("reading {self}"))?;
                Ok(u32::from_le_bytes(word))
            })
            .collect()
    }
}

fn line(words: &[u32]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
    words.join(" ")
}

fn choose(report: &InterfaceReport, bars: &[Bar]) -> Option<(ReportedRange, Bar)> {
    let private = |range: &&ReportedRange| {
        !range.is_non_tee() && !range.is_msix_table() && !range.is_msix_pba() && range.len != 0
    };
    report.ranges.iter().filter(private).find_map(|range| {
        let bar = bars.iter().find(|bar| bar.holds(range.start, range.len))?;
        Some((*range, *bar))
    })
}

impl fmt::Display for Window<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.range.start + self.range.len - 1;
        write!(f, "{:#x}-{last:#x}", self.range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, attributes: u16) -> ReportedRange {
        ReportedRange {
            start,
            len: 0x1000,
            attributes,
            range_id: 0,
        }
    }

    #[test]
    fn what_the_host_may_use_is_not_chosen() {
        let report = InterfaceReport {
            interface_info: 0,
            msix_control: 0,
            lnr_control: 0,
            tph_control: 0,
            ranges: vec![
                range(0x1000, 4),
                range(0x2000, 1),
                range(0x9000, 0),
                range(0x3000, 0),
                range(0x4000, 0),
            ],
            device_specific: Vec::new(),
        };
        let bar = Bar {
            index: 2,
            start: 0x1000,
            len: 0x4000,
        };
        let (chosen, of) = choose(&report, &[bar]).unwrap();
        assert_eq!((chosen.start, of), (0x3000, bar));
        assert!(choose(&report, &[]).is_none());
    }
}
