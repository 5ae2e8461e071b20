// SPDX-License-Identifier: GPL-2.0

//! `tsmctl demo`: a PCI function for each TSM the whole way from connect to RUN and back, all of
//! them at once.

mod guest;
mod machine;
mod way;
mod window;
mod witness;

use crate::transcript::Transcript;
use anyhow::{ensure, Context};
use clap::Args;
use guest::SnpGuest;
use iommufd_tsm::{Assignment, Bdf, InterfaceReport, ObjectType, Presence, TdiState, Vdevice, Vm};
use machine::{load, presence};
use std::{
    iter::zip,
    path::{Path, PathBuf},
};
use way::Way;
use window::Window;
use witness::Witness;

/// Where the guests of the walk have their function's MMIO.
const GUEST_MMIO: u64 = 0x10_0000_0000;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Load the modules of this project from DIR first, and unload them at the end
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// The function to take, and no other
    #[arg(long, value_name = "BDF")]
    function: Option<Bdf>,
    /// The TSM to connect to, and no other
    #[arg(long)]
    tsm: Option<String>,
    /// Ask the emulated platform on its control line what its devices know, and for the key of the
    /// SNP guest that is played
    #[arg(long, value_name = "TTY")]
    control: Option<PathBuf>,
}

/// The walk.
///
/// # Errors
///
/// The step that failed, and why. What was taken is given back as far as that is possible.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let out = Transcript;
    let result = walk(&out, arguments);
    match &result {
        Ok(()) => out.verdict("demo: ok")?,
        Err(_) => out.verdict("demo: FAILED")?,
    }
    result
}

fn walk(out: &Transcript, arguments: &Arguments) -> anyhow::Result<()> {
    let uname = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    let kernel = format!("Linux {} {}", text(uname.release()), text(uname.machine()));
    out.line("kernel", kernel)?;

    let modules = match &arguments.modules {
        Some(directory) => Some(load(out, directory)?),
        None => None,
    };
    presence(out, Presence::Present)?;

    let ways = Way::all(arguments.tsm.as_deref(), arguments.function)?;
    out.row("tsm", &ways, |way| {
        let arch = way.tsm.arch_name().unwrap_or("not of this project");
        Ok(((), format!("{}: {arch}", way.tsm.name)))
    })?;
    out.row("firmware", &ways, |way| {
        Ok(((), way.tsm.parent.clone().unwrap_or_default()))
    })?;
    out.row("driver", &ways, |way| {
        Ok(((), way.tsm.driver.clone().unwrap_or_default()))
    })?;
    out.row("device", &ways, |way| {
        let (vendor, device) = way.function.ids()?;
        let bdf = way.function.bdf();
        Ok(((), format!("{bdf} [{vendor:04x}:{device:04x}]")))
    })?;
    let connected = out.row("connect", &ways, |way| way.connect());
    let assigned = connected.and_then(|_| assigned(out, arguments.control.as_deref(), &ways));
    // the way back is walked after a failure too
    let returned = out.row("give back", &ways, |way| way.give_back());
    let disconnected = out.row("disconnect", &ways, |way| way.disconnect());
    assigned.and(returned).and(disconnected)?;

    if let Some(modules) = modules {
        out.step("rmmod", || {
            Ok((modules.unload()?, "all of them".to_owned()))
        })?;
        presence(out, Presence::Absent)?;
    }
    Ok(())
}

/// What is done while the functions are the VMs'.
fn assigned(out: &Transcript, control: Option<&Path>, ways: &[Way]) -> anyhow::Result<()> {
    let mut witness = Witness::at(control)?;
    let vms = out.row("vm", ways, |_| Ok((Vm::new()?, "KVM, iommufd".to_owned())))?;
    out.row("take", ways, |way| {
        way.function.take()?;
        Ok(((), "vfio-pci".to_owned()))
    })?;
    let mut vm = vms.iter();
    let assignments = out.row("assign", ways, |way| {
        let vm = vm.next().context("there is a VM for each")?;
        let assignment = Assignment::new(vm, &way.function, u64::from(way.guest_id()))?;
        let id = assignment.vdevice(way.arch()).id();
        Ok((assignment, format!("vDEVICE {id}, {:#x}", way.guest_id())))
    })?;
    let tdis: Vec<Tdi<'_>> = zip(ways, &assignments)
        .map(|(way, assignment)| Tdi {
            way,
            assignment,
            vdevice: assignment.vdevice(way.arch()),
        })
        .collect();
    bound(out, control, &mut witness, ways, &tdis)?;
    drop(tdis);
    let mut assignments = assignments.into_iter();
    out.row("release", ways, |_| {
        let assignment = assignments.next().context("there is one for each")?;
        assignment.release()?;
        Ok(((), "vDEVICE destroyed".to_owned()))
    })?;
    Ok(())
}

