// SPDX-License-Identifier: GPL-2.0

//! What a bound TDI costs in kernel memory: what BIND allocated and did not free.
//!
//! Every allocation is seen through the kernel's own trace events, so that the figure is of bytes
//! and not of pages that were at hand anyway.

use crate::{
    meminfo,
    trace::{Outstanding, Site, Tracer},
};
use anyhow::Context;
use iommufd_tsm::{Assignment, ObjectType, TvmArch, Vdevice};
use serde::Serialize;
use std::{iter, thread, time::Duration};

/// How long what is freed late (RCU) has to be freed.
const LATE: Duration = Duration::from_millis(200);

/// The memory of one TDI, bytes.
#[derive(Debug, Serialize)]
pub(crate) struct TdiMemory {
    pub(crate) function: String,
    /// Is it the first of its VM, so that what the TSM keeps of the VM is counted with it?
    pub(crate) first: bool,
    /// All that BIND allocated and kept.
    pub(crate) bytes: u64,
    /// Its evidence objects, which are made by BIND.
    pub(crate) objects: u64,
    /// Where it was allocated, the largest first.
    pub(crate) sites: Vec<Site>,
}

impl TdiMemory {
    /// What the budget is of.
    pub(crate) fn besides_objects(&self) -> u64 {
        self.bytes.saturating_sub(self.objects)
    }
}

/// Binds all of them, one after the other, measures each, and unbinds them.
pub(crate) fn of(assignments: &[Assignment<'_>]) -> anyhow::Result<Vec<TdiMemory>> {
    let tdis = || assignments.iter().map(|a| a.vdevice(TvmArch::Cca));
    // a first time, for what is allocated once and kept for all
    for tdi in tdis() {
        tdi.bind().context("bind")?;
        tdi.unbind().context("unbind")?;
    }
    let tracer = Tracer::open().context("trace events")?;
    let measured = assignments
        .iter()
        .zip([true].into_iter().chain(iter::repeat(false)))
        .map(|(a, first)| one(&tracer, a, first))
        .collect();
    for tdi in tdis() {
        tdi.unbind().context("unbind")?;
    }
    measured
}

fn one(tracer: &Tracer, assignment: &Assignment<'_>, first: bool) -> anyhow::Result<TdiMemory> {
    let tdi = assignment.vdevice(TvmArch::Cca);
    let before = meminfo::vmalloc_used()?;
    let traced = tracer.trace(|| {
        let bound = tdi.bind();
        thread::sleep(LATE);
        bound
    })?;
    traced.result.context("bind")?;
    let mapped = meminfo::vmalloc_used()?.saturating_sub(before);
    let Outstanding { bytes, mut sites } = traced.outstanding;
    if mapped != 0 {
        sites.push(Site {
            kind: "vmalloc".to_owned(),
            caller: "(difference of VmallocUsed)".to_owned(),
            bytes: mapped,
        });
    }
    Ok(TdiMemory {
        function: assignment.bdf().to_string(),
        first,
        bytes: bytes + mapped,
        objects: objects(tdi)?,
        sites,
    })
}

/// Bytes in the objects that belong to a TDI; the others are the device's and there before it.
fn objects(tdi: Vdevice<'_>) -> anyhow::Result<u64> {
    let of = [ObjectType::Measurement, ObjectType::InterfaceReport];
    let mut bytes = 0;
    for object in of {
        bytes += u64::from(tdi.object_len(object)?);
    }
    Ok(bytes)
}
