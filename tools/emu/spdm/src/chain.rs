// SPDX-License-Identifier: GPL-2.0

//! Certificate chains as SPDM has them (10.6.1): a length, the hash of the root
//! certificate, then the certificates in DER, root first.

use crate::header::{front, split};
use crate::DIGEST_SIZE;
use sha2::{Digest, Sha384};

/// Bytes before the first certificate.
pub const CHAIN_PREFIX_SIZE: usize = 4 + DIGEST_SIZE;

/// Digest of the root and the certificates of a whole chain; `None` if its length is not what it
/// says.
pub(crate) fn parse(chain: &[u8]) -> Option<(&[u8; DIGEST_SIZE], &[u8])> {
    let ([low, high, _, _], _) = front::<[u8; 4]>(chain).ok()?;
    let (_, rest) = split(chain, 4).ok()?;
    let (hash, certificates) = rest.split_first_chunk()?;
    (usize::from(u16::from_le_bytes([low, high])) == chain.len()).then_some((hash, certificates))
}

/// A certificate chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    bytes: Vec<u8>,
}

impl CertificateChain {
    /// Of these certificates, root first; `None` if there are none or they are too many.
    pub fn new(certificates: &[Vec<u8>]) -> Option<Self> {
        let root = certificates.first()?;
        let length = CHAIN_PREFIX_SIZE + certificates.iter().map(Vec::len).sum::<usize>();
        let mut bytes = u16::try_from(length).ok()?.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&Sha384::digest(root));
        for certificate in certificates {
            bytes.extend_from_slice(certificate);
        }
        Some(Self { bytes })
    }

    /// The whole of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The certificates, one after the other.
    pub fn certificates(&self) -> &[u8] {
        self.bytes.get(CHAIN_PREFIX_SIZE..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        assert_eq!(CertificateChain::new(&[]), None);
        assert_eq!(CertificateChain::new(&[vec![0; 65536]]), None);
        let chain = CertificateChain::new(&[b"abc".to_vec(), b"de".to_vec()]).unwrap();
        assert_eq!(chain.as_bytes()[..4], [57, 0, 0, 0]);
        // SHA-384 of "abc", FIPS 180-2 appendix D.1.
        assert_eq!(chain.as_bytes()[4..8], [0xcb, 0x00, 0x75, 0x3f]);
        assert_eq!(chain.certificates(), b"abcde");
        let (hash, certificates) = parse(chain.as_bytes()).unwrap();
        assert_eq!((hash[0], certificates), (0xcb, b"abcde".as_slice()));
        for length in 0..57 {
            assert_eq!(parse(&chain.as_bytes()[..length]), None);
        }
    }
}
