// SPDX-License-Identifier: GPL-2.0

//! `tsm-emu`: serves the emulated platform to QEMU, or one half of it to DMTF's `spdm-emu`.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand, ValueEnum};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tsm_emu::config_space::express::Topology;
use tsm_emu::identity::Length;
use tsm_emu::serve::serve;
use tsm_emu::socket::requester::Part;
use tsm_emu::socket::run;

/// Emulated TEE-I/O devices and TSM firmware for QEMU
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
    /// Serve rmm.sock, psp.sock, tdx.sock, pf0.sock to pf4.sock (vfio-user) and control.sock until
    /// QEMU is gone
    Serve {
        /// Directory for the sockets
        #[arg(long)]
        dir: PathBuf,
        /// Where the devices are: each below a root port, or in the root complex itself
        #[arg(long, value_enum, default_value_t = Place::Endpoint)]
        topology: Place,
        /// How long the certificate chains of the devices are: longer than a granule, or short
        #[arg(long, value_enum, default_value_t = Chain::Long)]
        chain: Chain,
        /// File to record the data objects of types CMA and secured CMA to: pcapng, or pcap if it
        /// is named *.pcap
        #[arg(long)]
        capture: Option<PathBuf>,
    },
    /// Serve the device to a requester that speaks the socket protocol of DMTF's spdm-emu, with
    /// transport PCI_DOE, until that shuts it down
    SpdmResponder {
        /// Address, such as 127.0.0.1:2323
        #[arg(long)]
        listen: String,
        /// File that the device's root certificate is written to, in DER
        #[arg(long)]
        root_out: PathBuf,
        /// File to record to, as of serve
        #[arg(long)]
        capture: Option<PathBuf>,
    },
    /// Go once through everything with a responder that speaks that protocol
    SpdmRequester {
        /// Address, such as 127.0.0.1:2323
        #[arg(long)]
        connect: String,
        /// File with the root certificate to trust, in DER
        #[arg(long)]
        root: PathBuf,
        /// Port whose stream is keyed
        #[arg(long, default_value_t = 0)]
        port_index: u8,
        /// Requester ID of the function whose TDI is locked
        #[arg(long, default_value_t = 0)]
        function: u16,
        /// File to record to, as of serve
        #[arg(long)]
        capture: Option<PathBuf>,
    },
}

impl Command {
    fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Serve {
                dir,
                topology,
                chain,
                capture,
            } => serve(&dir, topology.into(), chain.into(), capture.as_deref())?,
            Self::SpdmResponder {
                listen,
                root_out,
                capture,
            } => run::respond(&listen, &root_out, capture.as_deref())?,
            Self::SpdmRequester {
                connect,
                root,
                port_index: port,
                function,
                capture,
            } => {
                let part = Part { port, function };
                run::request(&connect, &root, part, capture.as_deref())?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Chain {
    Long,
    Short,
}

impl From<Chain> for Length {
    fn from(chain: Chain) -> Self {
        match chain {
            Chain::Long => Self::Long,
            Chain::Short => Self::Short,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Place {
    Endpoint,
    RootComplex,
}

impl From<Place> for Topology {
    fn from(place: Place) -> Self {
        match place {
            Place::Endpoint => Self::Endpoint,
            Place::RootComplex => Self::RootComplex,
        }
    }
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
    match arguments.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tsm-emu: {error}");
            ExitCode::FAILURE
        }
    }
}
