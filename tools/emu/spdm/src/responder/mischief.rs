// SPDX-License-Identifier: GPL-2.0

//! How a responder misbehaves when it is told to.

/// Each number says how many times from now; all are 0 at first.
#[derive(Clone, Debug, Default)]
pub struct Mischief {
    /// The next signature is wrong.
    pub wrong_signature: u32,
    /// A bit of the next secured answer is flipped.
    pub flip_bit: u32,
    /// Instead of the next secured answer the one before it comes again.
    pub replay: u32,
    /// A sequence number is left out before the next secured answer.
    pub skip: u32,
    /// The next measurements are signed for a nonce that is not the requester's, and repeat the
    /// device's own.
    pub stale_nonce: u32,
    /// The session is lost before the next secured answer.
    pub lose_session: u32,
    /// The next request is answered by ResponseNotReady; so is RESPOND_IF_READY.
    pub not_ready: u32,
    /// The next request is answered by Busy.
    pub busy: u32,
    /// The next request is answered by RequestResynch, and the connection is lost.
    pub resynch: u32,
    /// The next request is answered by ResetRequired.
    pub reset_required: u32,
    /// The secured answer before.
    pub(super) last_sealed: Option<Vec<u8>>,
    /// The device's nonce in the measurements before.
    pub(super) last_nonce: [u8; 32],
}

/// Counts down.
pub(super) trait Strike {
    /// Whether it is to happen now.
    fn strike(&mut self) -> bool;
}

impl Strike for u32 {
    fn strike(&mut self) -> bool {
        let now = *self > 0;
        *self = self.saturating_sub(1);
        now
    }
}

impl Mischief {
    /// What is sent instead of a secured answer.
    pub(super) fn tamper(&mut self, sealed: Vec<u8>) -> Vec<u8> {
        let last = self.last_sealed.replace(sealed.clone());
        let mut sent = sealed;
        if let Some(last) = last {
            if self.replay.strike() {
                sent = last;
            }
        }
        if self.flip_bit.strike() {
            if let Some(byte) = sent.last_mut() {
                *byte ^= 1;
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_down() {
        let mut mischief = Mischief {
            replay: 1,
            flip_bit: 1,
            ..Mischief::default()
        };
        // There is nothing to replay yet.
        assert_eq!(mischief.tamper(vec![8]), [9]);
        assert_eq!(mischief.tamper(vec![2]), [8]);
        assert_eq!(mischief.tamper(vec![4]), [4]);
        assert_eq!((mischief.replay, mischief.flip_bit), (0, 0));
    }
}
