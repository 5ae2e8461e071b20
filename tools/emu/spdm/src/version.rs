// SPDX-License-Identifier: GPL-2.0

//! GET_VERSION and VERSION (10.3). Both have version 1.0 in their header, always.

use crate::header::{consumed, end_of_answer, front, message, response_of, split};
use crate::Fault;
use zerocopy::little_endian::U16;
use zerocopy::IntoBytes;

/// GET_VERSION.
pub const REQUEST: u8 = 0x84;
/// VERSION.
pub const RESPONSE: u8 = 0x04;

/// What stands in the header of these two.
pub(crate) const HEADER_VERSION: u8 = 0x10;

/// Versions of SPDM that this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.1: no sizes in capabilities, and signatures over the transcript itself.
    V1_1,
    /// 1.2.
    V1_2,
}

impl Version {
    /// As it stands in headers: major in bits 7:4, minor in bits 3:0.
    pub fn wire(self) -> u8 {
        match self {
            Self::V1_1 => 0x11,
            Self::V1_2 => 0x12,
        }
    }

    /// As it stands in headers.
    pub fn of(wire: u8) -> Option<Self> {
        [Self::V1_1, Self::V1_2]
            .into_iter()
            .find(|version| version.wire() == wire)
    }
}

pub(crate) fn encode() -> Vec<u8> {
    message(HEADER_VERSION, REQUEST, 0, 0, &[])
}

pub(crate) fn encode_response(versions: &[Version]) -> Vec<u8> {
    // One reserved byte, then the count. An entry has major and minor in its upper byte.
    let mut body = vec![0, versions.len() as u8];
    for version in versions {
        body.extend_from_slice(U16::new(u16::from(version.wire()) << 8).as_bytes());
    }
    message(HEADER_VERSION, RESPONSE, 0, 0, &body)
}

/// Reads VERSION: its length and those entries that are known.
pub(crate) fn decode_response(bytes: &[u8]) -> Result<(usize, Vec<Version>), Fault> {
    let (_, body) = response_of(bytes, HEADER_VERSION, RESPONSE)?;
    let ([_, count], rest) = front::<[u8; 2]>(body)?;
    let (entries, rest) = split(rest, usize::from(count) * 2)?;
    end_of_answer(rest)?;
    let entries = entries
        .chunks_exact(2)
        .filter_map(|entry| entry.last().copied())
        .filter_map(Version::of)
        .collect();
    Ok((consumed(bytes, rest), entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        assert_eq!(encode(), [0x10, 0x84, 0, 0]);
        let both = encode_response(&[Version::V1_1, Version::V1_2]);
        assert_eq!(both, [0x10, 0x04, 0, 0, 0, 2, 0, 0x11, 0, 0x12]);
        let known = vec![Version::V1_1, Version::V1_2];
        let mut padded = both.clone();
        padded.extend([0; 2]);
        assert_eq!(decode_response(&padded), Ok((10, known)));
        let strange = [0x10, 0x04, 0, 0, 0, 2, 0, 0x10, 0x34, 0x14];
        assert_eq!(decode_response(&strange), Ok((10, Vec::new())));
        assert_eq!(decode_response(&both[..9]), Err(Fault::Short));
        assert_eq!(
            decode_response(&[0x12, 0x04, 0, 0, 0, 0]),
            Err(Fault::Malformed)
        );
    }
}
