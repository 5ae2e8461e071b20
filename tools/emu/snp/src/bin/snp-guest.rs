// SPDX-License-Identifier: GPL-2.0

//! `snp-guest`: plays the part of a confidential VM that knows its key. It encrypts requests and
//! decrypts their responses, in hexadecimal digits.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use serde::Serialize;
use snp::sdte::Sdte;
use snp::{hex, mmio_config, mmio_validate, sdte_write, tdi_info};
use snp::{Guest, Malformed, Message, MessageType, Unanswered, Vmpck, TIO_MESSAGE_VERSION};
use std::fmt;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

/// Encrypts the requests of a confidential VM to the secure processor, and decrypts the responses.
#[derive(Parser)]
#[command(name = "snp-guest", version)]
struct Arguments {
    /// The key, 64 hexadecimal digits, as the control line's guest-key tells it
    #[arg(long)]
    key: String,
    /// Number of the key, 0 to 3
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..4))]
    vmpck: u8,
    /// Number of the request: 1 for the first, then 3, 5 and so on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Encrypt a request
    Seal {
        #[command(subcommand)]
        request: Request,
    },
    /// Decrypt the response to the request of this number
    Open {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
        /// Hexadecimal digits; from standard input if it is -
        message: String,
    },
}

#[derive(Subcommand)]
enum Request {
    /// Ask what the firmware knows about a TDI
    TdiInfo {
        /// Requester ID in the guest
        #[arg(long, value_parser = number::<u16>)]
        device: u16,
    },
    /// Accept where MMIO of a TDI is
    MmioValidate {
        /// Requester ID in the guest
        #[arg(long, value_parser = number::<u16>)]
        device: u16,
        /// Range of the interface report
        #[arg(long, value_parser = number::<u16>)]
        range: u16,
        /// Guest physical address
        #[arg(long, value_parser = number::<u64>)]
        gpa: u64,
        /// Pages of 4 KiB
        #[arg(long, value_parser = number::<u32>)]
        pages: u32,
        /// Where in the range they begin, in pages
        #[arg(long, default_value = "0", value_parser = number::<u32>)]
        offset: u32,
        /// No longer accept it
        #[arg(long)]
        invalidate: bool,
        /// Also if some pages are accepted and some are not
        #[arg(long)]
        force: bool,
    },
    /// Read the attributes of an MMIO range, or write them
    MmioConfig {
        /// Requester ID in the guest
        #[arg(long, value_parser = number::<u16>)]
        device: u16,
        /// Range of the interface report
        #[arg(long, value_parser = number::<u16>)]
        range: u16,
        /// Write whether it is not for the TEE only
        #[arg(long)]
        non_tee: Option<bool>,
    },
    /// Let a TDI access private memory
    SdteWrite {
        /// Requester ID in the guest
        #[arg(long, value_parser = number::<u16>)]
        device: u16,
        /// Virtual top of memory, in units of 2 MiB
        #[arg(long, default_value = "0x7fffffff", value_parser = number::<u32>)]
        vtom: u32,
        /// Privilege level
        #[arg(long, default_value = "0", value_parser = number::<u8>)]
        vmpl: u8,
        /// No longer let it
        #[arg(long)]
        invalidate: bool,
    },
    /// Anything else
    Raw {
        /// Type of the message
        #[arg(long = "type", value_parser = number::<u8>)]
        kind: u8,
        /// Version of the message
        #[arg(long, default_value_t = TIO_MESSAGE_VERSION)]
        message_version: u8,
        /// Payload in hexadecimal digits
        payload: String,
    },
}

/// A number, decimal or with 0x in front hexadecimal.
fn number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let value = value.map_err(|error| error.to_string())?;
    T::try_from(value).map_err(|_| "too large".to_string())
}

