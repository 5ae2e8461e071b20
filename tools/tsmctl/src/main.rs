// SPDX-License-Identifier: GPL-2.0

//! `tsmctl`: shows and sets what TSMs do with the PCI functions of this machine.

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

mod demo;
mod link;
mod list;
mod status;
mod transcript;

use clap::{Parser, Subcommand};
use iommufd_tsm::Bdf;
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Show and set what TSMs do with the PCI functions of this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List TSMs, and the PCI functions that they accept
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a TSM has of one PCI function
    Status {
        /// The function: 0000:01:00.0 or 01:00.0
        function: Bdf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect a PCI function to a TSM: authenticate it and set up its secure session
    Connect {
        /// The function: 0000:01:00.0 or 01:00.0
        function: Bdf,
        /// The TSM, a name of /sys/class/tsm
        tsm: String,
    },
    /// Take a PCI function from its TSM; its TDIs are unbound
    Disconnect {
        /// The function: 0000:01:00.0 or 01:00.0
        function: Bdf,
    },
    /// Take a PCI function for each TSM the whole way from connect to RUN and back, and show each
    /// step
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::List { json } => list::print(json),
        Command::Status { function, json } => status::print(function, json),
        Command::Connect { function, tsm } => link::connect(function, &tsm),
        Command::Disconnect { function } => link::disconnect(function),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // a console is shared: what was printed before comes before
            let _ = io::stdout().flush();
            eprintln!("tsmctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}
