// SPDX-License-Identifier: GPL-2.0

//! Virtual devices: TDIs that are assigned to a Realm.

use super::communication::{Communication, Progress};
use super::granule::{release, take, Use};
use super::{injected, Refused, Rmm, MAX_VDEVS_ORDER};
use crate::firmware::errand::Errand;
use crate::firmware::ground::{is_aligned, read, Ground, Kind};
use crate::firmware::tsm::Machine;
use tdisp::{Nonce, Operation, State};
use tsm_wire::rmi::vdev::{ADDR_RANGE_MAX, MEASURE_FLAG_RAW, NONCE_SIZE};
use tsm_wire::rmi::{AddrRange, Fid, Status, VdevMeasureParams, VdevParams, VdevState};

/// A VDEV.
#[derive(Debug)]
pub(super) struct Vdev {
    rd: u64,
    pdev: u64,
    id: u64,
    requester_id: u16,
    ranges: Vec<AddrRange>,
    state: VdevState,
    nonce: Option<Nonce>,
    /// The SPDM session that it was locked in.
    session: Option<u32>,
    communication: Communication,
}

impl Vdev {
    /// The Realm that it is assigned to.
    pub(super) fn realm(&self) -> u64 {
        self.rd
    }

    /// The PDEV that it belongs to.
    pub(super) fn pdev(&self) -> u64 {
        self.pdev
    }

    /// Its state.
    pub(super) fn state(&self) -> VdevState {
        self.state
    }

    /// Whether a range is device memory of it.
    pub(super) fn owns(&self, base: u64, top: u64) -> bool {
        self.ranges
            .iter()
            .any(|range| range.base <= base && top <= range.top)
    }

    /// Whether it was asked to be unlocked, and that is not over yet.
    pub(super) fn is_being_unlocked(&self) -> bool {
        self.communication.fid() == Some(Fid::VdevUnlock) && !self.communication.is_free()
    }

    /// Whether messages about it are under way.
    pub(super) fn is_active(&self) -> bool {
        self.communication.is_active()
    }

    fn begin(&mut self, fid: Fid, allowed: &[VdevState], errand: Errand) -> Result<(), Refused> {
        if !allowed.contains(&self.state) || !self.communication.is_free() {
            return Err(Status::ErrorDevice.into());
        }
        self.communication = Communication::pending(fid, errand);
        Ok(())
    }

    /// What it is after a communication that went well, in this session.
    fn succeed(&mut self, fid: Option<Fid>, errand: &Errand, session: Option<u32>) {
        match fid {
            Some(Fid::VdevCreate | Fid::VdevUnlock) => {
                self.state = VdevState::Unlocked;
                self.nonce = None;
            }
            Some(Fid::VdevLock) => {
                self.state = VdevState::Locked;
                self.nonce = errand.nonce();
                self.session = session;
            }
            Some(Fid::VdevStart) => self.state = VdevState::Started,
            _ => {}
        }
    }

    /// What it is after one that failed: what it was if the device says so, else in error.
    fn stumble(&mut self, device: Option<State>) {
        let as_before = match self.state {
            VdevState::New | VdevState::Unlocked => Some(State::Unlocked),
            VdevState::Locked => Some(State::Locked),
            VdevState::Started => Some(State::Run),
            VdevState::Error | VdevState::KeyRefresh | VdevState::KeyPurge => None,
        };
        if device.is_none() || device != as_before {
            self.state = VdevState::Error;
        }
    }
}

impl Rmm {
    /// The VDEV of this Realm and PDEV.
    fn vdev(&mut self, [rd, pdev, vdev]: [u64; 3]) -> Result<&mut Vdev, Refused> {
        if !self.realms.contains_key(&rd) || !self.pdevs.contains_key(&pdev) {
            return Err(Status::ErrorInput.into());
        }
        let vdev = self.vdevs.get_mut(&vdev).ok_or(Status::ErrorInput)?;
        if vdev.rd != rd {
            return Err(Status::ErrorInput.into());
        }
        if vdev.pdev != pdev {
            return Err(Status::ErrorDevice.into());
        }
        Ok(vdev)
    }

