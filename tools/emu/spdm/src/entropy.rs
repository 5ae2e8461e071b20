// SPDX-License-Identifier: GPL-2.0

//! Random bytes.

/// Gives random bytes.
pub trait Entropy {
    /// Fills `bytes` with what nobody can guess; `None` if there is none now.
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()>;
}

/// So many random bytes.
pub(crate) fn draw<const N: usize>(entropy: &mut (impl Entropy + ?Sized)) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Some(bytes)
}
