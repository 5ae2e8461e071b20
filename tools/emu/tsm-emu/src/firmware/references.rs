// SPDX-License-Identifier: GPL-2.0

//! What the firmware compares devices with. On a real machine the owner of the platform provides it.

/// Who is trusted, and what a device shall measure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Certificates of the roots that are trusted, in DER.
    pub roots: Vec<Vec<u8>>,
    /// The measurement record that is expected, with digests.
    pub measurements: Vec<u8>,
}
