// SPDX-License-Identifier: GPL-2.0

//! Inputs to begin with.

use super::life::LIFE;
use super::operands::{calls, TDR};
use crate::seeds::bytes;
use tsm_wire::tdx::{Call, Leaf, StandIn};

/// From each height: what comes next, whole, changed, lost and given up; each call; and the end.
pub fn seeds() -> Vec<Vec<u8>> {
    const TOP: u8 = LIFE.len() as u8;
    let from = |height: u8, events: &[Vec<u8>]| [vec![height], events.concat()].concat();
    let mut all: Vec<_> = (0..=TOP).map(|height| vec![height]).collect();
    for (call, _) in calls().into_iter().zip(0u8..) {
        all.push(from(TOP, &[vec![0, number(call), 0]]));
        all.push(from(6, &[vec![0, number(call), 1]]));
    }
    let scripts: [&[u8]; 5] = [&[], &[11, 40, 0, 1], &[12], &[0, 12], &[15]];
    for script in scripts {
        for (height, which) in [(2, 0), (3, 2), (7, 2), (4, 3), (6, 4), (8, 7), (12, 8)] {
            all.push(from(height, &[talk(which, script), talk(which, &[])]));
        }
        for (height, which) in [(7, 5), (TOP, 5), (7, 6), (TOP, 1), (8, 9)] {
            all.push(from(height, &[talk(which, script), talk(which, &[])]));
        }
    }
    // A page of the module's where one of the host's belongs.
    let page =
        |call: Call, variant: u8, operand: u8| vec![1, number(call), variant, operand, 0, TDR];
    for (leaf, variant, operand) in [
        (Leaf::MngCreate, 0, 0),
        (Leaf::SpdmCreate, 0, 2),
        (Leaf::IdeStreamCreate, 0, 9),
        (Leaf::IdeStreamIdekmreq, 0, 5),
        (Leaf::IdeStreamIdekmrsp, 0, 2),
        (Leaf::DevifCreate, 1, 2),
        (Leaf::DevifCreate, 1, 3),
        (Leaf::DevifRequest, 6, 2),
        (Leaf::DevifResponse, 0, 1),
        (Leaf::DevifResponse, 3, 2),
        (Leaf::DevifMtAdd, 0, 1),
        (Leaf::MmioMtAdd, 0, 1),
    ] {
        all.push(from(TOP, &[page(leaf.into(), variant, operand)]));
    }
    for operand in [2, 4, 5, 6] {
        all.push(from(TOP, &[page(StandIn::TpaMeasure.into(), 4, operand)]));
    }
    // Other functions, and a stream of an endpoint in the root complex.
    all.push(from(
        6,
        &[leaf(Leaf::DevifCreate, 1), leaf(Leaf::DevifCreate, 2)],
    ));
    all.push(from(
        3,
        &[vec![0, number(StandIn::IntegratedStream.into()), 0]],
    ));
    // The device is configured anew, lies, and is found out.
    all.push(from(7, &[vec![5, 0, 0], talk(6, &[])]));
    all.push(from(7, &[vec![6, 0], talk(6, &[])]));
    all.push(from(2, &[vec![5, 0, 2, 0, 5], talk(0, &[])]));
    // Taken apart, and the same with a stream that is blocked first.
    let end = end();
    all.push(from(TOP, &end));
    let blocked = [vec![leaf(Leaf::IdeStreamBlock, 0)], end].concat();
    all.push(from(TOP, &blocked));
    all
}

/// The number of a call in an input.
fn number(call: Call) -> u8 {
    let position = calls().iter().position(|other| *other == call);
    position.unwrap() as u8
}

/// The event of a call with good operands.
fn leaf(leaf: Leaf, variant: u8) -> Vec<u8> {
    vec![0, number(leaf.into()), variant]
}

/// The event of a conversation.
fn talk(which: u8, script: &[u8]) -> Vec<u8> {
    [&[4, which, 0][..], &bytes(script)].concat()
}

/// Events that take everything back that there is at the top.
fn end() -> Vec<Vec<u8>> {
    let stop = [
        talk(5, &[]),
        leaf(Leaf::DmarBlock, 0),
        leaf(Leaf::IqInvRequest, 0),
        leaf(Leaf::IqInvProcess, 0),
        leaf(Leaf::DmarRemove, 0),
        leaf(Leaf::MmioBlock, 0),
        leaf(Leaf::MemTrack, 0),
        leaf(Leaf::MmioUnmap, 0),
        leaf(Leaf::MmioMtSet, 3),
        leaf(Leaf::DevifRemove, 0),
    ];
    let tables = (0..5).rev().flat_map(|level| {
        [
            leaf(Leaf::MmioMtRemove, level),
            leaf(Leaf::DevifMtRemove, level),
        ]
    });
    let end = [
        leaf(Leaf::IdeStreamBlock, 0),
        leaf(Leaf::IdeStreamDelete, 0),
        talk(1, &[]),
        leaf(Leaf::SpdmDelete, 0),
        leaf(Leaf::MngVpflushdone, 0),
        leaf(Leaf::PhymemCacheWb, 0),
        leaf(Leaf::MngKeyFreeid, 0),
        leaf(Leaf::PhymemPageReclaim, 0),
        leaf(Leaf::PhymemPageReclaim, 1),
    ];
    stop.into_iter().chain(tables).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rig;
    use super::*;
    use crate::Input;

    /// Inputs reach everything there is, and the end of it.
    #[test]
    fn up_and_down() {
        let mut rig = Rig::new();
        rig.rise(LIFE.len());
        assert_eq!(rig.host.counts(), [1, 1, 1, 16]);
        for event in end() {
            rig.event(&mut Input::new(&event));
        }
        assert_eq!(rig.host.counts(), [0; 4]);
        assert!(rig.host.memory.owners.borrow().is_empty());
    }
}
