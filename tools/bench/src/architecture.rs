// SPDX-License-Identifier: GPL-2.0

//! The same TDI with each TSM: what bind, run, unbind and a read of an object cost the host.
//!
//! All of it is of function 0 of one device, and another function of that device is bound before:
//! what stands in for the confidential VM is made with the first TDI of a VM, and KVM makes it on a
//! real host.

use crate::{
    calls,
    count::Plan,
    devices,
    procedure::Procedure,
    stopwatch::{Pass, Samples, Stopwatch},
    Arguments,
};
use anyhow::Context;
use iommufd_tsm::{Assignment, PciFunction, TdiState, Tsm, Vdevice, Vm};
use serde::Serialize;
use tsmctl::control::ControlLine;

/// How often a TDI is bound, run and unbound in a pass.
const ROUNDS: usize = 15;

/// What an operation costs with one TSM.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// Instructions outside of the firmware calls.
    pub(crate) host: f64,
    /// Instructions in those calls.
    pub(crate) in_calls: f64,
    /// Calls into the firmware.
    pub(crate) calls: u64,
    /// Data objects that were sent to the device, each for an answer.
    pub(crate) round_trips: u64,
}

impl Cost {
    /// What one of these data objects costs, with all else spread over them.
    pub(crate) fn of_a_message(&self) -> Option<f64> {
        (self.round_trips != 0).then(|| self.host / self.round_trips as f64)
    }
}

/// A TSM that was measured.
pub(crate) struct Architecture {
    /// `CCA`.
    pub(crate) name: &'static str,
    pub(crate) bind: Cost,
    pub(crate) run: Cost,
    pub(crate) unbind: Cost,
    pub(crate) read_4k: Cost,
}

/// All TSMs of this machine, one after the other.
pub(crate) fn measure(arguments: &Arguments, plan: Plan) -> anyhow::Result<Vec<Architecture>> {
    let first = devices::first(arguments)?;
    let tsms = Tsm::all()?;
    tsms.iter()
        .filter_map(|tsm| Some((tsm, tsm.arch_name()?)))
        .map(|(tsm, name)| {
            first
                .connect(&tsm.name)
                .context("connect")
                .with_context(|| name)?;
            let measured = connected(arguments, plan, &first, tsm, name);
            let disconnected = first.disconnect(&tsm.name).context("disconnect");
            let measured = measured.with_context(|| name)?;
            disconnected?;
            Ok(measured)
        })
        .collect()
}

fn connected(
    arguments: &Arguments,
    plan: Plan,
    first: &PciFunction,
    tsm: &Tsm,
    name: &'static str,
) -> anyhow::Result<Architecture> {
    devices::taken(first, |functions| {
        let vm = Vm::new()?;
        let assign = |index: usize| {
            let function = functions.get(index).context("too few functions")?;
            let virt_id = u64::from(function.bdf().routing_id());
            Ok::<_, anyhow::Error>(Assignment::new(&vm, function, virt_id)?)
        };
        let (one, other) = (assign(0)?, assign(1)?);
        let arch = tsm.arch.context("no architecture")?;
        let (tdi, other) = (one.vdevice(arch), other.vdevice(arch));
        other.bind().context("bind of another function")?;
        let measured = bound_and_unbound(arguments, plan, &one, tdi, name);
        other.unbind().context("unbind of another function")?;
        measured
    })
}

fn bound_and_unbound(
    arguments: &Arguments,
    plan: Plan,
    one: &Assignment<'_>,
    tdi: Vdevice<'_>,
    name: &'static str,
) -> anyhow::Result<Architecture> {
    let bind = || Ok(tdi.bind()?);
    let run = || Ok(tdi.set_state(TdiState::Run)?);
    let unbind = || Ok(tdi.unbind()?);
    let mut control = ControlLine::open(&arguments.control)?;
    // this is the warming up, too
    let trips = [
        Procedure::of("bind", &mut control, bind)?.round_trips,
        Procedure::of("run", &mut control, run)?.round_trips,
        Procedure::of("unbind", &mut control, unbind)?.round_trips,
    ];
    drop(control);

    let stopwatch = Stopwatch::open(ROUNDS)?;
    let mut samples = [(); 3].map(|()| Samples::default());
    for pass in [Pass::Plain, Pass::Calls, Pass::Tasks] {
        stopwatch.turn_to(pass)?;
        for _ in 0..ROUNDS {
            let [of_bind, of_run, of_unbind] = &mut samples;
            of_bind.push(pass, stopwatch.once(bind).context("bind")?);
            of_run.push(pass, stopwatch.once(run).context("run")?);
            of_unbind.push(pass, stopwatch.once(unbind).context("unbind")?);
        }
    }
    let cost = |samples: &Samples, round_trips: u64| {
        let cost = stopwatch.cost(samples)?;
        Ok::<_, anyhow::Error>(Cost {
            host: cost.host,
            in_calls: cost.inside,
            calls: cost.calls,
            round_trips,
        })
    };
    let [of_bind, of_run, of_unbind] = &samples;
    let [bind_trips, run_trips, unbind_trips] = trips;
    let (bind, run, unbind) = (
        cost(of_bind, bind_trips).context("bind")?,
        cost(of_run, run_trips).context("run")?,
        cost(of_unbind, unbind_trips).context("unbind")?,
    );
    drop(stopwatch);

    devices::long_measurements(arguments, tdi)?;
    let read = calls::read(plan, one.iommufd(), tdi, devices::READ_SHORT)?;
    tdi.unbind().context("unbind")?;
    Ok(Architecture {
        name,
        bind,
        run,
        unbind,
        read_4k: Cost {
            host: read.best,
            in_calls: 0.0,
            calls: 0,
            round_trips: 0,
        },
    })
}
