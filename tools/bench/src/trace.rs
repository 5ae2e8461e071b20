// SPDX-License-Identifier: GPL-2.0

//! Allocations of the kernel on behalf of this process, through the trace events that it has of
//! them (`Documentation/trace/events-kmem.rst` of the kernel).

use crate::tracefs::{self, Line, Tracefs};
use serde::Serialize;
use std::{collections::HashMap, process};

const PAGE: u64 = 4096;

const EVENTS: [&str; 8] = [
    "kmem/kmalloc",
    "kmem/kmem_cache_alloc",
    "kmem/kfree",
    "kmem/kmem_cache_free",
    "kmem/mm_page_alloc",
    "kmem/mm_page_free",
    "percpu/percpu_alloc_percpu",
    "percpu/percpu_free_percpu",
];

/// Trace events of allocations, switched on and not recording.
pub(crate) struct Tracer(Tracefs);

/// What was done under a trace.
pub(crate) struct Traced<T> {
    pub(crate) result: T,
    pub(crate) outstanding: Outstanding,
}

/// What this process allocated and nobody freed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outstanding {
    pub(crate) bytes: u64,
    /// The largest first.
    pub(crate) sites: Vec<Site>,
}

/// Where memory was allocated.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Site {
    /// The trace event.
    pub(crate) kind: String,
    /// Function and module.
    pub(crate) caller: String,
    /// Bytes in all of its allocations.
    pub(crate) bytes: u64,
}

impl Tracer {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let tracer = Tracer(Tracefs::open()?);
        // two objects must not look the same
        tracer.0.write("options/hash-ptr", "0")?;
        for event in EVENTS {
            tracer.0.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(tracer)
    }

    /// Does something and tells what it left allocated.
    pub(crate) fn trace<T>(&self, work: impl FnOnce() -> T) -> anyhow::Result<Traced<T>> {
        let (result, text) = self.0.record(|| Ok(work()))?;
        Ok(Traced {
            result,
            outstanding: Outstanding::of(&text, process::id())?,
        })
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // nobody is left to tell; what stays is slow and not wrong
        for event in EVENTS {
            let _ = self.0.write(&format!("events/{event}/enable"), "0");
        }
        let _ = self.0.write("options/hash-ptr", "1");
    }
}

/// An event of a trace.
struct Event<'t> {
    pid: u32,
    name: &'t str,
    fields: &'t str,
}

impl<'t> Event<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let Line { pid, what, .. } = Line::parse(line)?;
        let (name, fields) = what.split_once(": ")?;
        Some(Event { pid, name, fields })
    }

    fn field(&self, name: &str) -> Option<&'t str> {
        self.fields
            .split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Who allocated: `function+0x1/0x2 [module]`.
    fn caller(&self) -> Option<&'t str> {
        let (_, site) = self.fields.split_once("call_site=")?;
        // another field follows each event's call site
        let end = site.find('=')?;
        Some(site.get(..end)?.rsplit_once(' ')?.0)
    }

    /// Bytes that were allocated. `None` if it is no allocation of the kernel's own, or one that
    /// another event tells of: a slab, or a large kmalloc, is a compound page.
    fn allocated(&self) -> Option<u64> {
        match self.name {
            "kmalloc" | "kmem_cache_alloc" | "percpu_alloc_percpu" => {
                self.field("bytes_alloc")?.parse().ok()
            }
            "mm_page_alloc" => {
                let flags = self.field("gfp_flags")?;
                let told_elsewhere = |flag| flag == "__GFP_COMP";
                let of_user_memory = |flag: &str| flag.starts_with("GFP_HIGHUSER");
                if flags
                    .split('|')
                    .any(|flag| told_elsewhere(flag) || of_user_memory(flag))
                {
                    return None;
                }
                let order: u32 = self.field("order")?.parse().ok()?;
                PAGE.checked_shl(order)
            }
            _ => None,
        }
    }

    /// Which allocation it tells of: pages by frame, all else by address.
    fn key(&self) -> Option<(bool, &'t str)> {
        let page = self.name.starts_with("mm_page");
        let value = self.field(if page { "pfn" } else { "ptr" })?;
        Some((page, value.trim_start_matches("0x").trim_start_matches('0')))
    }

    fn is_free(&self) -> bool {
        matches!(
            self.name,
            "kfree" | "kmem_cache_free" | "mm_page_free" | "percpu_free_percpu"
        )
    }
}

impl Outstanding {
    /// What process `pid` allocated and nobody freed, in the text of a trace.
    fn of(trace: &str, pid: u32) -> anyhow::Result<Self> {
        tracefs::whole(trace)?;
        let mut held: HashMap<(bool, &str), (&str, &str, u64)> = HashMap::new();
        for line in trace.lines() {
            let Some(event) = Event::parse(line) else {
                continue;
            };
            let Some(key) = event.key() else { continue };
            if event.is_free() {
                held.remove(&key);
            } else if let (true, Some(bytes)) = (event.pid == pid, event.allocated()) {
                let caller = event.caller().unwrap_or("pages");
                held.insert(key, (event.name, caller, bytes));
            }
        }
        let mut sites: HashMap<(&str, &str), u64> = HashMap::new();
        for (kind, caller, bytes) in held.into_values() {
            *sites.entry((kind, caller)).or_default() += bytes;
        }
        let mut sites: Vec<Site> = sites
            .into_iter()
            .map(|((kind, caller), bytes)| Site {
                kind: kind.to_owned(),
                caller: readable(caller),
                bytes,
            })
            .collect();
        sites.sort_by(|a, b| (b.bytes, &a.caller).cmp(&(a.bytes, &b.caller)));
        Ok(Outstanding {
            bytes: sites.iter().map(|site| site.bytes).sum(),
            sites,
        })
    }
}

