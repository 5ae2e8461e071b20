// SPDX-License-Identifier: GPL-2.0

//! The table for a reader.

use crate::{
    architecture::Cost,
    comparison::{Comparison, Comparisons},
    outcome::{Memory, Outcome, Procedures},
    row::Figure,
};
use std::io::{self, Write};

/// What the median of the empty ioctl has over its best round, relative to that, from which on a
/// clock does not count instructions.
const QUIET: f64 = 0.02;

pub(crate) fn print(out: &mut impl Write, outcome: &Outcome, sites: bool) -> io::Result<()> {
    let Outcome {
        kernel,
        plan,
        empty,
        rows,
        procedures,
        comparisons,
        memory,
    } = outcome;
    writeln!(
        out,
        "Linux {kernel}: instructions per call, best of {} rounds of {} calls",
        plan.rounds, plan.calls
    )?;
    let noise = empty.median / empty.best - 1.0;
    if noise > QUIET {
        writeln!(
            out,
            "the empty ioctl varies by {:.0}%: this clock does not count instructions",
            100.0 * noise
        )?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<38} {:>12} {:>7} {:>7} {:>8} {:>9}",
        "call", "instructions", "spread", "ratio", "at most", "C series"
    )?;
    writeln!(
        out,
        "{:<38} {:>12.1} {:>7.1} {:>7.2}",
        "IOMMU_OPTION get, no module loaded", empty.best, empty.spread, 1.0
    )?;
    for row in rows {
        line(out, row)?;
    }
    writeln!(out)?;
    print_procedures(out, procedures)?;
    print_comparisons(out, comparisons)?;
    print_memory(out, memory, sites)?;
    match (outcome.failures(), outcome.overs()) {
        (0, 0) => writeln!(out, "all budgets met"),
        (0, n) => writeln!(out, "{n} over budget"),
        (m, n) => writeln!(out, "{n} over budget, {m} not measured"),
    }
}

fn line(out: &mut impl Write, row: &Figure) -> io::Result<()> {
    write!(out, "{:<38} ", row.call)?;
    match (&row.count, row.ratio) {
        (Some(count), Some(ratio)) => {
            write!(
                out,
                "{:>12.1} {:>7.1} {ratio:>7.2}",
                count.best, count.spread
            )?;
        }
        _ => write!(out, "{:>12} {:>7} {:>7}", "-", "-", "-")?,
    }
    let verdict = verdict(row.ok);
    writeln!(out, " {:>8.2} {:>9.2}  {verdict}", row.budget, row.c_series)?;
    if let Some(error) = &row.error {
        writeln!(out, "    {error}")?;
    }
    Ok(())
}

fn print_procedures(out: &mut impl Write, procedures: &Procedures) -> io::Result<()> {
    let head = "of function 0";
    writeln!(out, "{head:<38} {:>12} {:>12}", "virtual ms", "round trips")?;
    for procedure in &procedures.measured {
        writeln!(
            out,
            "{:<38} {:>12.1} {:>12}",
            procedure.name, procedure.milliseconds, procedure.round_trips
        )?;
    }
    if let Some(error) = &procedures.error {
        writeln!(out, "    not measured: {error}")?;
    }
    writeln!(out)
}

fn print_comparisons(out: &mut impl Write, comparisons: &Comparisons) -> io::Result<()> {
    let head = "host instructions, outside of firmware";
    write!(out, "{head:<38}")?;
    for name in &comparisons.names {
        write!(out, " {name:>9}")?;
    }
    writeln!(out, " {:>7} {:>8}", "ratio", "at most")?;
    for row in &comparisons.rows {
        print_comparison(out, row, comparisons.budget)?;
    }
    if let Some(error) = &comparisons.error {
        writeln!(out, "    not measured: {error}")?;
    }
    writeln!(out)
}

fn print_comparison(out: &mut impl Write, row: &Comparison, budget: f64) -> io::Result<()> {
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    numbers(out, row, row.call, |cost| cost.host)?;
    let verdict = verdict(row.ok);
    writeln!(out, " {:>7} {budget:>8.2}  {verdict}", ratio(row.ratio))?;
    if row.costs.iter().all(|cost| cost.calls == 0) {
        return Ok(());
    }
    numbers(out, row, "    calls into the firmware", |cost| {
        cost.calls as f64
    })?;
    writeln!(out)?;
    numbers(out, row, "    instructions in them", |cost| cost.in_calls)?;
    writeln!(out)?;
    numbers(out, row, "    messages to the device", |cost| {
        cost.round_trips as f64
    })?;
    writeln!(out)?;
    numbers(out, row, "    of the host, for each message", |cost| {
        cost.of_a_message().unwrap_or(f64::NAN)
    })?;
    writeln!(out, " {:>7}", ratio(row.ratio_of_messages))
}

