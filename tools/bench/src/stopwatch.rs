// SPDX-License-Identifier: GPL-2.0

//! Counting what is done once, and can be repeated only together with what undoes it.

use crate::{
    firmware::{self, HostCost, Sample},
    tracefs::Tracefs,
};
use anyhow::{ensure, Context};

/// What is traced of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Its begin and its end.
    Plain,
    /// The calls into the firmware, too.
    Calls,
    /// Instead, which task runs.
    Tasks,
}

/// The clock of the tracer: on a machine that counts instructions, one tick is one of them.
pub(crate) struct Stopwatch {
    tracefs: Tracefs,
    /// Between two marks around nothing.
    marks: f64,
}

const TASKS: &str = "events/sched/sched_switch/enable";

impl Stopwatch {
    pub(crate) fn open(rounds: usize) -> anyhow::Result<Self> {
        let tracefs = Tracefs::open()?;
        // one that is printed whole, and not in microseconds
        tracefs.write("trace_clock", "x86-tsc")?;
        tracefs.write("set_ftrace_filter", firmware::TRACED)?;
        let mut stopwatch = Stopwatch {
            tracefs,
            marks: 0.0,
        };
        let nothing = (0..rounds)
            .map(|_| stopwatch.once(|| Ok(())))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let marks = firmware::median(&nothing, |sample| sample.total);
        stopwatch.marks = marks.context("no round")?;
        Ok(stopwatch)
    }

    /// From here on this is what is traced.
    pub(crate) fn turn_to(&self, pass: Pass) -> anyhow::Result<()> {
        let tracer = match pass {
            Pass::Calls => "function",
            Pass::Plain | Pass::Tasks => "nop",
        };
        self.tracefs.write("current_tracer", tracer)?;
        let tasks = if pass == Pass::Tasks { "1" } else { "0" };
        self.tracefs.write(TASKS, tasks)
    }

    /// Traces an operation, which has to succeed.
    pub(crate) fn once(
        &self,
        operation: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Sample> {
        let ((), text) = self.tracefs.record(|| {
            self.tracefs.mark(firmware::BEGIN)?;
            operation()?;
            self.tracefs.mark(firmware::END)
        })?;
        Sample::of(&text)
    }

    /// What an operation costs, from what was traced of it in each pass.
    pub(crate) fn cost(&self, samples: &Samples) -> anyhow::Result<HostCost> {
        let idle = samples
            .tasks
            .iter()
            .filter(|sample| sample.idle != 0)
            .count();
        ensure!(
            idle == 0,
            "it slept in {idle} of {} rounds: the clock does not count instructions then",
            samples.tasks.len()
        );
        let cost = HostCost::of(self.marks, &samples.plain, &samples.calls).context("no round")?;
        ensure!(cost.calls != 0, "no call into the firmware is in the trace");
        Ok(cost)
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        // nobody is left to tell; what stays is slow and not wrong
        let _ = self.turn_to(Pass::Plain);
        let _ = self.tracefs.write("set_ftrace_filter", "");
        let _ = self.tracefs.write("trace_clock", "local");
    }
}

/// What was traced of an operation, pass by pass.
#[derive(Default)]
pub(crate) struct Samples {
    plain: Vec<Sample>,
    calls: Vec<Sample>,
    tasks: Vec<Sample>,
}

impl Samples {
    pub(crate) fn push(&mut self, pass: Pass, sample: Sample) {
        match pass {
            Pass::Plain => self.plain.push(sample),
            Pass::Calls => self.calls.push(sample),
            Pass::Tasks => self.tasks.push(sample),
        }
    }
}
