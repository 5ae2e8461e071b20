// SPDX-License-Identifier: GPL-2.0

//! Ephemeral keys of KEY_EXCHANGE: Diffie-Hellman over NIST P-384.

use crate::entropy::draw;
use crate::key_exchange::POINT_SIZE;
use crate::Entropy;
use p384::ecdh::diffie_hellman;
use p384::elliptic_curve::sec1::ToSec1Point;
use p384::{PublicKey, SecretKey};
use zeroize::Zeroizing;

/// A key for one exchange.
pub(crate) struct EphemeralKey(SecretKey);

/// Bytes of what both know afterwards: a coordinate.
pub(crate) const SHARED_SIZE: usize = 48;

/// Draws that may fail to be a key, each with a probability below 2 to the power of -190.
const ATTEMPTS: usize = 4;

/// What stands before both coordinates of a point in SEC 1, and not in SPDM.
const UNCOMPRESSED: u8 = 4;

impl EphemeralKey {
    /// A new one; `None` without entropy.
    pub(crate) fn new(entropy: &mut (impl Entropy + ?Sized)) -> Option<Self> {
        for _ in 0..ATTEMPTS {
            let bytes = Zeroizing::new(draw::<SHARED_SIZE>(entropy)?);
            if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
                return Some(Self(key));
            }
        }
        None
    }

    /// Its point.
    pub(crate) fn point(&self) -> Option<[u8; POINT_SIZE]> {
        let point = self.0.public_key().to_sec1_point(false);
        point.as_bytes().split_first()?.1.try_into().ok()
    }

    /// What both know; `None` if that is no point of the curve.
    pub(crate) fn agree(self, point: &[u8; POINT_SIZE]) -> Option<Zeroizing<[u8; SHARED_SIZE]>> {
        let mut bytes = vec![UNCOMPRESSED];
        bytes.extend_from_slice(point);
        let theirs = PublicKey::from_sec1_bytes(&bytes).ok()?;
        let shared = diffie_hellman(self.0.to_nonzero_scalar(), theirs.as_affine());
        let bytes = shared.raw_secret_bytes().as_slice().try_into().ok()?;
        Some(Zeroizing::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Filled(u8);

    impl Entropy for Filled {
        fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
            bytes.fill(self.0);
            Some(())
        }
    }

    #[test]
    fn both_agree() {
        let one = EphemeralKey::new(&mut Filled(1)).unwrap();
        let two = EphemeralKey::new(&mut Filled(2)).unwrap();
        let (first, second) = (one.point().unwrap(), two.point().unwrap());
        assert_ne!(first, second);
        assert_eq!(one.agree(&second).unwrap(), two.agree(&first).unwrap());
    }

    #[test]
    fn refused() {
        // Neither zero nor what is above the order is a key.
        assert!(EphemeralKey::new(&mut Filled(0)).is_none());
        assert!(EphemeralKey::new(&mut Filled(0xff)).is_none());
        for filler in [0, 1, 0xff] {
            let key = EphemeralKey::new(&mut Filled(1)).unwrap();
            assert!(key.agree(&[filler; POINT_SIZE]).is_none());
        }
    }

    /// RFC 5903, 8.2: 384-bit random ECP group.
    #[test]
    fn known_answer() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
                .collect()
        };
        let secret = "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655\
            E35B538041E649EE3FAEF896783AB194";
        let theirs = "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D\
            0D1AC43A0336DEF96FDA41D0774A3571DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68\
            759DD1FFF83FA40142209DFF5EAAD96DB9E6386C";
        let shared = "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4\
            D603135569B9E9D09CF5D4A270F59746";
        let key = EphemeralKey(SecretKey::from_slice(&bytes(secret)).unwrap());
        let agreed = key.agree(&bytes(theirs).try_into().unwrap()).unwrap();
        assert_eq!(agreed.to_vec(), bytes(shared));
    }
}
