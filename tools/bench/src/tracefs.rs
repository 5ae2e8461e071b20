// SPDX-License-Identifier: GPL-2.0

//! The tracer of the kernel (`Documentation/trace/ftrace.rst` there), and the lines that it writes.

use anyhow::{bail, Context};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::PathBuf,
};

const TRACEFS: &str = "/sys/kernel/tracing";
/// Space for events of each processor, KiB.
const BUFFER_KIB: u32 = 16 * 1024;

/// The tracer, which traces nothing and does not record.
pub(crate) struct Tracefs {
    directory: PathBuf,
    switch: File,
    marker: File,
}

impl Tracefs {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let directory = PathBuf::from(TRACEFS);
        if !directory.join("trace").exists() {
            let none = rustix::mount::MountFlags::empty();
            rustix::mount::mount("tracefs", &directory, "tracefs", none, None)
                .with_context(|| format!("mounting tracefs at {TRACEFS}"))?;
        }
        let file = |name: &str| {
            let file = OpenOptions::new().write(true).open(directory.join(name));
            file.with_context(|| format!("opening {name}"))
        };
        let (switch, marker) = (file("tracing_on")?, file("trace_marker")?);
        let tracefs = Tracefs {
            directory,
            switch,
            marker,
        };
        tracefs.switch(false)?;
        tracefs.write("current_tracer", "nop")?;
        tracefs.write("buffer_size_kb", &BUFFER_KIB.to_string())?;
        Ok(tracefs)
    }

    /// Does something, and gives what was traced of it.
    pub(crate) fn record<T>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, String)> {
        self.write("trace", "")?;
        self.switch(true)?;
        let result = work();
        self.switch(false)?;
        let path = self.directory.join("trace");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok((result?, text))
    }

    /// Puts a line into what is recorded: an event `tracing_mark_write` with this text.
    pub(crate) fn mark(&self, text: &str) -> anyhow::Result<()> {
        // through a file that is open already, as the switch
        (&self.marker)
            .write_all(text.as_bytes())
            .context("writing trace_marker")
    }

    /// Writes to one of its files, whose earlier content goes.
    pub(crate) fn write(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        // truncation is what empties `trace`
        fs::write(&path, value).with_context(|| format!("writing '{value}' to {}", path.display()))
    }

    fn switch(&self, on: bool) -> anyhow::Result<()> {
        // through a file that is open already: opening allocates
        let value: &[u8] = if on { b"1" } else { b"0" };
        self.switch
            .write_all_at(value, 0)
            .context("writing tracing_on")
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        // nobody is left to tell; it records nothing any more
        let _ = self.write("trace", "");
    }
}

/// A line of a trace: `   comm-pid  [cpu] flags  time: what`.
pub(crate) struct Line<'t> {
    pub(crate) pid: u32,
    /// On the clock of the trace.
    pub(crate) time: &'t str,
    pub(crate) what: &'t str,
}

impl<'t> Line<'t> {
    pub(crate) fn parse(line: &'t str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (task, rest) = line.split_once(" [")?;
        let (_, pid) = task.trim_end().rsplit_once('-')?;
        let (head, what) = rest.split_once(": ")?;
        Some(Line {
            pid: pid.parse().ok()?,
            time: head.rsplit_once(' ')?.1,
            what,
        })
    }
}

/// Is this the text of a trace from which nothing was lost?
pub(crate) fn whole(trace: &str) -> anyhow::Result<()> {
    let counts = trace
        .lines()
        .find_map(|line| line.strip_prefix("# entries-in-buffer/entries-written: "));
    let Some(counts) = counts else { return Ok(()) };
    let counts = counts.split(' ').next().unwrap_or(counts);
    match counts.split_once('/') {
        Some((held, written)) if held == written => Ok(()),
        _ => bail!("events were lost: {counts}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_any_clock() {
        let text = "  tsm-bench-71  [000] d..2. 34567: sched_switch: prev_comm=a next_pid=0";
        let line = Line::parse(text).unwrap();
        assert_eq!((line.pid, line.time), (71, "34567"));
        assert_eq!(line.what, "sched_switch: prev_comm=a next_pid=0");
        let line = Line::parse(" <idle>-0  [001] .....    12.000001: f <-g [m]").unwrap();
        assert_eq!(
            (line.pid, line.time, line.what),
            (0, "12.000001", "f <-g [m]")
        );
        assert!(Line::parse("# tracer: nop [x] 1: 2").is_none());
        assert!(Line::parse("").is_none());
    }

    #[test]
    fn lost_events_are_no_figure() {
        let of =
            |counts: &str| format!("#\n# entries-in-buffer/entries-written: {counts}   #P:2\n");
        assert!(whole(&of("9/12")).is_err());
        assert!(whole(&of("9/9")).is_ok());
        assert!(whole("").is_ok());
    }
}
