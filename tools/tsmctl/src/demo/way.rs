// SPDX-License-Identifier: GPL-2.0

//! A device and the TSM that it is taken to.

use anyhow::{ensure, Context};
use iommufd_tsm::{Bdf, PciFunction, Tsm, TvmArch};
use std::fmt;

/// One of the ways that are walked at once.
pub(super) struct Way {
    pub(super) tsm: Tsm,
    pub(super) function: PciFunction,
}

impl Way {
    /// Finds a device for each TSM, in order; or for the one TSM that is wanted, or the one device.
    pub(super) fn all(tsm: Option<&str>, function: Option<Bdf>) -> anyhow::Result<Vec<Self>> {
        let mut tsms = Tsm::all()?;
        tsms.retain(|other| tsm.is_none_or(|wanted| other.name == wanted));
        ensure!(
            !tsms.is_empty(),
            "there is no {} in /sys/class/tsm",
            tsm.unwrap_or("TSM")
        );
        let functions = match function {
            Some(bdf) => vec![PciFunction::open(bdf)?],
            None => PciFunction::all()?,
        };
        let mut accepted = functions.into_iter().filter(PciFunction::can_connect);
        let ways: Vec<Way> = tsms
            .into_iter()
            .zip(&mut accepted)
            .map(|(tsm, function)| Way { tsm, function })
            .collect();
        ensure!(!ways.is_empty(), "no PCI function is accepted by a TSM");
        Ok(ways)
    }

    /// The architecture that its guest speaks.
    pub(super) fn arch(&self) -> TvmArch {
        self.tsm.arch.unwrap_or(TvmArch::Common)
    }

    /// What the guest calls the function.
    pub(super) fn guest_id(&self) -> u16 {
        self.function.bdf().routing_id()
    }

    pub(super) fn connect(&self) -> anyhow::Result<((), String)> {
        let tsm = &self.tsm.name;
        self.function.connect(tsm)?;
        let connected = self.function.connected()?;
        ensure!(
            connected.as_ref() == Some(tsm),
            "sysfs says that it is connected to {connected:?}"
        );
        let authenticated = self.function.authenticated()?;
        ensure!(
            authenticated.as_ref() == Some(tsm),
            "sysfs says that it was authenticated by {authenticated:?}"
        );
        let link = match self.function.stream()? {
            Some(stream) => format!("IDE {stream}"),
            None => "no IDE stream".to_owned(),
        };
        Ok(((), format!("session, {link}")))
    }

    /// Of a device that is connected.
    pub(super) fn disconnect(&self) -> anyhow::Result<((), String)> {
        if self.function.connected()?.is_none() {
            return Ok(((), "not connected".to_owned()));
        }
        self.function.disconnect(&self.tsm.name)?;
        let connected = self.function.connected()?;
        ensure!(
            connected.is_none(),
            "sysfs says that it is connected to {connected:?} still"
        );
        Ok(((), format!("from {}", self.tsm.name)))
    }

    pub(super) fn give_back(&self) -> anyhow::Result<((), String)> {
        self.function.give_back()?;
        let driver = self.function.driver();
        Ok(((), driver.unwrap_or_else(|| "no driver".to_owned())))
    }

    /// The TSM that sysfs says it is bound through.
    pub(super) fn bound(&self) -> anyhow::Result<String> {
        let bound = self.function.bound()?;
        bound.context("sysfs does not call it bound")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.function.bdf(), self.tsm.name)
    }
}
