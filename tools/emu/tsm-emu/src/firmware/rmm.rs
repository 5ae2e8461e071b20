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
mod granule;
mod pdev;
mod realm;
mod rtt;
mod stream;
mod vdev;

use super::fault;
use super::tsm::{Counts, Machine, Registers, Tsm};
use granule::{delegate, undelegate, Granules};
use pdev::Pdev;
use realm::Realm;
use std::collections::BTreeMap;
use stream::Stream;
use tsm_wire::detail::{Detail, TransportFault};
use tsm_wire::mailbox::X_COUNT;
use tsm_wire::rmi::{
    Fid, Status, ABI_VERSION, FEATURE_DA, FEATURE_MAX_VDEVS_ORDER_SHIFT, FEATURE_REGISTER_DA,
};
use vdev::Vdev;

/// Results of a call, from `X1` on.
type Results = [u64; 3];

/// Binary logarithm of how many VDEVs a PDEV may have.
const MAX_VDEVS_ORDER: u32 = 4;
/// What SMCCC returns for a function that is not known.
const NOT_KNOWN: u64 = u64::MAX;

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
    granules: Granules,
    realms: BTreeMap<u64, Realm>,
    pdevs: BTreeMap<u64, Pdev>,
    vdevs: BTreeMap<u64, Vdev>,
    streams: BTreeMap<u64, Stream>,
}

impl Tsm for Rmm {
    fn call(&mut self, machine: &mut Machine<'_>, x: &Registers) -> Registers {
        let [x0, arguments @ ..] = x;
        let mut results = [0; X_COUNT];
        let (status, values) = match Fid::from_raw(*x0) {
            Ok(fid) => match self.serve(machine, fid, arguments) {
                Ok(values) => (Status::Success.into(), values),
                Err(refused) => (refused.x0(), [refused.x1, 0, 0]),
            },
            Err(_) => (NOT_KNOWN, [0; 3]),
        };
        for (to, from) in results.iter_mut().zip([status].into_iter().chain(values)) {
            *to = from;
        }
        results
    }

    fn cut_off(&self) -> u64 {
        Status::ErrorDevice.into()
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn counts(&self) -> Counts {
        Counts {
            connections: self.pdevs.len(),
            tdis: self.vdevs.len(),
            vms: self.realms.len(),
            pages: self.granules.len(),
        }
    }
}

impl Rmm {
    fn serve(
        &mut self,
        machine: &mut Machine<'_>,
        fid: Fid,
        arguments: &[u64],
    ) -> Result<Results, Refused> {
        let always = matches!(fid, Fid::Version | Fid::Features);
        if !always && machine.is_busy() {
            return Err(Status::Busy.into());
        }
        let communicates = matches!(fid, Fid::PdevCommunicate | Fid::VdevCommunicate);
        if machine.knobs.fails_before(fid.into()) {
            return Err(injected(communicates));
        }
        let results = self.dispatch(machine, fid, arguments)?;
        // Of a call that begins a communication, the failure shows where that ends.
        if !begins_communication(fid) && machine.knobs.fails_after(fid.into()) {
            return Err(injected(communicates));
        }
        Ok(results)
    }

    fn dispatch(
        &mut self,
        machine: &mut Machine<'_>,
        fid: Fid,
        arguments: &[u64],
    ) -> Result<Results, Refused> {
        let [a, b, c, d, e, f, ..] = *arguments else {
            return Err(Status::ErrorInput.into());
        };
        const NOTHING: Results = [0; 3];
        let ground = machine.ground;
        match fid {
            Fid::Version if a == ABI_VERSION => Ok([ABI_VERSION, ABI_VERSION, 0]),
            Fid::Version => Err(Refused::with(Status::ErrorInput, ABI_VERSION)),
            Fid::Features => Ok([feature_register(a), 0, 0]),
            Fid::GranuleRangeDelegate => Ok([delegate(&mut self.granules, ground, a, b)?, 0, 0]),
            Fid::GranuleRangeUndelegate => Ok([undelegate(&mut self.granules, a, b)?, 0, 0]),
            Fid::RealmCreate => self.realm_create(ground, a, b).map(|()| NOTHING),
            Fid::RealmDestroy => self.realm_destroy(a).map(|()| NOTHING),
            Fid::PdevCreate => self.pdev_create(ground, a, b).map(|()| NOTHING),
            Fid::PdevGetState => Ok([self.pdev_state(a)?.into(), 0, 0]),
            Fid::PdevCommunicate => self.pdev_communicate(machine, a, b).map(|()| NOTHING),
            Fid::PdevStop => self.pdev_stop(a).map(|()| NOTHING),
            Fid::PdevAbort => self.pdev_abort(a).map(|()| NOTHING),
            Fid::PdevDestroy => self.pdev_destroy(a).map(|()| NOTHING),
            Fid::VdevCreate => self.vdev_create(ground, a, b, c, d).map(|()| NOTHING),
            Fid::VdevGetState => Ok([self.vdev_state(a)?.into(), 0, 0]),
            Fid::VdevCommunicate => self
                .vdev_communicate(machine, [a, b, c], d)
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
