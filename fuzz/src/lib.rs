// SPDX-License-Identifier: GPL-2.0

//! Fuzz targets: one for each decoder and one for each state machine.
//!
//! A target is a module with `run`, which takes any bytes and panics if something that has to hold
//! does not, and `seeds`, inputs that say what honest conversations look like. Files in
//! `fuzz_targets` give them to libFuzzer; the test below runs all seeds without it.

#![forbid(unsafe_code)]

pub mod ide_km;
mod input;
pub mod seeds;
pub mod spdm;
pub mod tdisp;
pub mod tsm_emu;
pub mod tsm_wire;

pub use input::Input;

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// Takes an input.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident: $($module:ident)::+;)+) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $($module)::+::run,
            seeds: $($module)::+::seeds,
        },)+];

        #[cfg(test)]
        mod seeds_pass {
            $(#[test]
            fn $name() {
                let seeds = crate::$($module)::+::seeds();
                assert!(!seeds.is_empty());
                for (number, seed) in seeds.iter().enumerate() {
                    println!("seed {number}");
                    crate::$($module)::+::run(seed);
                }
                crate::$($module)::+::run(&[]);
            })+
        }
    };
}

targets! {
    ide_km_message: ide_km::message;
    ide_km_port: ide_km::port;
    ide_km_procedure: ide_km::procedure;
    spdm_chain: spdm::chain;
    spdm_request: spdm::request;
    spdm_requester: spdm::requester;
    spdm_responder: spdm::responder;
    spdm_response: spdm::response;
    spdm_secured: spdm::secured;
    tdisp_dsm: tdisp::dsm;
    tdisp_message: tdisp::message;
    tdisp_procedure: tdisp::procedure;
    tdisp_report: tdisp::report;
    tsm_emu_doe: tsm_emu::doe;
    tsm_emu_monitor: tsm_emu::monitor;
    tsm_emu_psp: tsm_emu::psp;
    tsm_emu_tdx: tsm_emu::tdx;
    tsm_wire_block: tsm_wire::block;
    tsm_wire_request: tsm_wire::request;
}

/// Makes a program of libFuzzer of a target.
#[macro_export]
macro_rules! fuzz {
    ($($module:ident)::+) => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::seeds::offer($crate::$($module)::+::seeds),
            |data: &[u8]| $crate::$($module)::+::run(data)
        );
    };
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::collections::BTreeSet;

    /// Each has its file, and its entry in Cargo.toml.
    #[test]
    fn programs() {
        let names: BTreeSet<_> = TARGETS
            .iter()
            .map(|target| target.name.to_owned())
            .collect();
        let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
        for name in &names {
            assert!(
                manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
                "{name}"
            );
        }
        let files = std::fs::read_dir("fuzz_targets").unwrap().map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.trim_end_matches(".rs").to_owned()
        });
        assert_eq!(files.collect::<BTreeSet<_>>(), names);
    }
}