/// What is done while the functions are TDIs.
fn bound(
    out: &Transcript,
    control: Option<&Path>,
    witness: &mut Witness,
    ways: &[Way],
    tdis: &[Tdi<'_>],
) -> anyhow::Result<()> {
    out.row("bind", tdis, |tdi| {
        tdi.vdevice.bind()?;
        let through = tdi.way.bound()?;
        Ok(((), format!("locked, through {through}")))
    })?;
    witness.sees(out, ways, TdiState::Locked)?;
    out.row("measure", tdis, |tdi| {
        let nonce = *b"tsmctl demo: not a random number";
        tdi.vdevice.measure(false, Some(&nonce))?;
        Ok(((), "anew, for a nonce".to_owned()))
    })?;
    for (name, object) in [
        ("vca", ObjectType::Vca),
        ("certificate", ObjectType::Certificate),
        ("measurement", ObjectType::Measurement),
        ("report", ObjectType::InterfaceReport),
    ] {
        out.row(name, tdis, |tdi| tdi.object(object))?;
    }
    let sights = out.row("private MMIO", tdis, |tdi| tdi.sight())?;
    let mut seen: Vec<Seen<'_>> = zip(tdis, sights)
        .map(|(tdi, (report, window))| Seen {
            tdi,
            report,
            window,
            guest: None,
        })
        .collect();

    unlock(out, witness, ways, tdis)?;
    out.row("host reads", &seen, |seen| {
        seen.window.host_sees_data("unlocked")
    })?;
    out.row("lock", &seen, |seen| {
        seen.tdi.vdevice.lock()?;
        let object = ObjectType::InterfaceReport;
        let again = InterfaceReport::decode(&seen.tdi.vdevice.read_object(object)?)?;
        ensure!(again == seen.report, "another interface report: {again:?}");
        Ok(((), "locked, same report".to_owned()))
    })?;
    witness.sees(out, ways, TdiState::Locked)?;
    out.row("validate", &seen, |seen| {
        let guest = GUEST_MMIO..GUEST_MMIO + seen.window.len();
        let start = seen.window.start();
        seen.tdi.vdevice.validate_mmio(guest, start)?;
        Ok(((), format!("is guest {GUEST_MMIO:#x}")))
    })?;
    for seen in &mut seen {
        let way = seen.tdi.way;
        seen.guest = SnpGuest::of(way.arch(), way.guest_id(), control)?;
    }
    let there = seen.iter().any(|seen| seen.guest.is_some());
    if there {
        guests(out, "guest: MMIO", &mut seen, |guest, tdi, window| {
            guest.validate(tdi, window, GUEST_MMIO)
        })?;
        guests(out, "guest: DMA", &mut seen, |guest, tdi, _| {
            guest.dma(tdi, true)
        })?;
    }
    out.row("run", tdis, |tdi| {
        Ok((tdi.vdevice.run()?, "runs".to_owned()))
    })?;
    witness.sees(out, ways, TdiState::Run)?;
    out.row("host reads", &seen, |seen| {
        seen.window.host_sees_ones("running")
    })?;
    if there {
        guests(out, "guest: DMA", &mut seen, |guest, tdi, _| {
            guest.dma(tdi, false)
        })?;
    }
    unlock(out, witness, ways, tdis)?;
    out.row("host reads", &seen, |seen| {
        seen.window.host_sees_data("unlocked")
    })?;
    out.row("unbind", tdis, |tdi| {
        tdi.vdevice.unbind()?;
        let bound = tdi.way.function.bound()?;
        ensure!(bound.is_none(), "sysfs says that it is bound still");
        Ok(((), "no TDI".to_owned()))
    })?;
    Ok(())
}

fn unlock(
    out: &Transcript,
    witness: &mut Witness,
    ways: &[Way],
    tdis: &[Tdi<'_>],
) -> anyhow::Result<()> {
    out.row("unlock", tdis, |tdi| {
        Ok((tdi.vdevice.unlock()?, "unlocked, still bound".to_owned()))
    })?;
    witness.sees(out, ways, TdiState::Unlocked)
}

/// Has those guests say something that are played.
fn guests(
    out: &Transcript,
    name: &str,
    seen: &mut [Seen<'_>],
    mut say: impl FnMut(&mut SnpGuest, &Vdevice<'_>, &Window<'_>) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let said = seen.iter_mut().map(|seen| {
        let guest = seen.guest.as_mut();
        guest.map(|guest| say(guest, &seen.tdi.vdevice, &seen.window))
    });
    let mut said: Vec<_> = said.collect();
    let mut said = said.drain(..);
    out.row(name, seen.iter(), |_| match said.next().flatten() {
        Some(text) => Ok(((), text?)),
        None => Ok(((), "-".to_owned())),
    })?;
    Ok(())
}

/// A function that is the VM's.
struct Tdi<'a> {
    way: &'a Way,
    assignment: &'a Assignment<'a>,
    vdevice: Vdevice<'a>,
}

/// One whose report was read.
struct Seen<'a> {
    tdi: &'a Tdi<'a>,
    report: InterfaceReport,
    window: Window<'a>,
    guest: Option<SnpGuest>,
}

impl<'a> Tdi<'a> {
    fn object(&self, object: ObjectType) -> anyhow::Result<((), String)> {
        let bytes = self.vdevice.read_object(object)?;
        ensure!(!bytes.is_empty(), "{object:?} has no bytes");
        let front: String = bytes.iter().take(4).map(|b| format!(" {b:02x}")).collect();
        Ok(((), format!("{} bytes,{front} ..", bytes.len())))
    }

    /// Looks at the interface report, and finds MMIO in it that is for the guest alone.
    fn sight(&self) -> anyhow::Result<((InterfaceReport, Window<'a>), String)> {
        let bars = self.way.function.bars()?;
        let object = ObjectType::InterfaceReport;
        let report = InterfaceReport::decode(&self.vdevice.read_object(object)?)?;
        for range in &report.ranges {
            ensure!(
                bars.iter().any(|bar| bar.holds(range.start, range.len)),
                "{range} is in no BAR"
            );
        }
        let window = Window::find(&report, &bars, self.assignment)
            .context("the report has no MMIO that is for the guest alone")?;
        let line = window.to_string();
        Ok(((report, window), line))
    }
}

impl std::fmt::Display for Tdi<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.way.fmt(f)
    }
}

impl std::fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tdi.fmt(f)
    }
}
