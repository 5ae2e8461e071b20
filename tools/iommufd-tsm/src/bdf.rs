// SPDX-License-Identifier: GPL-2.0

//! The address of a PCI function.

use std::{fmt, num::ParseIntError, str::FromStr};

/// Domain, bus, device and function: `0000:01:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bdf {
    domain: u32,
    routing_id: u16,
}

/// A text that is no address of a PCI function.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no PCI function; one looks like 0000:01:00.0 or 01:00.0")]
pub struct BdfError(String);

impl Bdf {
    /// The function at these numbers; `device` has 5 bits, `function` 3.
    #[must_use]
    pub const fn new(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 0x1f || function > 7 {
            return None;
        }
        Some(Bdf {
            domain,
            routing_id: (bus as u16) << 8 | (device as u16) << 3 | function as u16,
        })
    }

    /// Bus, device and function as the requester id of a transaction (PCIe 7.0, 2.2.6.2).
    #[must_use]
    pub const fn routing_id(self) -> u16 {
        self.routing_id
    }

    /// Its function number.
    #[must_use]
    pub const fn function(self) -> u8 {
        (self.routing_id & 7) as u8
    }

    /// Another function of the same device.
    #[must_use]
    pub const fn sibling(self, function: u8) -> Option<Self> {
        let (bus, device) = (self.routing_id >> 8, self.routing_id >> 3 & 0x1f);
        Bdf::new(self.domain, bus as u8, device as u8, function)
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = |digits: &str, most: usize| -> Option<u32> {
            let plain = !digits.is_empty()
                && digits.len() <= most
                && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let value: Result<u32, ParseIntError> = u32::from_str_radix(digits, 16);
            value.ok().filter(|_| plain)
        };
        let (front, function) = text.split_once('.')?;
        let (bus, device) = front.rsplit_once(':')?;
        let (domain, bus) = bus.split_once(':').unwrap_or(("0", bus));
        Bdf::new(
            hex(domain, 8)?,
            u8::try_from(hex(bus, 2)?).ok()?,
            u8::try_from(hex(device, 2)?).ok()?,
            u8::try_from(hex(function, 1)?).ok()?,
        )
    }
}

impl FromStr for Bdf {
    type Err = BdfError;

    fn from_str(text: &str) -> Result<Self, BdfError> {
        Bdf::parse(text).ok_or_else(|| BdfError(text.to_owned()))
    }
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain,
            self.routing_id >> 8,
            self.routing_id >> 3 & 0x1f,
            self.function()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn with_and_without_domain() {
        let bdf: Bdf = "0000:01:00.2".parse().unwrap();
        assert_eq!(bdf, "01:00.2".parse().unwrap());
        assert_eq!(bdf.routing_id(), 0x0102);
        assert_eq!(bdf.to_string(), "0000:01:00.2");
        assert_eq!(bdf.sibling(0).unwrap().to_string(), "0000:01:00.0");
        assert_eq!(bdf.sibling(8), None);
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            ".",
            ":.",
            "01:00",
            "01:20.0",
            "01:00.8",
            "01:00.00",
            "1 :00.0",
            "+1:00.0",
            "001:00.0",
            "0:0:0:0.0",
            "100000000:01:00.0",
            "../../x",
        ] {
            let error = text.parse::<Bdf>().unwrap_err();
            assert!(error.to_string().contains(text));
        }
    }

    proptest! {
        #[test]
        fn round_trip(domain: u32, bus: u8, device in 0u8..32, function in 0u8..8) {
            let bdf = Bdf::new(domain, bus, device, function).unwrap();
            prop_assert_eq!(bdf.to_string().parse::<Bdf>().unwrap(), bdf);
        }

        #[test]
        fn any_text_is_looked_at(text in ".{0,20}") {
            let _ = text.parse::<Bdf>();
        }
    }
}