    pub(super) fn vdev_create(
        &mut self,
        ground: &dyn Ground,
        rd: u64,
        pdev_address: u64,
        address: u64,
        params: u64,
    ) -> Result<(), Refused> {
        let input = Refused::from(Status::ErrorInput);
        if !is_aligned(address)
            || !self.realms.contains_key(&rd)
            || !self.granules.is_host_memory(ground, params)
        {
            return Err(input);
        }
        let pdev = self.pdevs.get(&pdev_address).ok_or(input)?;
        let params: VdevParams = read(ground, params).ok_or(input)?;
        let ranges = check(&params).ok_or(input)?;
        if !pdev.has(params.tdi_id) {
            return Err(input);
        }
        let siblings = || self.vdevs.values().filter(|vdev| vdev.pdev == pdev_address);
        if !pdev.is_ready() || siblings().count() >= 1 << MAX_VDEVS_ORDER {
            return Err(Status::ErrorDevice.into());
        }
        let overlap = |other: &AddrRange| {
            ranges
                .iter()
                .any(|r| r.base < other.top && other.base < r.top)
        };
        let taken = siblings().any(|vdev| {
            u64::from(vdev.requester_id) == params.tdi_id || vdev.ranges.iter().any(overlap)
        });
        let known = self
            .vdevs
            .values()
            .any(|vdev| vdev.rd == rd && vdev.id == params.vdev_id);
        if taken || known || !take(&mut self.granules, address, Kind::Memory, Use::Vdev) {
            return Err(input);
        }
        let vdev = Vdev {
            rd,
            pdev: pdev_address,
            id: params.vdev_id,
            requester_id: (params.tdi_id & 0xffff) as u16,
            ranges,
            state: VdevState::New,
            nonce: None,
            session: None,
            // A device is not asked before it is locked.
            communication: Communication::pending(Fid::VdevCreate, Errand::nothing()),
        };
        self.vdevs.insert(address, vdev);
        Ok(())
    }

    pub(super) fn vdev_state(&mut self, address: u64) -> Result<VdevState, Refused> {
        let vdev = self.vdevs.get(&address).ok_or(Status::ErrorInput)?;
        Ok(vdev.state)
    }

    pub(super) fn vdev_communicate(
        &mut self,
        machine: &mut Machine<'_>,
        names: [u64; 3],
        data: u64,
    ) -> Result<(), Refused> {
        self.vdev(names)?;
        let [_, pdev, address] = names;
        // One conversation at a time with one device.
        let others = self
            .vdevs
            .iter()
            .any(|(other, vdev)| *other != address && vdev.pdev == pdev && vdev.is_active());
        if others || self.pdevs.get(&pdev).is_some_and(|pdev| pdev.is_active()) {
            return Err(Status::Busy.into());
        }
        let Self {
            granules,
            pdevs,
            vdevs,
            ..
        } = self;
        let pdev_address = pdev;
        let vdev = vdevs.get_mut(&address).ok_or(Status::ErrorInput)?;
        let pdev = pdevs.get_mut(&pdev).ok_or(Status::ErrorInput)?;
        let fid = vdev.communication.fid();
        let ground = machine.ground;
        let mut line = machine.line(pdev.peer_mut());
        let progress = vdev
            .communication
            .go_on(ground, granules, &mut line, data)?;
        let session = line.peer.session();
        let outcome = match progress {
            Progress::More => Ok(()),
            Progress::Done(errand) => {
                vdev.succeed(fid, &errand, session);
                if fid.is_some_and(|fid| machine.knobs.fails_after(fid.into())) {
                    vdev.communication.fail();
                    Err(injected(true))
                } else {
                    Ok(())
                }
            }
            // A TDI that is unlocked is what was to be reached, whatever went wrong before.
            Progress::Failed(state, detail) => {
                vdev.stumble(state);
                Err(Refused::with(Status::ErrorDevice, detail.raw()))
            }
        };
        self.drop_locks(pdev_address);
        outcome
    }

    /// The locks of a device's TDIs end with the session that they were made in (11.4.5).
    pub(super) fn drop_locks(&mut self, pdev: u64) {
        let session = self.pdevs.get(&pdev).and_then(|pdev| pdev.peer().session());
        for vdev in self.vdevs.values_mut().filter(|vdev| vdev.pdev == pdev) {
            let locked = matches!(vdev.state, VdevState::Locked | VdevState::Started);
            if locked && vdev.session != session {
                vdev.state = VdevState::Error;
            }
        }
    }

    pub(super) fn vdev_lock(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let vdev = self.vdev(names)?;
        let errand = Errand::tdi(vdev.requester_id, Operation::Lock);
        vdev.begin(Fid::VdevLock, &[VdevState::Unlocked], errand)
    }

