// SPDX-License-Identifier: GPL-2.0

//! Which part of an operation is spent in the firmware.
//!
//! A call into the emulated firmware is everything that `FirmwareTransport::call` does while it has
//! the lock of the mailbox: it stands for what is a single instruction of a real host. Functions in
//! Rust cannot be traced by ftrace, but those of the kernel that take and release a mutex can, and a
//! trace names who called them.

use crate::tracefs::{self, Line};
use anyhow::{bail, Context};

/// The functions that are traced, whoever calls them.
pub(crate) const TRACED: &str = "mutex_trylock mutex_unlock";
const TAKE: &str = "mutex_trylock";
const RELEASE: &str = "mutex_unlock";

/// Is this the function that calls the firmware?
fn is_transport(symbol: &str) -> bool {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    name.ends_with("FirmwareTransport>::call")
}

/// Marks before and after an operation.
pub(crate) const BEGIN: &str = "begin";
pub(crate) const END: &str = "end";
const MARK: &str = "tracing_mark_write";
const SWITCH: &str = "sched_switch";

/// One operation as it was traced, on the clock of the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// From mark to mark.
    pub(crate) total: u64,
    /// Of it, in calls into the firmware.
    pub(crate) inside: u64,
    /// Calls into the firmware.
    pub(crate) calls: u64,
    /// Functions that were traced.
    pub(crate) traced: u64,
    /// Of them, those after the begin of a call up to its end.
    pub(crate) traced_inside: u64,
    /// How often the processor had nothing to do.
    pub(crate) idle: u64,
}

