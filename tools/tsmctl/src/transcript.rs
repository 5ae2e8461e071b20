// SPDX-License-Identifier: GPL-2.0

//! What a walk prints: a line for each step, its name in front, and beside it what came of it on
//! each of the ways that are walked at once.

use anyhow::Context;
use std::{
    fmt,
    io::{self, Write},
};

/// Columns for the name of a step.
const NAME: usize = 12;
/// Columns for what came of it on one of several ways, and two between them.
const CELL: usize = 26;

/// The transcript of a walk, on standard output.
pub(crate) struct Transcript;

impl Transcript {
    /// Does a step and prints what came of it. A step that fails is named in the error.
    pub(crate) fn step<T>(
        &self,
        name: &str,
        step: impl FnOnce() -> anyhow::Result<(T, String)>,
    ) -> anyhow::Result<T> {
        let (value, text) = step().with_context(|| name.to_owned())?;
        self.line(name, text)?;
        Ok(value)
    }

    /// Does a step on each way, one after the other, and prints what came of it side by side. What
    /// was done before one that fails is printed too; the error names the step and the way.
    pub(crate) fn row<W: fmt::Display, T>(
        &self,
        name: &str,
        ways: impl IntoIterator<Item = W>,
        mut step: impl FnMut(&W) -> anyhow::Result<(T, String)>,
    ) -> anyhow::Result<Vec<T>> {
        self.print(&format!("{name:<NAME$}"))?;
        let (mut values, mut gap) = (Vec::new(), 0);
        for way in ways {
            let done = step(&way).with_context(|| format!("{name}, {way}"));
            let (value, text) = match done {
                Ok(done) => done,
                Err(error) => {
                    self.print("\n")?;
                    return Err(error);
                }
            };
            self.print(&format!(" {:gap$}{text}", ""))?;
            gap = (CELL + 1).saturating_sub(text.chars().count());
            values.push(value);
        }
        self.print("\n")?;
        Ok(values)
    }

    /// Prints a line.
    pub(crate) fn line(&self, name: &str, text: impl fmt::Display) -> anyhow::Result<()> {
        self.verdict(&format!("{name:<NAME$} {text}"))
    }

    /// Prints a line that is no step.
    pub(crate) fn verdict(&self, text: &str) -> anyhow::Result<()> {
        self.print(&format!("{text}\n"))
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        // a console shows each step as it is done
        out.flush()?;
        Ok(())
    }
}
