// SPDX-License-Identifier: GPL-2.0

//! VM platform communication keys: the firmware makes them with the guest and puts them in its secrets
//! page, which the host cannot read.

use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How many a guest has, one for each privilege level (`vmpck0` to `vmpck3` of the secrets page).
pub const VMPCK_COUNT: usize = 4;
/// Bytes of a key: AES-256.
pub const KEY_SIZE: usize = 32;

/// A VM platform communication key.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Vmpck([u8; KEY_SIZE]);

impl Vmpck {
    /// Of these bytes.
    pub fn new(bytes: [u8; KEY_SIZE]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let bytes = crate::hex::decode(digits)?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// As 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        crate::hex::encode(&self.0)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; KEY_SIZE] {
        &self.0
    }
}

impl fmt::Debug for Vmpck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vmpck")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_digits() {
        let key = Vmpck::new([0xa5; 32]);
        assert_eq!(Vmpck::from_hex(&key.to_hex()), Some(key.clone()));
        assert_eq!(Vmpck::from_hex(&"a5".repeat(31)), None);
        assert_eq!(Vmpck::from_hex(&"a5".repeat(33)), None);
        assert_eq!(format!("{key:?}"), "Vmpck");
    }
}
