// SPDX-License-Identifier: GPL-2.0

//! `tsmctl status`: what a TSM has of one PCI function.

use iommufd_tsm::{Bdf, PciFunction, Tsm};
use serde::Serialize;
use std::io::{self, Write};

/// A function with its TSM attributes, as they were when they were read.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) function: String,
    pub(crate) vendor: u16,
    pub(crate) device: u16,
    /// Does a TSM of this machine accept it?
    pub(crate) tsm: bool,
    /// TSM that it is connected to.
    pub(crate) connected: Option<String>,
    /// Architecture of that TSM.
    pub(crate) arch: Option<&'static str>,
    /// TSM that authenticated it.
    pub(crate) authenticated: Option<String>,
    /// IDE stream that the link to it is encrypted by.
    pub(crate) stream: Option<String>,
    /// TSM that it is bound through as a TDI.
    pub(crate) bound: Option<String>,
    /// Function whose DSM speaks for it.
    pub(crate) dsm: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) iommu_group: Option<String>,
}

impl Status {
    pub(crate) fn of(function: &PciFunction) -> anyhow::Result<Self> {
        let (vendor, device) = function.ids()?;
        let connected = function.connected()?;
        let mut tsms = Tsm::all()?.into_iter();
        let tsm = tsms.find(|tsm| Some(&tsm.name) == connected.as_ref());
        Ok(Status {
            function: function.bdf().to_string(),
            vendor,
            device,
            tsm: function.has_tsm(),
            arch: tsm.and_then(|tsm| tsm.arch_name()),
            connected,
            authenticated: function.authenticated()?,
            stream: function.stream()?,
            bound: function.bound()?,
            dsm: function.dsm()?,
            driver: function.driver(),
            iommu_group: function.iommu_group(),
        })
    }
}

pub(crate) fn print(bdf: Bdf, json: bool) -> anyhow::Result<()> {
    let status = Status::of(&PciFunction::open(bdf)?)?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
        return Ok(());
    }
    let ids = format!("{:04x}:{:04x}", status.vendor, status.device);
    let accepted = if status.tsm { "yes" } else { "no" };
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for (name, value) in [
        ("function", status.function.clone()),
        ("ids", ids),
        ("accepted", accepted.to_owned()),
        ("connected", dash(&status.connected)),
        ("architecture", status.arch.unwrap_or("-").to_owned()),
        ("authenticated", dash(&status.authenticated)),
        ("stream", dash(&status.stream)),
        ("dsm", dash(&status.dsm)),
        ("bound", dash(&status.bound)),
        ("driver", dash(&status.driver)),
        ("iommu group", dash(&status.iommu_group)),
    ] {
        writeln!(out, "{name:<14} {value}")?;
    }
    Ok(())
}
