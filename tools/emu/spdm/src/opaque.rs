// SPDX-License-Identifier: GPL-2.0

//! Opaque data of KEY_EXCHANGE: which versions of secured messages the requester speaks, and which
//! one the responder chose (DSP0277, secured message opaque element; in the general opaque data format of DSP0274).
//!
//! Version 1.1 of SPDM puts eight bytes in front where 1.2 has four; elements are the same.

use crate::header::{front, split};
use crate::{Fault, Version};
use zerocopy::little_endian::{U16, U32};
use zerocopy::IntoBytes;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Versions of DSP0277 that this crate speaks, as in version entries: 1.1 and 1.0. They differ in
/// nothing that is used here.
const SECURED_VERSIONS: [u16; 2] = [0x1100, 0x1000];
/// Bits of a version entry that are neither major nor minor version.
const UPDATE: u16 = 0xff;

/// Most bytes of opaque data.
pub(crate) const SIZE_MAX: usize = 1024;

/// "DMTF", where version 1.1 starts opaque data.
const SPECIFICATION: u32 = 0x444d_5446;
/// Registry: DMTF, which has no vendors.
const REGISTRY_DMTF: u8 = 0;
/// Version of the data of an element.
const DATA_VERSION: u8 = 1;
/// Data: the version chosen.
const ID_SELECTION: u8 = 0;
/// Data: the versions supported.
const ID_SUPPORTED: u8 = 1;

/// In front of the elements, in SPDM 1.1.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Front11 {
    specification: U32,
    version: u8,
    elements: u8,
    reserved: U16,
}

/// In front of the elements, in SPDM 1.2.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Front12 {
    elements: u8,
    reserved: [u8; 3],
}

/// One element with this data, padded.
fn encode(version: Version, id: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = match version {
        Version::V1_1 => Front11 {
            specification: U32::new(SPECIFICATION),
            version: 1,
            elements: 1,
            reserved: U16::new(0),
        }
        .as_bytes()
        .to_vec(),
        Version::V1_2 => vec![1, 0, 0, 0],
    };
    let length = U16::new(data.len() as u16 + 2);
    bytes.extend_from_slice(&[REGISTRY_DMTF, 0]);
    bytes.extend_from_slice(length.as_bytes());
    bytes.extend_from_slice(&[DATA_VERSION, id]);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Data of the first element of DMTF with this id.
fn find(version: Version, bytes: &[u8], id: u8) -> Result<&[u8], Fault> {
    let (elements, mut rest) = match version {
        Version::V1_1 => {
            let (head, rest) = front::<Front11>(bytes)?;
            if head.specification.get() != SPECIFICATION || head.version != 1 {
                return Err(Fault::Malformed);
            }
            (head.elements, rest)
        }
        Version::V1_2 => {
            let (head, rest) = front::<Front12>(bytes)?;
            (head.elements, rest)
        }
    };
    let mut found = None;
    for _ in 0..elements {
        let ([registry, vendor], after) = front::<[u8; 2]>(rest)?;
        let (_, after) = split(after, usize::from(vendor))?;
        let (length, after) = front::<U16>(after)?;
        let (data, after) = split(after, usize::from(length.get()))?;
        let used = rest.len() - after.len();
        let padding = used.next_multiple_of(4) - used;
        (_, rest) = split(after, padding)?;
        if let (REGISTRY_DMTF, 0, [DATA_VERSION, kind, data @ ..]) = (registry, vendor, data) {
            if *kind == id {
                found = found.or(Some(data));
            }
        }
    }
    if rest.is_empty() {
        found.ok_or(Fault::Malformed)
    } else {
        Err(Fault::Malformed)
    }
}

/// Opaque data of a request: the versions supported.
pub(crate) fn supported(version: Version) -> Vec<u8> {
    let entries = SECURED_VERSIONS.map(U16::new);
    let count = [SECURED_VERSIONS.len() as u8];
    let data = [count.as_slice(), entries.as_bytes()].concat();
    encode(version, ID_SUPPORTED, &data)
}

/// Opaque data of the response to such a request; `None` if there is no version in common.
pub(crate) fn select(version: Version, request: &[u8]) -> Option<Vec<u8>> {
    let data = find(version, request, ID_SUPPORTED).ok()?;
    let (count, entries) = data.split_first()?;
    let (entries, _) = split(entries, 2 * usize::from(*count)).ok()?;
    let wanted: Vec<u16> = entries
        .chunks_exact(2)
        .filter_map(|entry| entry.try_into().ok())
        .map(|entry| u16::from_le_bytes(entry) & !UPDATE)
        .collect();
    let chosen = SECURED_VERSIONS
        .into_iter()
        .find(|own| wanted.contains(own))?;
    Some(encode(version, ID_SELECTION, &chosen.to_le_bytes()))
}

/// Whether a response chose a version that was offered.
pub(crate) fn check_selection(version: Version, response: &[u8]) -> Result<(), Fault> {
    let data = find(version, response, ID_SELECTION)?;
    let chosen = <[u8; 2]>::try_from(data).map_err(|_| Fault::Malformed)?;
    let chosen = u16::from_le_bytes(chosen) & !UPDATE;
    if SECURED_VERSIONS.contains(&chosen) {
        Ok(())
    } else {
        Err(Fault::NoCommonVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout() {
        let request = supported(Version::V1_2);
        assert_eq!(
            request,
            [1, 0, 0, 0, 0, 0, 7, 0, 1, 1, 2, 0, 0x11, 0, 0x10, 0]
        );
        let response = select(Version::V1_2, &request).unwrap();
        assert_eq!(response, [1, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0x11]);
        assert_eq!(check_selection(Version::V1_2, &response), Ok(()));
        let old = supported(Version::V1_1);
        assert_eq!(old[..8], [0x46, 0x54, 0x4d, 0x44, 1, 1, 0, 0]);
        assert_eq!(old[8..], request[4..]);
        let response = select(Version::V1_1, &old).unwrap();
        assert_eq!(check_selection(Version::V1_1, &response), Ok(()));
        assert_eq!(select(Version::V1_2, &old), None);
    }

    /// Elements of others are passed over, newer versions too.
    #[test]
    fn several_elements() {
        let request = [
            3, 0, 0, 0, // of a vendor: registry 3, two bytes of vendor, one byte of data
            3, 2, 1, 0, 1, 0, 9, 0, // limit of the AEAD, of DSP0277 1.3
            0, 0, 3, 0, 1, 2, 40, 0, // versions 1.3, 1.1.4
            0, 0, 7, 0, 1, 1, 2, 0, 0x13, 4, 0x11, 0,
        ];
        let response = select(Version::V1_2, &request).unwrap();
        assert_eq!(response[10..], [0, 0x11]);
        for cut in 0..request.len() {
            assert_eq!(select(Version::V1_2, &request[..cut]), None);
        }
    }

    #[test]
    fn nothing_in_common() {
        let request = [1, 0, 0, 0, 0, 0, 5, 0, 1, 1, 1, 0, 0x20, 0, 0, 0];
        assert_eq!(select(Version::V1_2, &request), None);
        let response = [1, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0x20];
        assert_eq!(
            check_selection(Version::V1_2, &response),
            Err(Fault::NoCommonVersion)
        );
    }

    proptest! {
        #[test]
        fn no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for version in [Version::V1_1, Version::V1_2] {
                let _ = select(version, &bytes);
                let _ = check_selection(version, &bytes);
            }
        }
    }
}