impl Sample {
    /// What the text of a trace says, in which there are two marks.
    pub(crate) fn of(trace: &str) -> anyhow::Result<Self> {
        tracefs::whole(trace)?;
        let mut sample = Sample::default();
        let mut begin = None;
        // when the call began that goes on, and what was traced since then
        let mut call: Option<(u64, u64)> = None;
        for line in trace.lines().filter_map(Line::parse) {
            let time = || line.time.parse::<u64>().context("the clock of the trace");
            let Some((what, of_it)) = line.what.split_once([' ', ':']) else {
                continue;
            };
            let Some(begin) = begin else {
                if what == MARK && of_it.trim() == BEGIN {
                    begin = Some(time()?);
                }
                continue;
            };
            match what {
                MARK if of_it.trim() == END => {
                    sample.total = time()?.saturating_sub(begin);
                    return Ok(sample);
                }
                SWITCH => {
                    let idle = of_it.split(' ').any(|field| field == "next_pid=0");
                    sample.idle += u64::from(idle);
                }
                TAKE | RELEASE => {
                    sample.traced += 1;
                    if let Some((_, traced)) = &mut call {
                        *traced += 1;
                    }
                    if of_it
                        .split(' ')
                        .next()
                        .is_some_and(|from| from.strip_prefix("<-").is_some_and(is_transport))
                    {
                        match (what, call) {
                            (TAKE, None) => call = Some((time()?, 0)),
                            (RELEASE, Some((start, traced))) => {
                                sample.calls += 1;
                                sample.inside += time()?.saturating_sub(start);
                                sample.traced_inside += traced;
                                call = None;
                            }
                            // it tries again
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        bail!("the trace has not both marks")
    }
}

/// What an operation costs the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HostCost {
    /// Instructions outside of the firmware calls.
    pub(crate) host: f64,
    /// Instructions inside.
    pub(crate) inside: f64,
    /// Calls into the firmware.
    pub(crate) calls: u64,
}

impl HostCost {
    /// From operations of which nothing was traced but the two marks, and from ones whose calls
    /// were. `marks` is what is between two marks around nothing.
    ///
    /// Tracing a function costs something. Between two of them there is as much of it as one
    /// costs, and how much that is says the difference between the two kinds.
    pub(crate) fn of(marks: f64, plain: &[Sample], traced: &[Sample]) -> Option<Self> {
        let total = median(plain, |sample| sample.total)?;
        let functions = median(traced, |sample| sample.traced)?;
        let one = if functions > 0.0 {
            (median(traced, |sample| sample.total)? - total) / functions
        } else {
            0.0
        };
        let outside = median(traced, |sample| sample.total.saturating_sub(sample.inside))?;
        let traced_outside = median(traced, |sample| {
            sample.traced.saturating_sub(sample.traced_inside)
        })?;
        let host = outside - traced_outside * one - marks;
        Some(HostCost {
            host,
            inside: total - marks - host,
            calls: median(traced, |sample| sample.calls)? as u64,
        })
    }
}

/// The value in the middle.
pub(crate) fn median(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> Option<f64> {
    let mut values: Vec<u64> = samples.iter().map(value).collect();
    values.sort_unstable();
    values.get(values.len() / 2).map(|value| *value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[(u64, &str)]) -> String {
        let mut text = "# entries-in-buffer/entries-written: 1/1   #P:1\n".to_owned();
        for (time, what) in lines {
            text += &format!("       tsm-bench-71      [000] .....  {time}: {what}\n");
        }
        text
    }

    const CALL: &str = "_RNvXs_NtCsN3SwPgDcWo_7pci_tsm7mailboxINtNtCs7uMWrq7opsy_4core3pin3PinINtNtNtCse297zByDW5v_6kernel5alloc4kbox3BoxNtB4_7MailboxNtNtB1a_9allocator7KmallocEENtNtB6_9transport17FirmwareTransport4call [pci_tsm]";

    fn two_calls() -> Vec<(u64, String)> {
        [
            (900, "mutex_unlock <-CALL"),
            (1000, "tracing_mark_write: begin"),
            (
                1100,
                "mutex_trylock <-_RNvNtCs7uMWrq7opsy_11pci_tsm_sev3psp10issue_once [x]",
            ),
            (1110, "mutex_trylock <-CALL"),
            (1150, "mutex_unlock <-CALL"),
            (1200, "mutex_unlock <-elsewhere"),
            (1400, "mutex_trylock <-CALL"),
            (1420, "mutex_unlock <-msleep"),
            (1430, "mutex_trylock <-CALL"),
            (1460, "mutex_unlock <-CALL"),
            (1500, "tracing_mark_write: end"),
            (1600, "mutex_trylock <-CALL"),
        ]
        .map(|(time, what)| (time, what.replace("CALL", CALL)))
        .into()
    }

    #[test]
    fn calls_are_told_from_other_locks() {
        let calls = two_calls();
        let lines: Vec<_> = calls.iter().map(|(t, what)| (*t, &**what)).collect();
        let sample = Sample::of(&trace(&lines)).unwrap();
        let expected = Sample {
            total: 500,
            inside: 40 + 60,
            calls: 2,
            traced: 8,
            traced_inside: 1 + 3,
            idle: 0,
        };
        assert_eq!(sample, expected);
        let other_clock = trace(&lines).replace("1000:", "12.001000:");
        assert!(Sample::of(&other_clock).is_err());
    }

    #[test]
    fn without_a_call() {
        let sample = Sample::of(&trace(&[
            (10, "tracing_mark_write: begin"),
            (
                20,
                "sched_switch: prev_pid=71 ==> next_comm=kworker/0:1 next_pid=9 next_prio=120",
            ),
            (
                30,
                "sched_switch: prev_pid=9 ==> next_comm=swapper/0 next_pid=0 next_prio=120",
            ),
            (40, "tracing_mark_write: end"),
        ]));
        let sample = sample.unwrap();
        assert_eq!((sample.total, sample.calls, sample.idle), (30, 0, 1));
    }

    #[test]
    fn a_trace_that_is_none() {
        let (begin, end) = ("tracing_mark_write: begin", "tracing_mark_write: end");
        for lines in [&[(10, begin)][..], &[(20, end), (30, begin)]] {
            assert!(Sample::of(&trace(lines)).is_err(), "{lines:?}");
        }
    }

    /// An operation of 1000 instructions with two calls of 40 each, and three locks elsewhere; marks
    /// that take 100; tracing a function takes 7.
    #[test]
    fn what_tracing_costs_is_not_counted() {
        let plain = Sample {
            total: 1100,
            ..Sample::default()
        };
        let traced = Sample {
            total: 1100 + 7 * 7,
            inside: 2 * (40 + 7),
            calls: 2,
            traced: 7,
            traced_inside: 2,
            idle: 0,
        };
        let late = Sample {
            total: 9999,
            ..plain
        };
        let cost = HostCost::of(100.0, &[plain, late, plain], &[traced]).unwrap();
        let expected = HostCost {
            host: 920.0,
            inside: 80.0,
            calls: 2,
        };
        assert_eq!(cost, expected);
        let none = HostCost::of(100.0, &[plain], &[plain]).unwrap();
        assert_eq!((none.host, none.inside, none.calls), (1000.0, 0.0, 0));
        assert_eq!(HostCost::of(100.0, &[plain], &[]), None);
    }
}
