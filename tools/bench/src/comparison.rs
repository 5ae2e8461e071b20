// SPDX-License-Identifier: GPL-2.0

//! The same call with each TSM, side by side.

use crate::architecture::{Architecture, Cost};
use serde::Serialize;

/// The most that a call may cost with one TSM, in what it costs with another.
const BUDGET: f64 = 1.2;

/// A call with each TSM.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) call: &'static str,
    /// With each TSM, in their order.
    pub(crate) costs: Vec<Cost>,
    /// What it costs most, in what it costs least.
    pub(crate) ratio: Option<f64>,
    /// The same of what each message to the device costs. `None` if there are none.
    pub(crate) ratio_of_messages: Option<f64>,
    /// Is the budget met? Not said of one TSM alone.
    pub(crate) ok: Option<bool>,
}

/// The TSMs that were compared.
#[derive(Debug, Serialize)]
pub(crate) struct Comparisons {
    pub(crate) budget: f64,
    /// `CCA`, `SEV`, `TDX`.
    pub(crate) names: Vec<&'static str>,
    pub(crate) rows: Vec<Comparison>,
    /// Why they could not be measured.
    pub(crate) error: Option<String>,
}

impl Comparison {
    fn of(call: &'static str, costs: Vec<Cost>) -> Self {
        let ratio = ratio(costs.iter().map(|cost| cost.host));
        let of_messages = costs.iter().map(Cost::of_a_message);
        let of_messages: Option<Vec<f64>> = of_messages.collect();
        Comparison {
            call,
            costs,
            ratio,
            ratio_of_messages: of_messages.and_then(|each| ratio_of(&each)),
            // the table has two digits, and so has the budget
            ok: ratio.map(|ratio| (ratio * 100.0).round() <= (BUDGET * 100.0).round()),
        }
    }
}

impl From<anyhow::Result<Vec<Architecture>>> for Comparisons {
    fn from(measured: anyhow::Result<Vec<Architecture>>) -> Self {
        let (measured, error) = match measured {
            Ok(measured) => (measured, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        let row = |call, cost: fn(&Architecture) -> Cost| {
            Comparison::of(call, measured.iter().map(cost).collect())
        };
        let rows = [
            row("bind", |of| of.bind),
            row("run", |of| of.run),
            row("unbind", |of| of.unbind),
            row("READ_OBJECT, 4 KiB", |of| of.read_4k),
        ];
        Comparisons {
            budget: BUDGET,
            names: measured.iter().map(|of| of.name).collect(),
            rows: if error.is_none() {
                rows.into()
            } else {
                Vec::new()
            },
            error,
        }
    }
}

fn ratio(costs: impl Iterator<Item = f64>) -> Option<f64> {
    ratio_of(&costs.collect::<Vec<f64>>())
}

/// The most of them in the least; of one alone there is none.
fn ratio_of(costs: &[f64]) -> Option<f64> {
    if costs.len() < 2 {
        return None;
    }
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = costs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least > 0.0).then_some(most / least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(host: f64, round_trips: u64) -> Cost {
        Cost {
            host,
            in_calls: 300.0,
            calls: 4,
            round_trips,
        }
    }

    fn architecture(name: &'static str, bind: f64, round_trips: u64) -> Architecture {
        Architecture {
            name,
            bind: cost(bind, round_trips),
            run: cost(1000.0, 2),
            unbind: cost(1000.0, 2),
            read_4k: cost(1450.0, 0),
        }
    }

    #[test]
    fn the_most_in_the_least() {
        let measured = vec![
            architecture("CCA", 1400.0, 7),
            architecture("SEV", 1300.0, 7),
            architecture("TDX", 1100.0, 5),
        ];
        let compared = Comparisons::from(Ok(measured));
        let [bind, run, _, read] = &compared.rows[..] else {
            panic!("{compared:?}")
        };
        assert_eq!((bind.ratio, bind.ok), (Some(1400.0 / 1100.0), Some(false)));
        assert_eq!(bind.ratio_of_messages, Some(220.0 / (1300.0 / 7.0)));
        assert_eq!((run.ratio, run.ok), (Some(1.0), Some(true)));
        assert_eq!((read.ok, read.ratio_of_messages), (Some(true), None));
    }

    #[test]
    fn one_alone_is_not_compared() {
        let compared = Comparisons::from(Ok(vec![architecture("CCA", 1400.0, 7)]));
        assert!(compared.rows.iter().all(|row| row.ok.is_none()));
        let compared = Comparisons::from(Err(anyhow::anyhow!("no TSM")));
        assert_eq!(compared.error.as_deref(), Some("no TSM"));
        assert!(compared.rows.is_empty());
    }
}
