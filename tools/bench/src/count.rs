// SPDX-License-Identifier: GPL-2.0

//! Counting: what a call costs, from many of them.

use serde::Serialize;
use std::time::Instant;

/// How often a call is made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Plan {
    /// Calls in a round.
    pub(crate) calls: u32,
    /// Rounds.
    pub(crate) rounds: u32,
}

impl Plan {
    /// A plan for calls that cost `times` as much.
    pub(crate) fn fewer(self, times: u32) -> Self {
        Plan {
            calls: (self.calls / times).max(1),
            ..self
        }
    }
}

/// What one call costs, in instructions where the clock counts those.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Count {
    /// In the best round.
    pub(crate) best: f64,
    /// In the round in the middle.
    pub(crate) median: f64,
    /// Between the best and the worst round.
    pub(crate) spread: f64,
}

impl Count {
    /// Measures `call`, after a tenth of a round to warm up.
    pub(crate) fn of<E>(plan: Plan, mut call: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        for _ in 0..plan.calls / 10 + 1 {
            call()?;
        }
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            let start = Instant::now();
            for _ in 0..plan.calls {
                call()?;
            }
            rounds.push(start.elapsed().as_nanos() as f64 / f64::from(plan.calls));
        }
        Ok(Count::from_rounds(rounds))
    }

    fn from_rounds(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or(f64::NAN);
        let last = rounds.len().saturating_sub(1);
        Count {
            best: at(0),
            median: at(rounds.len() / 2),
            spread: at(last) - at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_in_any_order() {
        let count = Count::from_rounds(vec![502.5, 500.0, 501.0]);
        let expected = Count {
            best: 500.0,
            median: 501.0,
            spread: 2.5,
        };
        assert_eq!(count, expected);
    }

    #[test]
    fn a_call_that_fails_ends_it() {
        let mut left = 3;
        let plan = Plan {
            calls: 10,
            rounds: 3,
        };
        let result = Count::of(plan, || {
            left -= 1;
            if left == 0 {
                Err("over")
            } else {
                Ok(())
            }
        });
        assert_eq!(result.unwrap_err(), "over");
    }
}
