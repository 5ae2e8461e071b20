// SPDX-License-Identifier: GPL-2.0

//! What a walk prints: a line for each step, its name in front.

use anyhow::Context;
use std::{
    fmt,
    io::{self, Write},
};

/// Columns for the name of a step.
const NAME: usize = 12;

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

    /// Prints a line.
    pub(crate) fn line(&self, name: &str, text: impl fmt::Display) -> anyhow::Result<()> {
        self.verdict(&format!("{name:<NAME$} {text}"))
    }

    /// Prints a line that is no step.
    pub(crate) fn verdict(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        // a console shows each step as it is done
        out.flush()?;
        Ok(())
    }
}
