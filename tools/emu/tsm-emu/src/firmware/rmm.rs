// SPDX-License-Identifier: GPL-2.0

//! The Realm Management Monitor: objects that the host makes with calls, and the rules between
//! them (Arm DEN0137 2.0).
//!
//! What the specification leaves to the monitor is as the public TF-RMM has it, with these
//! exceptions: a PDEV becomes ready without the host giving the device's public key, since the monitor
//! itself verifies who the device is; a stream whose connection was given up half-way can be
//! disconnected, and a VDEV in error destroyed without being unlocked, since a device that never
//! answers could not be got rid of otherwise; and a session that is lost is opened anew when it is
//! needed, by what is to be done next with the device.

mod communication;
mod errand;
mod fault;
mod granule;
mod ground;
mod pdev;
mod peer;
mod realm;
mod rtt;
mod stream;
mod vdev;

pub use ground::{Ground, Kind};

use super::references::References;
use super::root_port::RootPort;
use crate::knobs::FirmwareKnobs;
use granule::Granules;
use pdev::Pdev;
use realm::Realm;
use std::collections::BTreeMap;
use std::time::Instant;
use stream::Stream;
use tracing::debug;
use tsm_wire::mailbox::X_COUNT;
use tsm_wire::rmi::status::TransportFault;
use tsm_wire::rmi::{
    Detail, Fid, Status, ABI_VERSION, FEATURE_DA, FEATURE_MAX_VDEVS_ORDER_SHIFT,
    FEATURE_REGISTER_DA,
};
use vdev::Vdev;

/// Registers of a call.
pub type Registers = [u64; X_COUNT];
/// Results of a call, from `X1` on.
type Results = [u64; 3];

/// Binary logarithm of how many VDEVs a PDEV may have.
const MAX_VDEVS_ORDER: u32 = 4;
/// What SMCCC returns for a function that is not known.
const NOT_KNOWN: u64 = u64::MAX;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were made.
    pub calls: u64,
    /// PDEVs.
    pub pdevs: usize,
    /// VDEVs.
    pub vdevs: usize,
    /// Realms.
    pub realms: usize,
    /// Granules that are not the host's.
    pub granules: usize,
}

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    status: Status,
    index: u8,
    x1: u64,
}

impl Refused {
    fn with(status: Status, x1: u64) -> Self {
        Self {
            status,
            index: 0,
            x1,
        }
    }

    fn x0(&self) -> u64 {
        u64::from(self.status) | u64::from(self.index) << 8
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::with(status, 0)
    }
}

/// The monitor.
#[derive(Debug, Default)]
pub struct Rmm {
    references: References,
    root_port: RootPort,
    granules: Granules,
    realms: BTreeMap<u64, Realm>,
    pdevs: BTreeMap<u64, Pdev>,
    vdevs: BTreeMap<u64, Vdev>,
    streams: BTreeMap<u64, Stream>,
    calls: u64,
}

impl Rmm {
    /// Just started, with what it compares devices with.
    pub fn new(references: References) -> Self {
        Self {
            references,
            ..Self::default()
        }
    }

    /// What it compares devices with.
    pub fn references(&self) -> &References {
        &self.references
    }

    /// What it compares devices with from now on.
    pub fn set_references(&mut self, references: References) {
        self.references = references;
    }

    /// The root port's IDE.
    pub fn root_port(&self) -> &RootPort {
        &self.root_port
    }

    /// The root port's IDE, for the host to configure.
    pub fn root_port_mut(&mut self) -> &mut RootPort {
        &mut self.root_port
    }

    /// Makes a call.
    pub fn call(
        &mut self,
        ground: &dyn Ground,
        knobs: &mut FirmwareKnobs,
        now: Instant,
        x: &Registers,
    ) -> Registers {
        let [x0, arguments @ ..] = x;
        let mut results = [0; X_COUNT];
        let (status, values) = match Fid::from_raw(*x0) {
            Ok(fid) => match self.serve(ground, knobs, now, fid, arguments) {
                Ok(values) => (Status::Success.into(), values),
                Err(refused) => (refused.x0(), [refused.x1, 0, 0]),
            },
            Err(_) => (NOT_KNOWN, [0; 3]),
        };
        debug!(
            "{x0:#x} {:x?} -> {status:#x} {values:x?}",
            arguments.get(..6)
        );
        for (to, from) in results.iter_mut().zip([status].into_iter().chain(values)) {
            *to = from;
        }
        results
    }

    /// Counts a call that was rung for, whether it is made or not.
    pub fn count_call(&mut self) {
        self.calls += 1;
    }

