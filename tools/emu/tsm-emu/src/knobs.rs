// SPDX-License-Identifier: GPL-2.0

//! Misbehaviour on command. A knob that is 0 means honesty.

use crate::device::Device;
use crate::identity::Presented;
use crate::platform::Platform;
use spdm::Mischief;
use std::time::{Duration, Instant};
use tdisp::State;
use thiserror::Error;
use tsm_wire::rmi::fid;

/// Misbehaviour of the DOE mailbox.
#[derive(Clone, Debug, Default)]
pub struct ExchangeKnobs {
    /// So many objects get no answer.
    pub no_answer: u64,
    /// Answers come so much later.
    pub late: Duration,
    /// So many answers are cut off.
    pub short: u64,
    /// So many answers are far too long.
    pub oversize: u64,
    /// So many answers have another type.
    pub wrong_type: u64,
}

impl ExchangeKnobs {
    /// Counts down; whether it was not 0.
    pub fn take(count: &mut u64) -> bool {
        let some = *count != 0;
        *count = count.saturating_sub(1);
        some
    }
}

/// Misbehaviour of the firmware.
#[derive(Clone, Debug, Default)]
pub struct FirmwareKnobs {
    /// Calls find it busy until then.
    pub busy_until: Option<Instant>,
    /// So many calls do not end.
    pub no_answer: u64,
    /// The call of this number fails before it does anything. No two personalities have calls of
    /// the same number.
    pub error_before: Option<u64>,
    /// The call of this number fails after it did everything.
    pub error_after: Option<u64>,
}

impl FirmwareKnobs {
    /// Whether the call of this number is to fail before it does anything, which is once.
    pub fn fails_before(&mut self, number: u64) -> bool {
        take(&mut self.error_before, number)
    }

    /// Whether the call of this number is to fail after it did everything, which is once.
    pub fn fails_after(&mut self, number: u64) -> bool {
        take(&mut self.error_after, number)
    }
}

fn take(knob: &mut Option<u64>, number: u64) -> bool {
    let fails = *knob == Some(number);
    if fails {
        *knob = None;
    }
    fails
}

/// All knobs that are not state of the device's own.
#[derive(Clone, Debug, Default)]
pub struct Knobs {
    /// Of the DOE mailbox.
    pub exchange: ExchangeKnobs,
    /// Of the firmware.
    pub firmware: FirmwareKnobs,
}

/// Why a knob was not turned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KnobError {
    /// There is none of this name.
    #[error("no such knob: {0}")]
    Unknown(String),
    /// It is not a number, or not one that the knob takes.
    #[error("bad value: {0}")]
    Value(String),
}

/// The knobs by name.
const NAMES: [&str; 22] = [
    "doe-no-answer",
    "doe-late-ms",
    "doe-short",
    "doe-oversize",
    "doe-wrong-type",
    "fw-busy-ms",
    "fw-no-answer",
    "fw-error-before",
    "fw-error-after",
    "wrong-state",
    "tdi-error",
    "measurement-bytes",
    "report-lie",
    "spdm-wrong-signature",
    "stale-nonce",
    "secured-bit-flip",
    "secured-replay",
    "secured-skip",
    "session-lost",
    "cert-expired",
    "cert-foreign",
    "measurement-wrong",
];

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Number of a call; identifiers of the RMM may have their SMCCC part.
fn call(value: u64) -> Option<Option<u64>> {
    let number = value & 0xffff;
    match value - number {
        0 | fid::BASE => Some((number != 0).then_some(number)),
        _ => None,
    }
}

/// The counter of a knob that makes the device's responder misbehave.
fn mischief<'a>(mischief: &'a mut Mischief, name: &str) -> Option<&'a mut u32> {
    Some(match name {
        "spdm-wrong-signature" => &mut mischief.wrong_signature,
        "stale-nonce" => &mut mischief.stale_nonce,
        "secured-bit-flip" => &mut mischief.flip_bit,
        "secured-replay" => &mut mischief.replay,
        "secured-skip" => &mut mischief.skip,
        "session-lost" => &mut mischief.lose_session,
        _ => return None,
    })
}

/// The chain that a knob makes the device show.
fn presented(name: &str) -> Option<Presented> {
    match name {
        "cert-expired" => Some(Presented::Expired),
        "cert-foreign" => Some(Presented::Foreign),
        _ => None,
    }
}

