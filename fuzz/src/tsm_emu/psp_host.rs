// SPDX-License-Identifier: GPL-2.0

//! A host that gives the PSP commands.

use super::host::Host;
use super::memory::{page, Owner};
use tsm_emu::firmware::psp::Psp;
use tsm_wire::detail::{Detail, DetailClass};
use tsm_wire::mailbox::INSTRUCTION;
use tsm_wire::sev::rmp::{PageState, RmpResult};
use tsm_wire::sev::{Command, Status};

/// The page that commands are given in.
pub(super) const COMMAND_PAGE: u8 = 0;

impl Host<Psp> {
    /// Makes a call: `X0` and `X1` of its results.
    pub(super) fn raw(&mut self, [x0, x @ ..]: [u64; 5]) -> (u64, u64) {
        let results = self.ring(x0, &x);
        assert!(results[2..].iter().all(|result| *result == 0));
        (results[0], results[1])
    }

    /// RMPUPDATE of a page, which goes where the host's model says.
    pub(super) fn update(&mut self, page: u64, gpa: u64, state: u64) {
        let (result, done) = self.raw([INSTRUCTION | 1, page, gpa, state, 1]);
        let succeeded = RmpResult::try_from(result) == Ok(RmpResult::Success);
        assert_eq!(done, u64::from(succeeded));
        let mut owners = self.memory.owners.borrow_mut();
        let owner = owners.get(&page).copied();
        let owned = matches!(owner, Some(Owner::Firmware | Owner::Context));
        assert!(!succeeded || !owned, "{page:#x} was the firmware's");
        match PageState::from_raw(state).filter(|_| succeeded) {
            Some(PageState::Firmware) => drop(owners.insert(page, Owner::Firmware)),
            Some(PageState::Guest(_)) => drop(owners.insert(page, Owner::Guest)),
            Some(PageState::Shared) => drop(owners.remove(&page)),
            None => {}
        }
    }

    /// Gives a command.
    pub(super) fn command(&mut self, command: u64, parameters: &[u8]) -> (Status, Detail) {
        let at = page(COMMAND_PAGE);
        self.memory.poke(at, parameters);
        let (status, detail) = self.raw([command, at, 0, 0, 0]);
        let status = Status::from_x0(status).unwrap();
        let detail = Detail::from_raw(detail).unwrap();
        let talks = matches!(
            status,
            Status::SpdmError | Status::ErrInDevConn | Status::DevCertChanged
        );
        assert_eq!(talks, detail.class != DetailClass::None, "{status:?}");
        assert!(Command::try_from(command).is_ok() || status == Status::InvalidCommand);
        (status, detail)
    }
}
