// SPDX-License-Identifier: GPL-2.0

//! What fuzzing starts from: each target makes its own out of honest conversations.

use std::path::Path;

/// With the environment variable `FUZZ_SEEDS` set to a directory, a target fills that with its seeds
/// and ends.
pub fn offer(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(directory) = std::env::var_os("FUZZ_SEEDS") else {
        return;
    };
    for (number, seed) in seeds().iter().enumerate() {
        let path = Path::new(&directory).join(format!("seed-{number:03}"));
        if let Err(error) = std::fs::write(&path, seed) {
            eprintln!("{}: {error}", path.display());
            std::process::exit(1);
        }
    }
    std::process::exit(0);
}

/// A length and the bytes, as [`Input::bytes`](crate::Input::bytes) reads them.
pub(crate) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}
