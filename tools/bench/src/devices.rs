// SPDX-License-Identifier: GPL-2.0

//! What is measured with devices: connected, assigned to a VM, and bound.

use crate::{
    calls,
    count::Plan,
    memory::{self, TdiMemory},
    procedure::Procedure,
    row::{Row, BUDGETS},
    Arguments,
};
use anyhow::{ensure, Context};
use iommufd_tsm::{Assignment, ObjectType, PciFunction, TdiState, Tsm, TvmArch, Vdevice, Vm};
use tsmctl::control::ControlLine;

/// Knob of the emulated platform: bytes in the measurements that the device gives.
const KNOB: &str = "measurement-bytes";
/// Bytes in the measurements, more than the longest read that is counted.
const MEASUREMENT: u64 = 68 * 1024;
const READ_LONG: usize = 64 * 1024;
pub(crate) const READ_SHORT: usize = 4 * 1024;
/// A TDI of each of them at once.
const FUNCTIONS: u8 = 3;

/// All that is measured with devices.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    pub(crate) procedures: anyhow::Result<Vec<Procedure>>,
    pub(crate) memory: anyhow::Result<Vec<TdiMemory>>,
}

pub(crate) fn measure(arguments: &Arguments, plan: Plan) -> anyhow::Result<Measured> {
    let first = first(arguments)?;
    let tsm = Tsm::all()?
        .into_iter()
        .next()
        .context("there is no TSM in /sys/class/tsm")?;
    let connect = connect(arguments, &first, &tsm.name)?;
    let measured = connected(arguments, plan, &first);
    let disconnected = first.disconnect(&tsm.name).context("disconnect");
    let mut measured = measured?;
    disconnected?;
    measured.procedures = connect.and_then(|connect| {
        let mut procedures = vec![connect];
        procedures.extend(measured.procedures?);
        Ok(procedures)
    });
    Ok(measured)
}

/// Connects, and measures it if there is a control line to count round trips with.
fn connect(
    arguments: &Arguments,
    first: &PciFunction,
    tsm: &str,
) -> anyhow::Result<anyhow::Result<Procedure>> {
    match ControlLine::open(&arguments.control) {
        Ok(mut control) => Procedure::of("connect", &mut control, || first.connect(tsm)).map(Ok),
        Err(error) => {
            first.connect(tsm).context("connect")?;
            Ok(Err(error.into()))
        }
    }
}

pub(crate) fn first(arguments: &Arguments) -> anyhow::Result<PciFunction> {
    match arguments.function {
        Some(bdf) => Ok(PciFunction::open(bdf)?),
        None => PciFunction::all()?
            .into_iter()
            .find(PciFunction::can_connect)
            .context("no PCI function is accepted by a TSM"),
    }
}

fn connected(arguments: &Arguments, plan: Plan, first: &PciFunction) -> anyhow::Result<Measured> {
    taken(first, |functions| assigned(arguments, plan, functions))
}

/// Does something with function 0 and its siblings while vfio-pci has them.
pub(crate) fn taken<T>(
    first: &PciFunction,
    work: impl FnOnce(&[PciFunction]) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let functions: Vec<PciFunction> = (0..FUNCTIONS)
        .filter_map(|function| first.bdf().sibling(function))
        .filter_map(|bdf| PciFunction::open(bdf).ok())
        .collect();
    for function in &functions {
        function.take()?;
    }
    let done = work(&functions);
    for function in &functions {
        function.give_back()?;
    }
    done
}

fn assigned(
    arguments: &Arguments,
    plan: Plan,
    functions: &[PciFunction],
) -> anyhow::Result<Measured> {
    let vm = Vm::new()?;
    let assignments = functions
        .iter()
        .map(|function| {
            let virt_id = u64::from(function.bdf().routing_id());
            Assignment::new(&vm, function, virt_id)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let memory = memory::of(&assignments);
    let one = assignments.first().context("no function")?;
    let procedures = procedures(arguments, one.vdevice(TvmArch::Cca));
    let rows = rows(arguments, plan, one).unwrap_or_else(|error| Row::unmeasured(&error));
    Ok(Measured {
        rows,
        procedures,
        memory,
    })
}

/// The way of a TDI from bind to unbind.
fn procedures(arguments: &Arguments, tdi: Vdevice<'_>) -> anyhow::Result<Vec<Procedure>> {
    let mut control = ControlLine::open(&arguments.control)?;
    Ok(vec![
        Procedure::of("bind", &mut control, || tdi.bind())?,
        Procedure::of("run", &mut control, || tdi.set_state(TdiState::Run))?,
        Procedure::of("unbind", &mut control, || tdi.unbind())?,
    ])
}

fn rows(
    arguments: &Arguments,
    plan: Plan,
    assignment: &Assignment<'_>,
) -> anyhow::Result<Vec<Row>> {
    let (iommufd, tdi) = (assignment.iommufd(), assignment.vdevice(TvmArch::Cca));
    let not_bound = calls::not_bound(plan, iommufd, tdi);

    let long = long_measurements(arguments, tdi);
    if long.is_err() {
        // without the knob the other rows can be measured still
        tdi.bind().context("bind")?;
    }
    let bind = calls::bind(plan, tdi);
    tdi.set_state(TdiState::Run).context("run")?;
    let run = calls::run(plan, iommufd, tdi);
    let object_info = calls::object_info(plan, iommufd, tdi);
    let (short, long) = match long {
        Ok(()) => (
            calls::read(plan, iommufd, tdi, READ_SHORT),
            calls::read(plan.fewer(10), iommufd, tdi, READ_LONG),
        ),
        Err(error) => (Err(anyhow::Error::msg(format!("{error:#}"))), Err(error)),
    };
    tdi.unbind().context("unbind")?;
    Ok(vec![
        Row::new(&BUDGETS.not_bound, not_bound),
        Row::new(&BUDGETS.run, run),
        Row::new(&BUDGETS.object_info, object_info),
        Row::new(&BUDGETS.read_4k, short),
        Row::new(&BUDGETS.read_64k, long),
        Row::new(&BUDGETS.bind, bind),
    ])
}

/// Binds the TDI while the device has measurements that are longer than what is read of them.
pub(crate) fn long_measurements(arguments: &Arguments, tdi: Vdevice<'_>) -> anyhow::Result<()> {
    let mut control = ControlLine::open(&arguments.control)?;
    control.set(KNOB, MEASUREMENT)?;
    let bound = tdi.bind().context("bind").and_then(|()| {
        if tdi.object_len(ObjectType::Measurement)? < READ_LONG as u32 {
            tdi.measure(true, None).context("measure")?;
        }
        Ok(tdi.object_len(ObjectType::Measurement)?)
    });
    control.reset()?;
    let len = bound?;
    ensure!(
        len >= READ_LONG as u32,
        "the measurements have {len} bytes in spite of the knob"
    );
    Ok(())
}
