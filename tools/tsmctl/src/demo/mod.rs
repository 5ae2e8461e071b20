// SPDX-License-Identifier: GPL-2.0

//! `tsmctl demo`: one PCI function the whole way from connect to RUN and back.

mod machine;
mod window;
mod witness;

use crate::transcript::Transcript;
use anyhow::{ensure, Context};
use clap::Args;
use iommufd_tsm::{
    Assignment, Bdf, InterfaceReport, ObjectType, PciFunction, Presence, TdiState, TvmArch,
    Vdevice, Vm,
};
use machine::{load, presence};
use std::{ops::Range, path::PathBuf};
use tsmctl::tsm::Tsm;
use window::Window;
use witness::Witness;

/// Where the guest of the walk has the function's MMIO.
const GUEST_MMIO: u64 = 0x10_0000_0000;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Load the modules of this project from DIR first, and unload them at the end
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// The function to take; the first that can be connected if not given
    #[arg(long, value_name = "BDF")]
    function: Option<Bdf>,
    /// The TSM to connect it to; the first if not given
    #[arg(long)]
    tsm: Option<String>,
    /// Ask the emulated device what it knows, on its control line
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
    let mut witness = Witness::at(arguments.control.as_deref())?;

    let tsm = out.step("tsm", || tsm(arguments.tsm.as_deref()))?;
    let function = out.step("function", || function(arguments.function))?;
    out.step("connect", || connect(&function, &tsm))?;
    let assigned = assigned(out, &mut witness, &function);
    // the way back is walked after a failure too
    let returned = out.step("give back", || {
        function.give_back()?;
        let driver = function.driver().unwrap_or_else(|| "no driver".to_owned());
        Ok(((), format!("{} has {driver} now", function.bdf())))
    });
    let disconnected = out.step("disconnect", || disconnect(&function, &tsm));
    assigned.and(returned).and(disconnected)?;

    if let Some(modules) = modules {
        out.step("rmmod", || Ok((modules.unload()?, "all four".to_owned())))?;
        presence(out, Presence::Absent)?;
    }
    Ok(())
}

fn tsm(wanted: Option<&str>) -> anyhow::Result<(String, String)> {
    let tsms = Tsm::all()?;
    let tsm = tsms
        .into_iter()
        .find(|tsm| wanted.is_none_or(|wanted| tsm.name == wanted))
        .with_context(|| match wanted {
            Some(wanted) => format!("there is no {wanted} in /sys/class/tsm"),
            None => "there is no TSM in /sys/class/tsm".to_owned(),
        })?;
    let on = tsm.parent.as_deref().unwrap_or("no device");
    let driver = tsm.driver.as_deref().unwrap_or("no driver");
    let line = format!("{} on {on}, {driver}", tsm.name);
    Ok((tsm.name, line))
}

fn function(wanted: Option<Bdf>) -> anyhow::Result<(PciFunction, String)> {
    let function = match wanted {
        Some(bdf) => PciFunction::open(bdf)?,
        None => PciFunction::all()?
            .into_iter()
            .find(PciFunction::can_connect)
            .context("no PCI function is accepted by a TSM")?,
    };
    let (vendor, device) = function.ids()?;
    let driver = function.driver().unwrap_or_else(|| "no driver".to_owned());
    let line = format!("{} [{vendor:04x}:{device:04x}], {driver}", function.bdf());
    Ok((function, line))
}

fn connect(function: &PciFunction, tsm: &str) -> anyhow::Result<((), String)> {
    function.connect(tsm)?;
    let connected = function.connected()?;
    ensure!(
        connected.as_deref() == Some(tsm),
        "sysfs says that it is connected to {connected:?}"
    );
    let authenticated = function.authenticated()?;
    ensure!(
        authenticated.as_deref() == Some(tsm),
        "sysfs says that it was authenticated by {authenticated:?}"
    );
    let link = match function.stream()? {
        Some(stream) => format!("IDE {stream}"),
        None => "no IDE stream".to_owned(),
    };
    let line = format!("{} to {tsm}, authenticated, {link}", function.bdf());
    Ok(((), line))
}

fn disconnect(function: &PciFunction, tsm: &str) -> anyhow::Result<((), String)> {
    function.disconnect(tsm)?;
    let connected = function.connected()?;
    ensure!(
        connected.is_none(),
        "sysfs says that it is connected to {connected:?} still"
    );
    Ok(((), format!("{} from {tsm}", function.bdf())))
}

