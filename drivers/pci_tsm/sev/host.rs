// SPDX-License-Identifier: GPL-2.0

//! What the host does by instructions of its own: the reverse map, and caches.

use kernel::prelude::*;
use pci_tsm::{
    mailbox::Mailbox,
    patience::Patience,
    transport::{
        FirmwareTransport,
        Registers, //
    },
};
use tsm_wire::{
    mailbox::X_COUNT,
    refusal::Refusal,
    sev::rmp::{
        Instruction,
        PageState,
        RmpResult,
        INSTRUCTION, //
    }, //
};

/// A host with SEV-SNP. On a real one the first function is rmp_make_private() and
/// rmp_make_shared(), page after page, and the second one wbinvd_on_all_cpus(); neither of them is
/// the affair of the firmware, nor of the way to it.
pub(crate) trait Host<'f>: FirmwareTransport<'f> {
    /// RMPUPDATE for `pages` pages from `address` on, which become those of `gpa` on if they are a
    /// guest's. Returns for how many it was done, from the first on, and what the next one said.
    ///
    /// # Errors
    ///
    /// As [`FirmwareTransport::call`] has them.
    fn rmp_update(
        &self,
        patience: &Patience,
        address: u64,
        pages: u64,
        state: PageState,
        gpa: u64,
    ) -> Result<(u64, RmpResult), Refusal>;

    /// WBINVD on every processor.
    ///
    /// # Errors
    ///
    /// As [`FirmwareTransport::call`] has them.
    fn write_back_caches(&self, patience: &Patience) -> Result<(), Refusal>;
}

/// Registers of a stand-in for an instruction.
fn stand_in(instruction: Instruction, arguments: [u64; 4]) -> Registers {
    let mut registers = [0; X_COUNT];
    let words = Iterator::chain(
        core::iter::once(INSTRUCTION | u64::from(instruction)),
        arguments,
    );
    for (to, from) in registers.iter_mut().zip(words) {
        *to = from;
    }
    registers
}

impl<'f> Host<'f> for Pin<KBox<Mailbox<'f>>> {
    fn rmp_update(
        &self,
        patience: &Patience,
        address: u64,
        pages: u64,
        state: PageState,
        gpa: u64,
    ) -> Result<(u64, RmpResult), Refusal> {
        let arguments = [address, gpa, state.raw(), pages];
        let mut registers = stand_in(Instruction::RmpUpdate, arguments);
        self.call(&mut registers, patience)?;
        let [result, done, ..] = registers;
        let result = RmpResult::try_from(result).unwrap_or(RmpResult::FailInput);
        Ok((done.min(pages), result))
    }

    fn write_back_caches(&self, patience: &Patience) -> Result<(), Refusal> {
        self.call(&mut stand_in(Instruction::Wbinvd, [0; 4]), patience)
    }
}