fn numbers(
    out: &mut impl Write,
    row: &Comparison,
    name: &str,
    number: fn(&Cost) -> f64,
) -> io::Result<()> {
    write!(out, "{name:<38}")?;
    for cost in &row.costs {
        write!(out, " {:>9.0}", number(cost))?;
    }
    Ok(())
}

fn print_memory(out: &mut impl Write, memory: &Memory, sites: bool) -> io::Result<()> {
    let head = "kernel memory of a bound TDI";
    writeln!(
        out,
        "{head:<38} {:>12} {:>7} {:>7} {:>8}",
        "bytes", "objects", "rest", "at most"
    )?;
    for tdi in &memory.tdis {
        let name = match tdi.first {
            true => format!("{}, first of its VM", tdi.function),
            false => tdi.function.clone(),
        };
        writeln!(
            out,
            "{:<38} {:>12} {:>7} {:>7} {:>8}  {}",
            name,
            tdi.bytes,
            tdi.objects,
            tdi.besides_objects(),
            memory.budget,
            verdict(Some(tdi.besides_objects() <= memory.budget))
        )?;
        for site in tdi.sites.iter().filter(|_| sites) {
            writeln!(out, "    {:>8}  {} {}", site.bytes, site.kind, site.caller)?;
        }
    }
    match &memory.error {
        Some(error) => writeln!(out, "    not measured: {error}")?,
        None if memory.tdis.is_empty() => writeln!(out, "    not measured")?,
        None => {}
    }
    writeln!(out)
}

fn verdict(ok: Option<bool>) -> &'static str {
    match ok {
        Some(true) => "ok",
        Some(false) => "over",
        None => "not measured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        architecture::Architecture,
        count::{Count, Plan},
        row::{Row, BUDGETS},
    };

    fn count(best: f64) -> Count {
        Count {
            best,
            median: best,
            spread: 0.1,
        }
    }

    fn architecture(name: &'static str, times: f64) -> Architecture {
        let cost = |round_trips: u64| Cost {
            host: 10_000.0 * round_trips as f64 * times,
            in_calls: 300.0,
            calls: round_trips,
            round_trips,
        };
        Architecture {
            name,
            bind: cost(7),
            run: Cost {
                host: 20_000.0,
                ..cost(2)
            },
            unbind: cost(0),
            read_4k: cost(0),
        }
    }

    #[test]
    fn every_row_has_its_verdict() {
        let empty = count(498.2);
        let rows = [
            Row::new(&BUDGETS.bystander, Ok(count(537.3))),
            Row::new(&BUDGETS.unknown, Ok(count(600.0))),
            Row::new(&BUDGETS.bind, Err(anyhow::anyhow!("no TSM"))),
        ];
        let outcome = Outcome {
            kernel: "7.3.4".to_owned(),
            plan: Plan {
                calls: 20_000,
                rounds: 3,
            },
            empty,
            rows: rows.into_iter().map(|row| row.against(&empty)).collect(),
            procedures: Err(anyhow::anyhow!("no TSM")).into(),
            comparisons: Ok(vec![architecture("CCA", 1.0), architecture("SEV", 1.3)]).into(),
            memory: Err(anyhow::anyhow!("no TSM")).into(),
        };
        let mut out = Vec::new();
        print(&mut out, &outcome, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        let row = |call: &str| text.lines().find(|line| line.starts_with(call)).unwrap();
        assert!(row("other iommufd ioctl").ends_with("1.00  ok"), "{text}");
        assert!(row("REQ, id unknown").ends_with("1.17  over"), "{text}");
        assert!(row("BIND").ends_with("not measured"), "{text}");
        assert!(
            row("bind  ").ends_with("70000     91000    1.30     1.20  over"),
            "{text}"
        );
        assert!(row("run  ").ends_with("1.00     1.20  ok"), "{text}");
        assert!(
            row("    of the host").ends_with("10000     13000    1.30"),
            "{text}"
        );
        assert!(row("unbind  ").ends_with("not measured"), "{text}");
        assert!(text.ends_with("2 over budget, 3 not measured\n"), "{text}");
    }
}
