// SPDX-License-Identifier: GPL-2.0

//! Verification of certificate chains: only what the trusted root says is believed.

use super::identity::{Identity, NOW};
use crate::{seeds, Input};
use sha2::{Digest, Sha384};
use spdm::{CertificateChain, ChainFault, Trust, CHAIN_PREFIX_SIZE};

/// Where the first certificate starts.
const FIRST: usize = CHAIN_PREFIX_SIZE;

fn pool() -> [&'static [u8]; 8] {
    let identity = Identity::get();
    let [first, second, third, fourth] = &identity.foreign;
    [
        &identity.root,
        &identity.vendor,
        &identity.leaf,
        &identity.direct,
        first,
        second,
        third,
        fourth,
    ]
}

/// What the trusted root stands for, with and without itself.
const GOOD: [&[u8]; 4] = [&[0, 1, 2], &[0, 3], &[1, 2], &[3]];

/// Certificates by their numbers, changes to them; or any bytes.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let trust = Identity::get().trust();
    let mut chain = if input.flag() {
        input.rest().to_vec()
    } else {
        let count = input.byte() % 6;
        let numbers: Vec<u8> = (0..count).map(|_| input.byte() % 8).collect();
        assemble(&numbers, input.flag())
    };
    let original = chain.clone();
    let changes = input.byte() % 4;
    for _ in 0..changes {
        change(&mut chain, &mut input);
    }
    let Ok(key) = trust.verify(&chain) else {
        // Nothing of what is good is refused.
        if original == chain {
            assert!(!GOOD.iter().any(|good| assemble(good, true) == chain));
        }
        return;
    };
    assert!(is_good(&chain), "another chain is believed");
    let identity = Identity::get();
    let digest = [7; 48];
    let signature = identity.device.sign(&digest).to_bytes().into();
    assert!(key.verify(&digest, &signature));
    // At other times, or with other trust, it is not believed.
    let early = Trust {
        now: 0,
        ..trust.clone()
    };
    assert_eq!(early.verify(&chain).err(), Some(ChainFault::NotYetValid));
    let late = Trust {
        now: NOW * 4,
        ..trust
    };
    assert_eq!(late.verify(&chain).err(), Some(ChainFault::Expired));
    let nobody = Trust::default();
    assert_eq!(nobody.verify(&chain).err(), Some(ChainFault::Untrusted));
}

/// Whether it is one of the good ones. The root signed itself, and may come more than once.
fn is_good(chain: &[u8]) -> bool {
    let [root, vendor, leaf, direct, ..] = pool();
    let mut certificates = &chain[FIRST..];
    while let Some(rest) = certificates.strip_prefix(root) {
        certificates = rest;
    }
    let rooted = chain[4..FIRST] == *Sha384::digest(root);
    rooted && (certificates == [vendor, leaf].concat() || certificates == direct)
}

/// Good chains and bad ones, whole; and each certificate in bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let numbers =
        |numbers: &[u8], rooted: u8| [&[0, numbers.len() as u8], numbers, &[rooted, 0]].concat();
    let mut all: Vec<_> = GOOD.iter().map(|good| numbers(good, 1)).collect();
    all.extend([
        numbers(&[4, 5], 1),
        numbers(&[0, 5], 1),
        numbers(&[0, 1, 2, 6], 1),
        numbers(&[0, 1, 7], 1),
        numbers(&[0, 1], 1),
        numbers(&[1, 2], 0),
        [
            &[0, 2, 0, 3, 1, 2, 0, 200, 1, 1][..],
            &seeds::bytes(&[0x82; 3]),
        ]
        .concat(),
    ]);
    all.extend(GOOD.map(|good| [&[1], assemble(good, true).as_slice()].concat()));
    all
}

/// Certificates with SPDM's prefix; with the hash of the trusted root, or that of the first.
fn assemble(numbers: &[u8], rooted: bool) -> Vec<u8> {
    let pool = pool();
    let certificates: Vec<_> = numbers
        .iter()
        .map(|n| pool[usize::from(*n)].to_vec())
        .collect();
    let Some(chain) = CertificateChain::new(&certificates) else {
        return Vec::new();
    };
    let mut bytes = chain.as_bytes().to_vec();
    if rooted {
        bytes[4..FIRST].copy_from_slice(&Sha384::digest(pool[0]));
    }
    bytes
}

/// A byte is another, bytes are put in or taken out. The length follows, mostly.
fn change(chain: &mut Vec<u8>, input: &mut Input<'_>) {
    if chain.is_empty() {
        return;
    }
    let kind = input.byte();
    let at = usize::from(input.half()) % chain.len();
    match kind % 4 {
        0 => chain[at] ^= input.byte(),
        1 => drop(chain.splice(at..at, input.bytes().iter().copied())),
        2 => {
            let end = (at + usize::from(input.byte())).min(chain.len());
            chain.drain(at..end);
        }
        _ => {
            let bytes = input.bytes();
            let end = (at + bytes.len()).min(chain.len());
            chain.splice(at..end, bytes.iter().copied());
        }
    }
    let length = (chain.len() as u16).to_le_bytes();
    if kind & 0x80 == 0 && chain.len() > 2 {
        chain[..2].copy_from_slice(&length);
    }
}
