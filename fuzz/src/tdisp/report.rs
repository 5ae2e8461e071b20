// SPDX-License-Identifier: GPL-2.0

//! Interface reports.

use crate::Input;
use tdisp::interface_report::{Range, PAGE_SIZE};
use tdisp::InterfaceReport;

/// An offset to encode with, then a report.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let offset = input.double() / PAGE_SIZE * PAGE_SIZE;
    let bytes = input.rest();
    let Some(report) = InterfaceReport::decode(bytes) else {
        return;
    };
    // Two bytes are reserved.
    let mut plain = bytes.to_vec();
    plain[2..4].fill(0);
    assert_eq!(report.encode(0), plain);
    assert_eq!(
        bytes.len(),
        20 + 16 * report.ranges.len() + report.device_info.len()
    );
    // An offset moves the addresses, and nothing else.
    let moved = InterfaceReport::decode(&report.encode(offset)).unwrap();
    let there = |range: &Range| Range {
        address: range.address.wrapping_add(offset),
        ..*range
    };
    let expected = InterfaceReport {
        ranges: report.ranges.iter().map(there).collect(),
        ..report
    };
    assert_eq!(moved, expected);
}

/// With two ranges, and with none.
pub fn seeds() -> Vec<Vec<u8>> {
    let range = |address, id| Range {
        address,
        pages: 4,
        attributes: 8,
        id,
    };
    let long = InterfaceReport {
        info: 3,
        msix_control: 7,
        ranges: vec![range(0x1000, 0), range(0xffff_ffff_ffff_f000, 2)],
        device_info: b"info".to_vec(),
        ..InterfaceReport::default()
    };
    [(0x10_0000u64, long), (0, InterfaceReport::default())]
        .iter()
        .map(|(offset, report)| [&offset.to_le_bytes(), report.encode(0).as_slice()].concat())
        .collect()
}