/// What is done while the function is the VM's.
fn assigned(out: &Transcript, witness: &mut Witness, function: &PciFunction) -> anyhow::Result<()> {
    let bdf = function.bdf();
    let vm = out.step("vm", || {
        Ok((Vm::new()?, "a KVM VM, an iommufd, an IOAS".to_owned()))
    })?;
    out.step("take", || {
        function.take()?;
        Ok(((), format!("{} has vfio-pci now", function.bdf())))
    })?;
    let virt_id = u64::from(function.bdf().routing_id());
    let assignment = out.step("assign", || {
        let assignment = Assignment::new(&vm, function, virt_id)?;
        let id = assignment.vdevice(TvmArch::Cca).id();
        let line = format!("to the VM as {virt_id:#x}: vfio cdev, vIOMMU, vDEVICE {id}");
        Ok((assignment, line))
    })?;
    let tdi = assignment.vdevice(TvmArch::Cca);

    out.step("bind", || {
        tdi.bind()?;
        let bound = function.bound()?.context("sysfs does not call it bound")?;
        Ok(((), format!("TDI locked; sysfs: bound through {bound}")))
    })?;
    witness.sees(out, bdf, TdiState::Locked)?;
    out.step("measure", || measure(&tdi))?;
    objects(out, &tdi)?;
    let (report, window) = report(out, &tdi, &assignment, function)?;

    unlock(out, witness, bdf, &tdi)?;
    out.step("host reads", || window.host_sees_data("unlocked"))?;

    out.step("lock", || {
        tdi.lock()?;
        let again = InterfaceReport::decode(&tdi.read_object(ObjectType::InterfaceReport)?)?;
        ensure!(again == report, "another interface report: {again:?}");
        Ok(((), "TDI locked, with the same report".to_owned()))
    })?;
    witness.sees(out, bdf, TdiState::Locked)?;
    out.step("validate", || {
        let guest = GUEST_MMIO..GUEST_MMIO + window.len();
        tdi.validate_mmio(guest.clone(), window.start())?;
        let Range { start, end } = guest;
        Ok(((), format!("{window} is guest {start:#x}-{:#x}", end - 1)))
    })?;
    out.step("run", || Ok((tdi.run()?, "TDI runs".to_owned())))?;
    witness.sees(out, bdf, TdiState::Run)?;
    out.step("host reads", || window.host_sees_ones("running"))?;

    unlock(out, witness, bdf, &tdi)?;
    out.step("host reads", || window.host_sees_data("unlocked"))?;
    out.step("unbind", || {
        tdi.unbind()?;
        let bound = function.bound()?;
        ensure!(bound.is_none(), "sysfs says that it is bound still");
        Ok(((), "no TDI; sysfs: not bound".to_owned()))
    })?;
    out.step("release", || {
        assignment.release()?;
        Ok(((), "vDEVICE destroyed".to_owned()))
    })
}

fn unlock(
    out: &Transcript,
    witness: &mut Witness,
    function: Bdf,
    tdi: &Vdevice<'_>,
) -> anyhow::Result<()> {
    out.step("unlock", || {
        Ok((tdi.unlock()?, "TDI unlocked, still bound".to_owned()))
    })?;
    witness.sees(out, function, TdiState::Unlocked)
}

fn objects(out: &Transcript, tdi: &Vdevice<'_>) -> anyhow::Result<()> {
    for object in ObjectType::ALL {
        out.step("object", || {
            let bytes = tdi.read_object(object)?;
            ensure!(!bytes.is_empty(), "{object:?} has no bytes");
            let front: String = bytes.iter().take(8).map(|b| format!(" {b:02x}")).collect();
            Ok(((), format!("{object:?}: {} bytes,{front} ..", bytes.len())))
        })?;
    }
    Ok(())
}

/// Looks at the interface report, and finds MMIO in it that is for the guest alone.
fn report<'a>(
    out: &Transcript,
    tdi: &Vdevice<'_>,
    assignment: &'a Assignment<'_>,
    function: &PciFunction,
) -> anyhow::Result<(InterfaceReport, Window<'a>)> {
    let bars = function.bars()?;
    let report = out.step("report", || {
        let report = InterfaceReport::decode(&tdi.read_object(ObjectType::InterfaceReport)?)?;
        let n = report.ranges.len();
        ensure!(n != 0, "it has no MMIO");
        Ok((report, format!("{n} ranges of MMIO")))
    })?;
    for range in &report.ranges {
        out.step("range", || {
            let bar = bars
                .iter()
                .find(|bar| bar.holds(range.start, range.len))
                .with_context(|| format!("{range} is in no BAR of {}", function.bdf()))?;
            Ok((
                (),
                format!("{range}, in BAR{} of {:#x}", bar.index, bar.start),
            ))
        })?;
    }
    let window = Window::find(&report, &bars, assignment)
        .context("the report has no MMIO that is for the guest alone")?;
    Ok((report, window))
}

fn measure(tdi: &Vdevice<'_>) -> anyhow::Result<((), String)> {
    let nonce = *b"tsmctl demo: not a random number";
    tdi.measure(false, Some(&nonce))?;
    let len = tdi.object_len(ObjectType::Measurement)?;
    Ok(((), format!("anew, for a nonce: {len} bytes")))
}