    /// Forgets everything but what it compares devices with.
    pub fn reset(&mut self) {
        *self = Self {
            calls: self.calls,
            references: std::mem::take(&mut self.references),
            ..Self::default()
        };
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls,
            pdevs: self.pdevs.len(),
            vdevs: self.vdevs.len(),
            realms: self.realms.len(),
            granules: self.granules.len(),
        }
    }

    fn serve(
        &mut self,
        ground: &dyn Ground,
        knobs: &mut FirmwareKnobs,
        now: Instant,
        fid: Fid,
        arguments: &[u64],
    ) -> Result<Results, Refused> {
        let always = matches!(fid, Fid::Version | Fid::Features);
        if !always && knobs.busy_until.is_some_and(|until| now < until) {
            return Err(Status::Busy.into());
        }
        let communicates = matches!(fid, Fid::PdevCommunicate | Fid::VdevCommunicate);
        if knobs.error_before == Some(fid) {
            knobs.error_before = None;
            return Err(injected(communicates));
        }
        let results = self.dispatch(ground, knobs, fid, arguments)?;
        // Of a call that begins a communication, the failure shows where that ends.
        if knobs.error_after == Some(fid) && !begins_communication(fid) {
            knobs.error_after = None;
            return Err(injected(communicates));
        }
        Ok(results)
    }

    fn dispatch(
        &mut self,
        ground: &dyn Ground,
        knobs: &mut FirmwareKnobs,
        fid: Fid,
        arguments: &[u64],
    ) -> Result<Results, Refused> {
        let [a, b, c, d, e, f, ..] = *arguments else {
            return Err(Status::ErrorInput.into());
        };
        const NOTHING: Results = [0; 3];
        match fid {
            Fid::Version if a == ABI_VERSION => Ok([ABI_VERSION, ABI_VERSION, 0]),
            Fid::Version => Err(Refused::with(Status::ErrorInput, ABI_VERSION)),
            Fid::Features => Ok([feature_register(a), 0, 0]),
            Fid::GranuleRangeDelegate => Ok([self.granules.delegate(ground, a, b)?, 0, 0]),
            Fid::GranuleRangeUndelegate => Ok([self.granules.undelegate(a, b)?, 0, 0]),
            Fid::RealmCreate => self.realm_create(ground, a, b).map(|()| NOTHING),
            Fid::RealmDestroy => self.realm_destroy(a).map(|()| NOTHING),
            Fid::PdevCreate => self.pdev_create(ground, a, b).map(|()| NOTHING),
            Fid::PdevGetState => Ok([self.pdev_state(a)?.into(), 0, 0]),
            Fid::PdevCommunicate => self.pdev_communicate(ground, knobs, a, b).map(|()| NOTHING),
            Fid::PdevStop => self.pdev_stop(a).map(|()| NOTHING),
            Fid::PdevAbort => self.pdev_abort(a).map(|()| NOTHING),
            Fid::PdevDestroy => self.pdev_destroy(a).map(|()| NOTHING),
            Fid::VdevCreate => self.vdev_create(ground, a, b, c, d).map(|()| NOTHING),
            Fid::VdevGetState => Ok([self.vdev_state(a)?.into(), 0, 0]),
            Fid::VdevCommunicate => self
                .vdev_communicate(ground, knobs, [a, b, c], d)
                .map(|()| NOTHING),
            Fid::VdevLock => self.vdev_lock([a, b, c]).map(|()| NOTHING),
            Fid::VdevStart => self.vdev_start([a, b, c]).map(|()| NOTHING),
            Fid::VdevUnlock => self.vdev_unlock([a, b, c]).map(|()| NOTHING),
            Fid::VdevGetInterfaceReport => self.vdev_report([a, b, c]).map(|()| NOTHING),
            Fid::VdevGetMeasurements => self.vdev_measure(ground, [a, b, c], d).map(|()| NOTHING),
            Fid::VdevAbort => self.vdev_abort([a, b, c]).map(|()| NOTHING),
            Fid::VdevDestroy => self.vdev_destroy([a, b, c]).map(|()| NOTHING),
            Fid::RttDevMap => Ok([self.dev_map([a, b], [c, d], e, f)?, 0, 0]),
            Fid::RttDevUnmap => self.dev_unmap(a, [b, c], d, e),
            Fid::PdevStreamConnect => Ok([self.stream_connect(ground, a)?, 0, 0]),
            Fid::PdevStreamDisconnect => self.stream_disconnect(a, b, c).map(|()| NOTHING),
            Fid::PdevStreamComplete => self.stream_complete(a, b, c).map(|()| NOTHING),
            // There is no REC that could ask for a mapping, and no key is asked for.
            Fid::RttDevValidate | Fid::PdevSetPubkey => Err(Status::ErrorNotSupported.into()),
        }
    }
}

/// Failure that was asked for.
fn injected(communicates: bool) -> Refused {
    let detail = if communicates {
        fault::transport(TransportFault::Injected)
    } else {
        Detail::NONE
    };
    Refused::with(Status::ErrorDevice, detail.raw())
}

fn begins_communication(fid: Fid) -> bool {
    matches!(
        fid,
        Fid::PdevCreate
            | Fid::PdevStop
            | Fid::PdevStreamConnect
            | Fid::PdevStreamDisconnect
            | Fid::VdevLock
            | Fid::VdevStart
            | Fid::VdevUnlock
            | Fid::VdevGetInterfaceReport
            | Fid::VdevGetMeasurements
    )
}

fn feature_register(index: u64) -> u64 {
    match index {
        FEATURE_REGISTER_DA => {
            FEATURE_DA | u64::from(MAX_VDEVS_ORDER) << FEATURE_MAX_VDEVS_ORDER_SHIFT
        }
        _ => 0,
    }
}