    pub(super) fn vdev_start(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let vdev = self.vdev(names)?;
        let operation = Operation::Start(vdev.nonce.unwrap_or_default());
        let errand = Errand::tdi(vdev.requester_id, operation);
        vdev.begin(Fid::VdevStart, &[VdevState::Locked], errand)
    }

    pub(super) fn vdev_unlock(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let ranges = self.vdev(names)?.ranges.clone();
        let mapped = ranges
            .iter()
            .find_map(|range| self.granules.first(range.base..range.top, Use::Mapped));
        let vdev = self.vdev(names)?;
        let errand = Errand::tdi(vdev.requester_id, Operation::Stop);
        let allowed = [VdevState::Locked, VdevState::Started, VdevState::Error];
        if !allowed.contains(&vdev.state) || !vdev.communication.is_free() {
            return Err(Status::ErrorDevice.into());
        }
        if let Some(page) = mapped {
            return Err(Refused::with(Status::ErrorGranule, page));
        }
        vdev.begin(Fid::VdevUnlock, &allowed, errand)
    }

    pub(super) fn vdev_report(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let vdev = self.vdev(names)?;
        let errand = Errand::tdi(vdev.requester_id, Operation::Report);
        let allowed = [VdevState::Locked, VdevState::Started];
        vdev.begin(Fid::VdevGetInterfaceReport, &allowed, errand)
    }

    pub(super) fn vdev_measure(
        &mut self,
        ground: &dyn Ground,
        names: [u64; 3],
        params: u64,
    ) -> Result<(), Refused> {
        let host = self.granules.is_host_memory(ground, params);
        let vdev = self.vdev(names)?;
        let params = host.then(|| read::<VdevMeasureParams>(ground, params));
        let params = params.flatten().ok_or(Status::ErrorInput)?;
        let mut reserved = params.reserved0.iter().chain(&params.reserved1);
        if params.flags & !MEASURE_FLAG_RAW != 0 || reserved.any(|byte| *byte != 0) {
            return Err(Status::ErrorInput.into());
        }
        let raw = params.flags & MEASURE_FLAG_RAW != 0;
        // Nothing is fresh for a nonce of a host whose guest gave none.
        let nonce = Some(params.nonce).filter(|nonce| *nonce != [0; NONCE_SIZE]);
        let errand = Errand::measure(vdev.requester_id, raw, nonce);
        let allowed = [VdevState::Unlocked, VdevState::Locked, VdevState::Started];
        vdev.begin(Fid::VdevGetMeasurements, &allowed, errand)
    }

    pub(super) fn vdev_abort(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let vdev = self.vdev(names)?;
        if vdev.communication.abort()? {
            vdev.state = VdevState::Error;
            // An answer that is lost is missing in the session.
            let [_, pdev, _] = names;
            if let Some(pdev) = self.pdevs.get_mut(&pdev) {
                pdev.peer_mut().forget();
            }
            self.drop_locks(pdev);
        }
        Ok(())
    }

    pub(super) fn vdev_destroy(&mut self, names: [u64; 3]) -> Result<(), Refused> {
        let vdev = self.vdev(names)?;
        let allowed = [VdevState::New, VdevState::Unlocked, VdevState::Error];
        if !allowed.contains(&vdev.state) || vdev.communication.is_active() {
            return Err(Status::ErrorDevice.into());
        }
        let ranges = vdev.ranges.clone();
        let mapped = ranges
            .iter()
            .find_map(|range| self.granules.first(range.base..range.top, Use::Mapped));
        if let Some(page) = mapped {
            return Err(Refused::with(Status::ErrorGranule, page));
        }
        let [_, _, address] = names;
        self.vdevs.remove(&address);
        release(&mut self.granules, address);
        Ok(())
    }
}

/// The address ranges, if the parameters are well formed.
fn check(params: &VdevParams) -> Option<Vec<AddrRange>> {
    let count = usize::try_from(params.num_addr_range)
        .ok()
        .filter(|count| *count <= ADDR_RANGE_MAX)?;
    let ranges = params.addr_range.get(..count)?;
    let mut end = 0;
    for range in ranges {
        if range.base < end
            || range.base >= range.top
            || !is_aligned(range.base)
            || !is_aligned(range.top)
        {
            return None;
        }
        end = range.top;
    }
    let zero = params.flags == 0
        && params.reserved0 == 0
        && params.vsmmu_addr == 0
        && params.vsid == 0
        && params
            .reserved1
            .iter()
            .chain(&params.reserved2)
            .all(|byte| *byte == 0);
    zero.then(|| ranges.to_vec())
}
