// SPDX-License-Identifier: GPL-2.0

//! `tsm-emu`: serves the emulated platform to QEMU.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

/// Emulated TEE-I/O device and TSM firmware for QEMU
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// What to log, on standard error
    #[arg(long, value_enum, default_value_t = Log::Warn, global = true)]
    log: Log,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve rmm.sock, pf0.sock, pf1.sock, pf2.sock (vfio-user) and control.sock until QEMU is gone
    Serve {
        /// Directory for the sockets
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Off,
    Warn,
    Info,
    Debug,
}

impl From<Log> for LevelFilter {
    fn from(log: Log) -> Self {
        match log {
            Log::Off => Self::OFF,
            Log::Warn => Self::WARN,
            Log::Info => Self::INFO,
            Log::Debug => Self::DEBUG,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(arguments.log))
        .with_writer(std::io::stderr)
        .init();
    let Command::Serve { dir } = arguments.command;
    match tsm_emu::serve::serve(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tsm-emu: {error}");
            ExitCode::FAILURE
        }
    }
}
