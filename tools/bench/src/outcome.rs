// SPDX-License-Identifier: GPL-2.0

//! All that was measured.

use crate::{
    comparison::Comparisons,
    count::{Count, Plan},
    memory::TdiMemory,
    procedure::Procedure,
    row::Figure,
};
use serde::Serialize;

/// Most bytes that a bound TDI may cost besides its objects.
pub(crate) const MEMORY_BUDGET: u64 = 8 * 1024;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Release of the kernel.
    pub(crate) kernel: String,
    pub(crate) plan: Plan,
    /// `IOMMU_OPTION` get, before any module of ours was loaded.
    pub(crate) empty: Count,
    pub(crate) rows: Vec<Figure>,
    pub(crate) procedures: Procedures,
    pub(crate) comparisons: Comparisons,
    pub(crate) memory: Memory,
}

/// What a device goes through.
#[derive(Debug, Serialize)]
pub(crate) struct Procedures {
    /// In the order of a device's life.
    pub(crate) measured: Vec<Procedure>,
    /// Why they could not be measured.
    pub(crate) error: Option<String>,
}

impl From<anyhow::Result<Vec<Procedure>>> for Procedures {
    fn from(measured: anyhow::Result<Vec<Procedure>>) -> Self {
        let (measured, error) = match measured {
            Ok(measured) => (measured, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        Procedures { measured, error }
    }
}

/// The memory of bound TDIs.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) budget: u64,
    /// Of each TDI that was bound, in that order.
    pub(crate) tdis: Vec<TdiMemory>,
    /// Is the budget met by each? Not said if none was measured.
    pub(crate) ok: Option<bool>,
    /// Why it could not be measured.
    pub(crate) error: Option<String>,
}

impl From<anyhow::Result<Vec<TdiMemory>>> for Memory {
    fn from(measured: anyhow::Result<Vec<TdiMemory>>) -> Self {
        let (tdis, error) = match measured {
            Ok(tdis) => (tdis, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        let most = tdis.iter().map(TdiMemory::besides_objects).max();
        Memory {
            budget: MEMORY_BUDGET,
            ok: most.map(|most| most <= MEMORY_BUDGET),
            tdis,
            error,
        }
    }
}

impl Outcome {
    /// Figures that could not be measured.
    pub(crate) fn failures(&self) -> usize {
        let rows = self.rows.iter().filter(|row| row.error.is_some()).count();
        let errors = [
            &self.procedures.error,
            &self.comparisons.error,
            &self.memory.error,
        ];
        rows + errors.into_iter().flatten().count()
    }

    /// Figures beyond their budget.
    pub(crate) fn overs(&self) -> usize {
        let rows = self.rows.iter().map(|row| row.ok);
        let compared = self.comparisons.rows.iter().map(|row| row.ok);
        rows.chain(compared)
            .chain([self.memory.ok])
            .filter(|ok| *ok == Some(false))
            .count()
    }
}
