// SPDX-License-Identifier: GPL-2.0

//! Whose each page is, as a host knows from what it asked for and was answered.

use crate::driver::{Driver, Vm};
use std::collections::{BTreeMap, BTreeSet};
use tsm_wire::mailbox::{Personality, INSTRUCTION};
use tsm_wire::sev::rmp::{Instruction, PageState};
use tsm_wire::sev::{Command, Sla, SpdmCtrl, Status};

/// What a context is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Device,
    Tdi,
    Guest,
}

/// Pages that are not the host's.
pub(crate) struct Owners {
    /// What the firmware may write to.
    firmware: BTreeSet<u64>,
    /// Pages of contexts, by what the host calls those. A context that takes the place of one that is
    /// no more has other pages, even under its name.
    contexts: BTreeMap<(Kind, u64), Vec<u64>>,
}

impl Owners {
    /// After [`Driver::assigned`].
    pub(crate) fn new(driver: &Driver, [device, tdi]: [Sla; 2], vm: &Vm) -> Self {
        let SpdmCtrl {
            req,
            scratch,
            output,
            ..
        } = driver.buffers;
        let buffers = [req, scratch, output].into_iter();
        let contexts = [
            ((Kind::Device, device.0), driver.pages(device)),
            ((Kind::Tdi, tdi.0), driver.pages(tdi)),
            ((Kind::Guest, vm.context), vec![vm.context]),
        ];
        Self {
            firmware: buffers
                .flat_map(|name| driver.pages(name))
                .chain([driver.data])
                .collect(),
            contexts: contexts.into(),
        }
    }

    /// Makes a call. It may change pages that are the firmware's before it, and no others, and there
    /// is as much of everything after it as the host knows of.
    pub(crate) fn ring(&mut self, driver: &mut Driver, x0: u64, x: &[u64]) -> Result<(), String> {
        let guarded = |driver: &Driver| {
            let pages = driver.host.pages();
            let pages = pages.filter(|page| !self.firmware.contains(page));
            let pages = pages.map(|page| (page, driver.host.read(page, 4096)));
            pages.collect::<Vec<_>>()
        };
        // What is in the page of commands is read, and is not what it is about.
        let command = driver.host.read(driver.command, 24);
        let before = guarded(driver);
        let results = driver.host.ring_on(Personality::Psp, x0, x);
        let results = results.ok_or("the call does not end")?;
        let changed = before.iter().zip(guarded(driver));
        let changed = changed.filter(|(before, after)| **before != *after);
        if let Some(((page, _), _)) = changed.into_iter().next() {
            return Err(format!("{page:#x} is not the firmware's and was changed"));
        }
        let words: Vec<u64> = command
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        self.follow(driver, (x0, x), &words, &results[..2])?;
        let of = |kind| self.contexts.keys().filter(move |(is, _)| *is == kind);
        let contexts = self.contexts.values().map(Vec::len).sum::<usize>();
        let counts = [
            of(Kind::Device).count(),
            of(Kind::Tdi).count(),
            of(Kind::Guest).count(),
            self.firmware.len() + contexts,
        ];
        let counted = driver.counts();
        if counted != counts {
            return Err(format!("counts {counted:?}, and not {counts:?}"));
        }
        Ok(())
    }

    fn follow(
        &mut self,
        driver: &Driver,
        (x0, x): (u64, &[u64]),
        words: &[u64],
        results: &[u64],
    ) -> Result<(), String> {
        if x0 == INSTRUCTION | u64::from(Instruction::RmpUpdate) {
            if let (0, Some(PageState::Firmware)) = (results[0], PageState::from_raw(x[2])) {
                self.firmware.insert(x[0]);
            }
            return Ok(());
        }
        let Ok(command) = Command::try_from(x0) else {
            return Ok(());
        };
        if Status::from_x0(results[0]) != Ok(Status::Success) {
            return Ok(());
        }
        let named = |name: u64| (name, driver.pages(Sla(name)));
        match command {
            Command::SnpGctxCreate => self.take(Kind::Guest, (words[0], vec![words[0]])),
            Command::SnpDecommission => self.release(Kind::Guest, words[0]),
            Command::TioDevCreate => self.take(Kind::Device, named(words[1])),
            Command::TioDevReclaim => self.release(Kind::Device, words[1]),
            Command::TioTdiCreate => self.take(Kind::Tdi, named(words[2])),
            Command::TioTdiReclaim => self.release(Kind::Tdi, words[2]),
            Command::SnpPageReclaim => match self.firmware.remove(&words[0]) {
                true => Ok(()),
                false => Err(format!("{:#x} was not to be reclaimed", words[0])),
            },
            _ => Ok(()),
        }
    }

    fn take(&mut self, kind: Kind, (name, pages): (u64, Vec<u64>)) -> Result<(), String> {
        for page in &pages {
            if !self.firmware.remove(page) {
                return Err(format!("{page:#x} was not the firmware's to take"));
            }
        }
        self.contexts.insert((kind, name), pages);
        Ok(())
    }

    fn release(&mut self, kind: Kind, name: u64) -> Result<(), String> {
        let context = self.contexts.remove(&(kind, name));
        let pages = context.ok_or(format!("there was no {kind:?} {name:#x}"))?;
        self.firmware.extend(pages);
        Ok(())
    }
}
