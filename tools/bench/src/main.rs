// SPDX-License-Identifier: GPL-2.0

//! `tsm-bench`: counts what the TSM ioctls cost the kernel, next to an empty iommufd ioctl of the
//! same boot.
//!
//! On a machine whose clock counts instructions (QEMU, `-icount shift=0`), a nanosecond is an
//! instruction and the figures repeat. Anywhere else they are nanoseconds and the ratios are what
//! to look at.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod architecture;
mod calls;
mod comparison;
mod count;
mod devices;
mod firmware;
mod meminfo;
mod memory;
mod outcome;
mod procedure;
mod row;
mod stopwatch;
mod table;
mod trace;
mod tracefs;

use anyhow::{ensure, Context};
use clap::Parser;
use count::Plan;
use iommufd_tsm::Bdf;
use outcome::Outcome;
use row::{Row, BUDGETS};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::fd::AsFd,
    path::PathBuf,
    process::ExitCode,
};
use tsmctl::module::{self, Loaded};

/// Count what the TSM ioctls cost the kernel.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The modules of this project; they must not be loaded yet
    #[arg(long, value_name = "DIR")]
    modules: PathBuf,
    /// The function to measure with; the first that can be connected if not given. Its siblings
    /// are used for the memory of a TDI
    #[arg(long, value_name = "BDF")]
    function: Option<Bdf>,
    /// Control line of the emulated platform
    #[arg(long, value_name = "TTY", default_value = tsmctl::control::DEFAULT_PATH)]
    control: PathBuf,
    /// Calls in a round
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    calls: u32,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Print the table; together with --json, both
    #[arg(long)]
    table: bool,
    /// Print where the memory of a TDI was allocated
    #[arg(long)]
    sites: bool,
    /// Fail if a budget is not met
    #[arg(long)]
    strict: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = io::stdout().flush();
            eprintln!("tsm-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let outcome = measure(arguments)?;
    let mut out = io::stdout().lock();
    if arguments.table || !arguments.json {
        table::print(&mut out, &outcome, arguments.sites)?;
    }
    if arguments.json {
        serde_json::to_writer(&mut out, &outcome)?;
        writeln!(out)?;
    }
    let failed = outcome.failures() != 0 || arguments.strict && outcome.overs() != 0;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn measure(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let plan = Plan {
        calls: arguments.calls,
        rounds: arguments.rounds,
    };
    let there = module::loaded()?;
    ensure!(
        there.is_empty(),
        "{} loaded already: the empty ioctl is measured without them",
        there.join(", ")
    );
    let iommufd = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/iommu")
        .context("opening /dev/iommu")?;
    let empty = calls::empty(plan, iommufd.as_fd()).context("the empty ioctl")?;

    let loaded = Loaded::from_directory(&arguments.modules)?;
    let mut rows = vec![
        Row::new(&BUDGETS.bystander, calls::empty(plan, iommufd.as_fd())),
        Row::new(&BUDGETS.unknown, calls::unknown(plan, iommufd.as_fd())),
    ];
    let (procedures, memory) = match devices::measure(arguments, plan) {
        Ok(measured) => {
            rows.extend(measured.rows);
            (measured.procedures, measured.memory)
        }
        Err(error) => {
            rows.extend(Row::unmeasured(&error));
            (Err(anyhow::Error::msg(format!("{error:#}"))), Err(error))
        }
    };
    let architectures = architecture::measure(arguments, plan);
    drop(iommufd);
    loaded.unload()?;

    let uname = rustix::system::uname();
    Ok(Outcome {
        kernel: uname.release().to_string_lossy().into_owned(),
        plan,
        empty,
        rows: rows.into_iter().map(|row| row.against(&empty)).collect(),
        procedures: procedures.into(),
        comparisons: architectures.into(),
        memory: memory.into(),
    })
}