impl Platform {
    /// Turns a knob.
    pub fn set_knob(&mut self, name: &str, text: &str, now: Instant) -> Result<(), KnobError> {
        let unknown = || KnobError::Unknown(name.to_owned());
        if !NAMES.contains(&name) {
            return Err(unknown());
        }
        let Self { devices, knobs, .. } = self;
        let device = devices.first_mut().ok_or_else(unknown)?;
        let bad = || KnobError::Value(text.to_owned());
        // 0 is a TDISP state, so honesty has a name of its own here.
        if name == "wrong-state" && text == "none" {
            device.dsm().force_next(None);
            return Ok(());
        }
        let value = number(text).ok_or_else(bad)?;
        if let Some(count) = mischief(device.mischief(), name) {
            *count = u32::try_from(value).map_err(|_| bad())?;
            return Ok(());
        }
        if let Some(chain) = presented(name) {
            // It can show one chain only: turning one knob turns the other one back.
            if value != 0 {
                device.present(chain);
            } else if device.presented() == chain {
                device.present(Presented::Own);
            }
            return Ok(());
        }
        let (exchange, firmware) = (&mut knobs.exchange, &mut knobs.firmware);
        match name {
            "doe-no-answer" => exchange.no_answer = value,
            "doe-late-ms" => exchange.late = Duration::from_millis(value.min(600_000)),
            "doe-short" => exchange.short = value,
            "doe-oversize" => exchange.oversize = value,
            "doe-wrong-type" => exchange.wrong_type = value,
            "fw-busy-ms" => {
                let duration = Duration::from_millis(value.min(600_000));
                firmware.busy_until = (value != 0).then(|| now + duration);
            }
            "fw-no-answer" => firmware.no_answer = value,
            "fw-error-before" => firmware.error_before = call(value).ok_or_else(bad)?,
            "fw-error-after" => firmware.error_after = call(value).ok_or_else(bad)?,
            "wrong-state" => {
                let state = u8::try_from(value)
                    .ok()
                    .and_then(|value| State::try_from(value).ok());
                device.dsm().force_next(Some(state.ok_or_else(bad)?));
            }
            "tdi-error" => {
                // The value is the function plus 1, so that 0 is nothing here, too.
                if let Some(function) = (value as usize).checked_sub(1) {
                    if function >= device.functions() {
                        return Err(bad());
                    }
                    device.dsm().force(function, State::Error);
                }
            }
            "measurement-bytes" => {
                let possible = device.set_measurement_bytes(value as usize);
                self.publish_references();
                if !possible {
                    return Err(bad());
                }
            }
            "measurement-wrong" => device.set_altered(value != 0),
            _ => device.set_lies(value != 0),
        }
        Ok(())
    }

    /// What a knob is at.
    pub fn knob(&mut self, name: &str, now: Instant) -> Result<String, KnobError> {
        let Self { devices, knobs, .. } = self;
        let device = devices
            .first_mut()
            .ok_or_else(|| KnobError::Unknown(name.to_owned()))?;
        if let Some(count) = mischief(device.mischief(), name) {
            return Ok(count.to_string());
        }
        if let Some(chain) = presented(name) {
            return Ok(u8::from(device.presented() == chain).to_string());
        }
        let (exchange, firmware) = (&knobs.exchange, &knobs.firmware);
        let call = |call: Option<u64>| call.map_or("0".to_owned(), |number| format!("{number:#x}"));
        Ok(match name {
            "doe-no-answer" => exchange.no_answer.to_string(),
            "doe-late-ms" => exchange.late.as_millis().to_string(),
            "doe-short" => exchange.short.to_string(),
            "doe-oversize" => exchange.oversize.to_string(),
            "doe-wrong-type" => exchange.wrong_type.to_string(),
            "fw-busy-ms" => {
                let left = firmware
                    .busy_until
                    .map(|until| until.saturating_duration_since(now));
                left.unwrap_or_default().as_millis().to_string()
            }
            "fw-no-answer" => firmware.no_answer.to_string(),
            "fw-error-before" => call(firmware.error_before),
            "fw-error-after" => call(firmware.error_after),
            "wrong-state" => match device.dsm().forced() {
                Some(state) => (state as u8).to_string(),
                None => "none".to_owned(),
            },
            "tdi-error" => "0".to_owned(),
            "measurement-bytes" => device.measurement_bytes().to_string(),
            "report-lie" => u8::from(device.lies()).to_string(),
            "measurement-wrong" => u8::from(device.is_altered()).to_string(),
            _ => return Err(KnobError::Unknown(name.to_owned())),
        })
    }

    /// Turns all knobs back. States stay as they are.
    pub fn reset_knobs(&mut self) {
        self.knobs = Knobs::default();
        if let Some(device) = self.devices.first_mut() {
            make_honest(device);
        }
        self.publish_references();
    }
}

/// Turns the knobs back that are state of the device's own.
fn make_honest(device: &mut Device) {
    device.dsm().force_next(None);
    device.set_measurement_bytes(0);
    device.set_lies(false);
    device.set_altered(false);
    device.present(Presented::Own);
    for name in NAMES {
        if let Some(count) = mischief(device.mischief(), name) {
            *count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Length;

    #[test]
    fn every_knob_turns_and_turns_back() {
        let mut platform = Platform::new(crate::platform::identities(Length::default()).unwrap());
        let now = Instant::now();
        let before: Vec<_> = NAMES.map(|name| platform.knob(name, now).unwrap()).into();
        for name in NAMES {
            // Turning one of these turns the other one back.
            if name == "cert-foreign" {
                platform.set_knob("cert-expired", "0", now).unwrap();
            }
            let value = match name {
                "fw-error-before" | "fw-error-after" => "0x1d3",
                "measurement-bytes" => "9000",
                _ => "1",
            };
            platform.set_knob(name, value, now).unwrap();
            if name != "tdi-error" {
                assert_eq!(platform.knob(name, now).unwrap(), value, "{name}");
            }
        }
        platform.reset_knobs();
        let after: Vec<_> = NAMES.map(|name| platform.knob(name, now).unwrap()).into();
        assert_eq!(before, after);
        assert_eq!(platform.devices[0].state(0), State::Error);
    }

    #[test]
    fn refusals() {
        let mut platform = Platform::new(crate::platform::identities(Length::default()).unwrap());
        let now = Instant::now();
        for (name, value) in [
            ("doe-short", "x"),
            ("doe-short", ""),
            ("doe-short", "-1"),
            ("fw-error-before", "0x1d30000"),
            ("wrong-state", "4"),
            ("tdi-error", "4"),
            ("secured-replay", "0x100000000"),
            ("measurement-bytes", "3"),
            ("measurement-bytes", "10000000"),
        ] {
            let error = platform.set_knob(name, value, now).unwrap_err();
            assert_eq!(error, KnobError::Value(value.to_owned()), "{name}");
        }
        assert!(platform.set_knob("nonsense", "1", now).is_err());
        assert!(platform.knob("nonsense", now).is_err());
    }
}
