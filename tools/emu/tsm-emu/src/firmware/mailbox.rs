// SPDX-License-Identifier: GPL-2.0

//! The registers of the mailbox, see [`tsm_wire::mailbox`].

use tsm_wire::mailbox::{
    used, Personality, Registers, DOORBELL, MAGIC_VALUE, RESET, STATUS_BUSY, STATUS_RESULTS_SHIFT,
    VERSION_VALUE, X, X_COUNT,
};
use zerocopy::IntoBytes;

/// What a write to the mailbox asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing.
    None,
    /// Run the call.
    Ring,
    /// End the call that is running.
    CutOff,
}

/// The mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    registers: Registers,
}

impl Mailbox {
    pub(super) fn new(personality: Personality) -> Self {
        Self {
            registers: Registers {
                magic: MAGIC_VALUE,
                version: VERSION_VALUE,
                personality: personality as u32,
                status: 0,
                doorbell: 0,
                reset: 0,
                reserved: [0; 10],
                x: [0; X_COUNT],
            },
        }
    }

    pub(super) fn read(&self, offset: usize, data: &mut [u8]) {
        let inside = self.registers.as_bytes().get(offset..).unwrap_or_default();
        for (to, from) in data
            .iter_mut()
            .zip(inside.iter().copied().chain(std::iter::repeat(0)))
        {
            *to = from;
        }
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) -> Event {
        let busy = self.registers.status & STATUS_BUSY != 0;
        match offset {
            DOORBELL if !busy => {
                let mut count = [0; 4];
                for (to, from) in count.iter_mut().zip(data) {
                    *to = *from;
                }
                let count = u32::from_le_bytes(count) as usize;
                let unused = self.registers.x.get_mut(count..).unwrap_or_default();
                unused.fill(0);
                return Event::Ring;
            }
            RESET if busy => return Event::CutOff,
            X.. if !busy => {
                let inside = self
                    .registers
                    .x
                    .as_mut_bytes()
                    .get_mut(offset - X..)
                    .unwrap_or_default();
                for (to, from) in inside.iter_mut().zip(data) {
                    *to = *from;
                }
            }
            _ => {}
        }
        Event::None
    }

    /// Takes the call.
    pub(super) fn begin(&mut self) -> [u64; X_COUNT] {
        self.registers.status |= STATUS_BUSY;
        self.registers.x
    }

    /// Gives its results; the registers after them are zero.
    pub(super) fn finish<const N: usize>(&mut self, results: [u64; N]) {
        self.registers.x = [0; X_COUNT];
        for (to, from) in self.registers.x.iter_mut().zip(results) {
            *to = from;
        }
        self.registers.status = (used(&self.registers.x) as u32) << STATUS_RESULTS_SHIFT;
    }

    /// Forgets call and results.
    pub(super) fn reset(&mut self) {
        self.finish([]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tsm_wire::mailbox::{results, x, MAGIC, PERSONALITY, STATUS, VERSION};

    fn word(mailbox: &Mailbox, offset: usize) -> u32 {
        let mut data = [0; 4];
        mailbox.read(offset, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn call_and_reset() {
        let mut mailbox = Mailbox::new(Personality::Rmm);
        assert_eq!(word(&mailbox, MAGIC).to_le_bytes(), *b"TSMF");
        assert_eq!(
            (word(&mailbox, VERSION), word(&mailbox, PERSONALITY)),
            (2, 1)
        );
        mailbox.write(x(3), &5u64.to_le_bytes());
        mailbox.write(x(1), &0x1122_3344_5566_7788u64.to_le_bytes());
        mailbox.write(x(2) + 4, &7u32.to_le_bytes());
        assert_eq!(mailbox.write(DOORBELL, &[3, 0, 0, 0]), Event::Ring);
        let call = mailbox.begin();
        assert_eq!(call[..4], [0, 0x1122_3344_5566_7788, 7 << 32, 0]);
        assert_eq!(word(&mailbox, STATUS), STATUS_BUSY);
        assert_eq!(mailbox.write(DOORBELL, &[1, 0, 0, 0]), Event::None);
        mailbox.write(x(1), &[0; 8]);
        assert_eq!(mailbox.registers.x[1], 0x1122_3344_5566_7788);
        assert_eq!(mailbox.write(RESET, &[0; 4]), Event::CutOff);
        mailbox.finish([6, 0, 8, 0]);
        assert_eq!(word(&mailbox, STATUS), 3 << STATUS_RESULTS_SHIFT);
        assert_eq!(results(word(&mailbox, STATUS)), 3);
        assert_eq!(mailbox.registers.x[..4], [6, 0, 8, 0]);
        mailbox.write(x(0), &[9]);
        assert_eq!(mailbox.write(RESET, &[0; 4]), Event::None);
        assert_eq!(mailbox.registers.x[0], 9);
        mailbox.reset();
        assert_eq!(mailbox.registers.x[0], 0);
        assert_eq!(results(word(&mailbox, STATUS)), 0);
    }

    proptest! {
        #[test]
        fn any_access(offset in 0usize..5000, data in proptest::collection::vec(any::<u8>(), 0..16)) {
            let mut mailbox = Mailbox::new(Personality::Rmm);
            mailbox.write(offset, &data);
            let mut back = data.clone();
            mailbox.read(offset, &mut back);
            prop_assert_eq!(word(&mailbox, MAGIC), MAGIC_VALUE);
            prop_assert_eq!(word(&mailbox, STATUS), 0);
        }
    }
}
