// SPDX-License-Identifier: GPL-2.0

//! `tsmctl connect` and `tsmctl disconnect`: the link between a function and its TSM.

use anyhow::Context;
use iommufd_tsm::{Bdf, PciFunction};

pub(crate) fn connect(bdf: Bdf, tsm: &str) -> anyhow::Result<()> {
    PciFunction::open(bdf)?
        .connect(tsm)
        .with_context(|| format!("connecting {bdf} to {tsm}"))
}

pub(crate) fn disconnect(bdf: Bdf) -> anyhow::Result<()> {
    let function = PciFunction::open(bdf)?;
    let tsm = function
        .connected()?
        .with_context(|| format!("{bdf} is not connected to a TSM"))?;
    function
        .disconnect(&tsm)
        .with_context(|| format!("disconnecting {bdf} from {tsm}"))
}