#[derive(Debug, Error)]
enum Failure {
    #[error("the key is not 64 hexadecimal digits")]
    Key,
    #[error("these are no hexadecimal digits")]
    Digits,
    #[error(transparent)]
    Request(#[from] Malformed),
    #[error(transparent)]
    Response(#[from] Unanswered),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Request {
    fn encode(&self) -> Result<(u8, u8, Vec<u8>), Failure> {
        let (kind, payload) = match self {
            Self::TdiInfo { device } => (
                MessageType::TdiInfoRequest,
                tdi_info::Request::of(*device).as_bytes().to_vec(),
            ),
            Self::MmioValidate {
                device,
                range,
                gpa,
                pages,
                offset,
                invalidate,
                force,
            } => {
                let validated = if *invalidate {
                    0
                } else {
                    mmio_validate::VALIDATED
                };
                let force = if *force { mmio_validate::FORCE } else { 0 };
                let request = mmio_validate::Request {
                    guest_device_id: U16::new(*device),
                    base: U64::new(*gpa),
                    page_count: U32::new(*pages),
                    range_offset: U32::new(*offset),
                    flags: U16::new(validated | force),
                    range_id: U16::new(*range),
                    ..mmio_validate::Request::default()
                };
                (
                    MessageType::MmioValidateRequest,
                    request.as_bytes().to_vec(),
                )
            }
            Self::MmioConfig {
                device,
                range,
                non_tee,
            } => {
                let attributes = if *non_tee == Some(true) {
                    mmio_config::IS_NON_TEE
                } else {
                    0
                };
                let write = if non_tee.is_some() {
                    mmio_config::WRITE
                } else {
                    0
                };
                let request = mmio_config::Request {
                    guest_device_id: U16::new(*device),
                    attributes: U16::new(attributes),
                    range_id: U16::new(*range),
                    write: U32::new(write),
                    ..mmio_config::Request::default()
                };
                (MessageType::MmioConfigRequest, request.as_bytes().to_vec())
            }
            Self::SdteWrite {
                device,
                vtom,
                vmpl,
                invalidate,
            } => {
                let sdte = if *invalidate {
                    Sdte::deny()
                } else {
                    Sdte::allow(*vmpl, *vtom)
                };
                let request = sdte_write::Request::of(*device, sdte);
                (MessageType::SdteWriteRequest, request.as_bytes().to_vec())
            }
            Self::Raw {
                kind,
                message_version,
                payload,
            } => {
                let payload = hex::decode(payload).ok_or(Failure::Digits)?;
                return Ok((*kind, *message_version, payload));
            }
        };
        Ok((kind as u8, TIO_MESSAGE_VERSION, payload))
    }
}

/// What a response says.
#[derive(Serialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
enum Response {
    TdiInfo {
        device: u16,
        status: u16,
        measurement_valid: bool,
        measurement_fresh: bool,
        lock_flags: u32,
        spdm_algorithms: u64,
        certificates_digest: String,
        measurements_digest: String,
        report_digest: String,
        report_count: u64,
    },
    MmioValidate {
        device: u16,
        status: u16,
        changed: bool,
        range: u16,
        gpa: u64,
        pages: u32,
        offset: u32,
    },
    MmioConfig {
        device: u16,
        status: u16,
        range: u16,
        attributes: u16,
    },
    SdteWrite {
        device: u16,
        status: u16,
    },
    Other {
        r#type: u8,
        version: u8,
        payload: String,
    },
}

impl Response {
    fn of(message: &Message) -> Self {
        let bytes = &message.payload;
        let known = match MessageType::from_raw(message.message_type) {
            Some(MessageType::TdiInfoResponse) => tdi_info::Response::read_from_bytes(bytes)
                .ok()
                .map(|r| Self::TdiInfo {
                    device: r.guest_device_id.get(),
                    status: r.status.get(),
                    measurement_valid: r.measurement_flags.get() & tdi_info::MEASUREMENT_VALID != 0,
                    measurement_fresh: r.measurement_flags.get() & tdi_info::MEASUREMENT_FRESH != 0,
                    lock_flags: r.lock_flags.get(),
                    spdm_algorithms: r.spdm_algorithms.get(),
                    certificates_digest: hex::encode(&r.certificates_digest),
                    measurements_digest: hex::encode(&r.measurements_digest),
                    report_digest: hex::encode(&r.report_digest),
                    report_count: r.report_count.get(),
                }),
            Some(MessageType::MmioValidateResponse) => {
                mmio_validate::Response::read_from_bytes(bytes)
                    .ok()
                    .map(|r| Self::MmioValidate {
                        device: r.guest_device_id.get(),
                        status: r.status.get(),
                        changed: r.flags.get() & mmio_validate::CHANGED != 0,
                        range: r.range_id.get(),
                        gpa: r.base.get(),
                        pages: r.page_count.get(),
                        offset: r.range_offset.get(),
                    })
            }
            Some(MessageType::MmioConfigResponse) => mmio_config::Response::read_from_bytes(bytes)
                .ok()
                .map(|r| Self::MmioConfig {
                    device: r.guest_device_id.get(),
                    status: r.status.get(),
                    range: r.range_id.get(),
                    attributes: r.attributes.get(),
                }),
            Some(MessageType::SdteWriteResponse) => sdte_write::Response::read_from_bytes(bytes)
                .ok()
                .map(|r| Self::SdteWrite {
                    device: r.guest_device_id.get(),
                    status: r.status.get(),
                }),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other {
            r#type: message.message_type,
            version: message.message_version,
            payload: hex::encode(bytes),
        })
    }
}

/// One `name value` a line, in the order of JSON.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        let fields = value.as_object().ok_or(fmt::Error)?;
        for (name, value) in fields {
            match value.as_str() {
                Some(text) => writeln!(f, "{name} {text}")?,
                None => writeln!(f, "{name} {value}")?,
            }
        }
        Ok(())
    }
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let key = Vmpck::from_hex(&arguments.key).ok_or(Failure::Key)?;
    let mut guest = Guest::new(key, arguments.vmpck, arguments.sequence - 1);
    match &arguments.command {
        Command::Seal { request } => {
            let (kind, version, payload) = request.encode()?;
            let bytes = guest.request_raw(kind, version, &payload)?;
            Ok(hex::encode(&bytes) + "\n")
        }
        Command::Open { json, message } => {
            let mut digits = message.clone();
            if digits == "-" {
                digits.clear();
                io::stdin().read_to_string(&mut digits)?;
            }
            let bytes = hex::decode(digits.trim()).ok_or(Failure::Digits)?;
            let response = Response::of(&guest.response(&bytes)?);
            if *json {
                Ok(serde_json::to_string(&response)? + "\n")
            } else {
                Ok(response.to_string())
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(&arguments).and_then(|text| Ok(io::stdout().write_all(text.as_bytes())?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("snp-guest: {failure}");
            ExitCode::FAILURE
        }
    }
}
