// SPDX-License-Identifier: GPL-2.0

//! `tsmctl list`: TSMs, and the PCI functions that they accept.

use crate::status::Status;
use iommufd_tsm::{PciFunction, Tsm};
use serde::Serialize;
use std::io::{self, Write};
use tsmctl::module;

#[derive(Serialize)]
struct List {
    modules: Vec<&'static str>,
    tsms: Vec<TsmEntry>,
    functions: Vec<Status>,
}

#[derive(Serialize)]
struct TsmEntry {
    name: String,
    arch: Option<&'static str>,
    parent: Option<String>,
    driver: Option<String>,
}

impl List {
    fn read() -> anyhow::Result<Self> {
        let tsms = Tsm::all()?.into_iter().map(|tsm| TsmEntry {
            arch: tsm.arch_name(),
            name: tsm.name,
            parent: tsm.parent,
            driver: tsm.driver,
        });
        let functions = PciFunction::all()?;
        Ok(List {
            modules: module::loaded()?,
            tsms: tsms.collect(),
            functions: functions
                .iter()
                .filter(|function| function.has_tsm())
                .map(Status::of)
                .collect::<Result<_, _>>()?,
        })
    }
}

pub(crate) fn print(json: bool) -> anyhow::Result<()> {
    let list = List::read()?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &list)?;
        writeln!(out)?;
        return Ok(());
    }
    if list.tsms.is_empty() {
        writeln!(out, "no TSM on this machine")?;
    } else {
        let rows = list.tsms.iter().map(|tsm| {
            let arch = tsm.arch.unwrap_or("-");
            [&tsm.name, arch, dash(&tsm.parent), dash(&tsm.driver)].map(str::to_owned)
        });
        let head = ["TSM", "ARCH", "DEVICE", "DRIVER"];
        table(&mut out, head, rows.collect())?;
    }
    if !list.functions.is_empty() {
        let rows = list.functions.iter().map(|f| {
            [
                f.function.as_str(),
                dash(&f.connected),
                dash(&f.dsm),
                dash(&f.bound),
                dash(&f.driver),
                dash(&f.iommu_group),
            ]
            .map(str::to_owned)
        });
        let head = ["FUNCTION", "CONNECTED", "DSM", "BOUND", "DRIVER", "GROUP"];
        writeln!(out)?;
        table(&mut out, head, rows.collect())?;
    }
    Ok(())
}

fn dash(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

/// Prints columns as wide as their widest cell.
fn table<const N: usize>(
    out: &mut impl Write,
    head: [&str; N],
    mut rows: Vec<[String; N]>,
) -> io::Result<()> {
    rows.insert(0, head.map(str::to_owned));
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        let rows = vec![["tsm0".to_owned(), "x".to_owned()]];
        table(&mut out, ["A", "DEVICE"], rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A     DEVICE\ntsm0  x\n");
    }
}
