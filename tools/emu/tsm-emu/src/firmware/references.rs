// SPDX-License-Identifier: GPL-2.0

//! What the firmware compares devices with. On a real machine the owner of the platform provides it.

/// A device that is to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Certificate of its root, in DER.
    pub root: Vec<u8>,
    /// The measurement record that is expected of it, with digests.
    pub measurements: Vec<u8>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References(pub Vec<Reference>);

impl References {
    /// The roots that are trusted.
    pub fn roots(&self) -> Vec<Vec<u8>> {
        self.0
            .iter()
            .map(|reference| reference.root.clone())
            .collect()
    }

    /// What a device shall measure that shows these certificates, root first.
    pub fn measurements(&self, certificates: &[u8]) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|reference| certificates.starts_with(&reference.root))
            .map(|reference| reference.measurements.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_their_root() {
        let reference = |root: &[u8], measurements: &[u8]| Reference {
            root: root.to_vec(),
            measurements: measurements.to_vec(),
        };
        let references = References(vec![reference(b"one", b"1"), reference(b"two", b"2")]);
        assert_eq!(references.measurements(b"two, and below"), Some(&b"2"[..]));
        assert_eq!(references.measurements(b"three"), None);
        assert_eq!(references.roots(), [b"one", b"two"]);
    }
}