/// `function+0x1/0x2 [module]`, with the name that a Rust function has in its source.
fn readable(caller: &str) -> String {
    match caller.split_once('+') {
        Some((symbol, place)) => {
            format!("{:#}+{place}", rustc_demangle::demangle(symbol))
        }
        None => caller.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
# tracer: nop
#
# entries-in-buffer/entries-written: 9/9   #P:2
#
       tsm-bench-71      [000] .....    12.000001: kmalloc: call_site=pci_tsm_bind+0x5c/0x180 ptr=ffff888001000000 bytes_req=40 bytes_alloc=64 gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 accounted=false
       tsm-bench-71      [000] .....    12.000002: kmalloc: call_site=send+0x1/0x2 [pci_tsm] ptr=ffff888001000100 bytes_req=4096 bytes_alloc=4096 gfp_flags=GFP_KERNEL node=-1 accounted=false
       tsm-bench-71      [000] .....    12.000003: mm_page_alloc: page=ffffea0000400000 pfn=0x1000 order=3 migratetype=0 gfp_flags=GFP_KERNEL|__GFP_NOWARN|__GFP_COMP
       tsm-bench-71      [000] .....    12.000004: mm_page_alloc: page=ffffea0000400200 pfn=0x1008 order=0 migratetype=0 gfp_flags=GFP_KERNEL|__GFP_ZERO
       tsm-bench-71      [000] .....    12.000005: kmem_cache_alloc: call_site=__alloc+0x1/0x2 ptr=ffff888001000200 name=filp bytes_req=200 bytes_alloc=256 gfp_flags=GFP_KERNEL node=-1 accounted=true
     kworker/0:1-17      [000] .....    12.000006: kmalloc: call_site=other+0x1/0x2 ptr=ffff888001000300 bytes_req=8 bytes_alloc=8 gfp_flags=GFP_KERNEL node=-1 accounted=false
       tsm-bench-71      [000] .....    12.000007: kfree: call_site=send+0x3/0x4 [pci_tsm] ptr=ffff888001000100
          <idle>-0       [001] ..s1.    12.000008: kmem_cache_free: call_site=rcu+0x3/0x4 ptr=ffff888001000200 name=filp
       tsm-bench-71      [000] .....    12.000009: kfree: call_site=x+0x3/0x4 ptr=ffff888009999999
";

    #[test]
    fn what_stays_is_counted() {
        let outstanding = Outstanding::of(TRACE, 71).unwrap();
        assert_eq!(outstanding.bytes, 4096 + 64);
        let [page, object] = &outstanding.sites[..] else {
            panic!("{outstanding:?}")
        };
        assert_eq!((&*page.kind, page.bytes), ("mm_page_alloc", 4096));
        assert_eq!(object.caller, "pci_tsm_bind+0x5c/0x180");
    }

    #[test]
    fn a_caller_has_its_module() {
        let caller = |fields| {
            let name = "kmalloc";
            Event {
                pid: 1,
                name,
                fields,
            }
            .caller()
        };
        assert_eq!(
            caller("call_site=a+0x1/0x2 [m] ptr=0"),
            Some("a+0x1/0x2 [m]")
        );
        assert_eq!(caller("call_site=a+0x1/0x2 reserved=0"), Some("a+0x1/0x2"));
        assert_eq!(caller("page=0 pfn=0"), None);
    }

    #[test]
    fn rust_is_readable() {
        let put = "_RNvMs_NtCs2maDTt7eYgG_8tsm_core8evidenceNtB4_8Evidence3put+0x7e/0x160 [m]";
        assert_eq!(
            readable(put),
            "<tsm_core::evidence::Evidence>::put+0x7e/0x160 [m]"
        );
        assert_eq!(readable("tsm_link_bind+0x1/0x2"), "tsm_link_bind+0x1/0x2");
        assert_eq!(readable("pages"), "pages");
    }

    #[test]
    fn of_another_process() {
        assert_eq!(Outstanding::of(TRACE, 17).unwrap().bytes, 8);
        assert_eq!(Outstanding::of(TRACE, 1).unwrap(), Outstanding::default());
    }

    #[test]
    fn a_page_that_is_freed() {
        let free =
            "  x-71  [000] .....  13.0: mm_page_free: page=ffffea0000400200 pfn=0x1008 order=0\n";
        let trace = format!("{TRACE}{free}");
        assert_eq!(Outstanding::of(&trace, 71).unwrap().bytes, 64);
    }
}
