// SPDX-License-Identifier: GPL-2.0

//! What IOMMU_VDEVICE_TSM_REQ returns on success.

/// What an operation made of its buffers. A backend reports this and never a residue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes of the request that were consumed.
    pub consumed: u32,
    /// Bytes of the response buffer that were filled.
    pub filled: u32,
}

impl Outcome {
    /// The whole request was consumed, and `filled` bytes came of it.
    pub const fn new(consumed: u32, filled: u32) -> Self {
        Outcome { consumed, filled }
    }

    /// With a response buffer the bytes of it that were not filled, else the bytes of the request
    /// that were not consumed.
    ///
    /// `None` if the outcome claims more than there was, or if the residue is no positive `int`:
    /// an ioctl could not return it.
    pub const fn residue(self, req_len: u32, resp_len: u32) -> Option<u32> {
        if self.consumed > req_len || self.filled > resp_len {
            return None;
        }
        let residue = if resp_len != 0 {
            resp_len - self.filled
        } else {
            req_len - self.consumed
        };
        if residue > i32::MAX as u32 {
            return None;
        }
        Some(residue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        assert_eq!(Outcome::new(0, 0).residue(0, 0), Some(0));
        assert_eq!(Outcome::new(4, 0).residue(4, 0), Some(0));
        assert_eq!(Outcome::new(3, 0).residue(4, 0), Some(1));
        assert_eq!(Outcome::new(4, 4).residue(4, 4), Some(0));
        assert_eq!(Outcome::new(4, 0).residue(4, 1), Some(1));
        // the response decides if there is a buffer for it
        assert_eq!(Outcome::new(0, 16).residue(4, 16), Some(0));
    }

    #[test]
    fn no_residue_turns_negative() {
        assert_eq!(Outcome::new(0, 0).residue(0, u32::MAX), None);
        assert_eq!(Outcome::new(0, 0).residue(0, 1 << 31), None);
        assert_eq!(
            Outcome::new(0, 0).residue(0, i32::MAX as u32),
            Some(i32::MAX as u32)
        );
        assert_eq!(Outcome::new(0, u32::MAX).residue(0, u32::MAX), Some(0));
        assert_eq!(
            Outcome::new(0, 1).residue(0, 1 << 31),
            Some(i32::MAX as u32)
        );
        assert_eq!(Outcome::new(0, 0).residue(u32::MAX, 0), None);
    }

    proptest! {
        #[test]
        fn never_more_than_there_was(c: u32, f: u32, req: u32, resp: u32) {
            let left = |have: u32, used: u32| have.checked_sub(used);
            let rest = if resp != 0 { left(resp, f) } else { left(req, c) };
            match Outcome::new(c, f).residue(req, resp) {
                Some(r) => {
                    prop_assert!(c <= req && f <= resp && r <= i32::MAX as u32);
                    prop_assert_eq!(Some(r), rest);
                }
                None => {
                    let too_much = rest.is_some_and(|rest| rest > i32::MAX as u32);
                    prop_assert!(c > req || f > resp || too_much);
                }
            }
        }
    }
}
