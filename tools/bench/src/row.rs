// SPDX-License-Identifier: GPL-2.0

//! A row of the table: a call, what it may cost, and what it does.

use crate::count::Count;
use serde::Serialize;

/// What a call may cost, in empty ioctls.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) call: &'static str,
    /// Ours, at most.
    pub(crate) budget: f64,
    /// The C series, patched into iommufd of the same kernel over a TSM that does nothing.
    pub(crate) c_series: f64,
}

/// The table's budgets.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) bystander: Budget,
    pub(crate) unknown: Budget,
    pub(crate) not_bound: Budget,
    pub(crate) run: Budget,
    pub(crate) object_info: Budget,
    pub(crate) read_4k: Budget,
    pub(crate) read_64k: Budget,
    pub(crate) bind: Budget,
}

const fn budget(call: &'static str, c_series: f64, budget: f64) -> Budget {
    Budget {
        call,
        budget,
        c_series,
    }
}

/// What each call may cost.
pub(crate) static BUDGETS: Budgets = Budgets {
    bystander: budget("other iommufd ioctl, modules loaded", 1.00, 1.08),
    unknown: budget("REQ, id unknown", 1.17, 1.10),
    not_bound: budget("REQ, not bound", 1.85, 1.40),
    run: budget("SET_TDI_STATE(RUN), already in RUN", 2.02, 1.80),
    object_info: budget("OBJECT_INFO", 2.12, 1.60),
    read_4k: budget("READ_OBJECT, 4 KiB", 3.12, 2.60),
    read_64k: budget("READ_OBJECT, 64 KiB", 18.5, 17.5),
    bind: budget("BIND, already bound", 1.54, 1.50),
};

impl Budgets {
    /// Those of the calls that need a device.
    pub(crate) fn of_a_tdi(&self) -> [&Budget; 6] {
        [
            &self.not_bound,
            &self.run,
            &self.object_info,
            &self.read_4k,
            &self.read_64k,
            &self.bind,
        ]
    }
}

/// A row whose call was measured, or could not be.
pub(crate) struct Row {
    budget: &'static Budget,
    count: anyhow::Result<Count>,
}

/// A row as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) call: &'static str,
    pub(crate) budget: f64,
    pub(crate) c_series: f64,
    /// Instructions.
    pub(crate) count: Option<Count>,
    /// In empty ioctls, of the best rounds.
    pub(crate) ratio: Option<f64>,
    /// Is the budget met? Not said of a call that could not be measured.
    pub(crate) ok: Option<bool>,
    /// Why it could not be measured.
    pub(crate) error: Option<String>,
}

impl Row {
    pub(crate) fn new(budget: &'static Budget, count: anyhow::Result<Count>) -> Self {
        Row { budget, count }
    }

    /// The rows of calls that need a device, when there was none to measure with.
    pub(crate) fn unmeasured(error: &anyhow::Error) -> Vec<Row> {
        // said of each, since a reader of JSON looks at one row
        let because = || Err(anyhow::Error::msg(format!("{error:#}")));
        let rows = BUDGETS.of_a_tdi().map(|budget| Row::new(budget, because()));
        rows.into()
    }

    pub(crate) fn against(self, empty: &Count) -> Figure {
        let Budget {
            call,
            budget,
            c_series,
        } = *self.budget;
        let ratio = |count: &Count| count.best / empty.best;
        let (count, error) = match self.count {
            Ok(count) => (Some(count), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let ratio = count.as_ref().map(ratio);
        Figure {
            call,
            budget,
            c_series,
            count,
            ratio,
            // the table has two digits, and so have the budgets
            ok: ratio.map(|ratio| (ratio * 100.0).round() <= (budget * 100.0).round()),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(best: f64) -> Count {
        Count {
            best,
            median: best,
            spread: 0.0,
        }
    }

    #[test]
    fn a_budget_is_met_or_not() {
        let figure = |best| Row::new(&BUDGETS.unknown, Ok(count(best))).against(&count(500.0));
        assert_eq!(figure(550.0).ok, Some(true));
        assert_eq!(figure(552.0).ok, Some(true));
        assert_eq!(figure(556.0).ok, Some(false));
        assert_eq!(figure(250.0).ratio, Some(0.5));
    }

    #[test]
    fn what_was_not_measured_is_not_ok() {
        let figure = Row::new(&BUDGETS.bind, Err(anyhow::anyhow!("no TSM"))).against(&count(1.0));
        assert_eq!((figure.ok, figure.error.as_deref()), (None, Some("no TSM")));
    }
}
