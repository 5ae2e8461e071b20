// SPDX-License-Identifier: GPL-2.0

//! Trust domains, as far as devices are assigned to them: life cycle, and the private MMIO that is
//! mapped. There is nothing to run in them.

use super::super::tsm::Machine;
use super::completion::{demand, Gprs, Outcome, Refused};
use super::pamt::{is_private, keyed};
use super::Tdx;
use std::collections::BTreeMap;
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::td::{PageType, TdParams, EPTP_CONTROLS, GLOBAL_HKID, HKIDS};
use zerocopy::FromBytes;

/// Pages of a TDCS.
pub(super) const TDCS_PAGES: usize = 1;

/// Where a TD is between being made and being torn down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// It has a key ID.
    HkidAssigned,
    /// Its key is configured.
    KeysConfigured,
    /// Nothing runs in it any more.
    Blocked,
    /// Its pages can be reclaimed.
    Teardown,
}

/// Where the building of a TD is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpState {
    /// It has no parameters yet.
    Uninitialized,
    /// It is being built.
    Initialized,
    /// It can run.
    Runnable,
}

/// State of an entry of the secure EPT that maps MMIO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sept {
    /// The guest has not accepted it.
    Pending,
    /// The guest can use it.
    Mapped,
    /// The host took the guest's access away, in this epoch.
    Blocked(u64),
}

/// A page of MMIO that a TD has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    pub(super) address: u64,
    pub(super) state: Sept,
}

/// A TD.
#[derive(Debug)]
pub(super) struct Td {
    hkid: u16,
    lifecycle: Lifecycle,
    op_state: OpState,
    tdcx: usize,
    /// The caches were not written back since it was blocked.
    dirty: bool,
    /// Pages of its device interfaces.
    pub(super) children: usize,
    /// Device interfaces that it has.
    pub(super) devifs: usize,
    /// Counts how often translations were tracked.
    pub(super) epoch: u64,
    /// MMIO by guest physical page.
    pub(super) mmio: BTreeMap<u64, Mapping>,
}

impl Td {
    /// Whether pages have to be blocked and tracked before they are taken away.
    pub(super) fn needs_tracking(&self) -> bool {
        self.op_state == OpState::Runnable
    }

    fn is_in(&self, state: Lifecycle) -> Outcome<()> {
        if self.lifecycle == state {
            Ok(())
        } else {
            Err(Status::LifecycleStateIncorrect.into())
        }
    }

    /// Its keys, control structure and state of building are such that a leaf can be called.
    fn is_built(&self, allowed: &[OpState]) -> Outcome<()> {
        if self.lifecycle != Lifecycle::KeysConfigured {
            return Err(Status::TdKeysNotConfigured.into());
        }
        if self.tdcx < TDCS_PAGES {
            return Err(Status::TdcsNotAllocated.into());
        }
        if !allowed.contains(&self.op_state) {
            return Err(Status::OpStateIncorrect.into());
        }
        Ok(())
    }
}

impl Tdx {
    /// The TD of a TDR.
    pub(super) fn td(&mut self, tdr: u64, operand: Operand) -> Outcome<&mut Td> {
        demand(is_private(tdr), Status::OperandInvalid, operand)?;
        self.tds
            .get_mut(&tdr)
            .ok_or(Refused::at(Status::PageMetadataIncorrect, operand))
    }

    /// The TD of a TDR, that was built as far as a device interface needs it.
    pub(super) fn live_td(&mut self, tdr: u64, operand: Operand) -> Outcome<&mut Td> {
        let td = self.td(tdr, operand)?;
        td.is_built(&[OpState::Initialized, OpState::Runnable])?;
        Ok(td)
    }

    pub(super) fn mng_create(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let (tdr, operand) = (x.rcx, Operand::Rdx);
        let hkid = u16::try_from(x.rdx).ok();
        let hkid = hkid.filter(|hkid| HKIDS.contains(hkid));
        let hkid = hkid.ok_or(Refused::at(Status::OperandInvalid, operand))?;
        self.pamt.check(machine.ground, tdr, Operand::Rcx)?;
        let used = |td: &Td| td.hkid == hkid && td.lifecycle != Lifecycle::Teardown;
        if self.tds.values().any(used) {
            return Err(Status::HkidNotFree.into());
        }
        self.pamt.take(machine.ground, tdr, PageType::Tdr, 0);
        let td = Td {
            hkid,
            lifecycle: Lifecycle::HkidAssigned,
            op_state: OpState::Uninitialized,
            tdcx: 0,
            dirty: true,
            children: 0,
            devifs: 0,
            epoch: 1,
            mmio: BTreeMap::new(),
        };
        self.tds.insert(tdr, td);
        Ok(Gprs::default())
    }

    pub(super) fn mng_key_config(&mut self, x: &Gprs) -> Outcome {
        let td = self.td(x.rcx, Operand::Rcx)?;
        if td.lifecycle != Lifecycle::HkidAssigned {
            return Err(Status::KeyStateIncorrect.into());
        }
        td.lifecycle = Lifecycle::KeysConfigured;
        Ok(Gprs::default())
    }

    pub(super) fn mng_addcx(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let td = self.td(x.rdx, Operand::Rdx)?;
        if td.lifecycle != Lifecycle::KeysConfigured {
            return Err(Status::TdKeysNotConfigured.into());
        }
        if td.tdcx >= TDCS_PAGES {
            return Err(Status::TdcxNumIncorrect.into());
        }
        self.pamt.check(machine.ground, x.rcx, Operand::Rcx)?;
        self.pamt.take(machine.ground, x.rcx, PageType::Tdcx, x.rdx);
        self.td(x.rdx, Operand::Rdx)?.tdcx += 1;
        Ok(Gprs::default())
    }

    pub(super) fn mng_init(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let td = self.td(x.rcx, Operand::Rcx)?;
        td.is_built(&[OpState::Uninitialized])?;
        let (operand, page) = (Operand::Rdx, x.rdx & !0xfff);
        demand(
            x.rdx.is_multiple_of(size_of::<TdParams>() as u64),
            Status::OperandInvalid,
            operand,
        )?;
        self.pamt.check_shared(machine.ground, page, operand)?;
        let mut bytes = vec![0; size_of::<TdParams>()];
        machine
            .ground
            .read(x.rdx, &mut bytes)
            .map_err(|_| Refused::at(Status::OperandInvalid, operand))?;
        let params = TdParams::read_from_bytes(&bytes)
            .map_err(|_| Refused::at(Status::OperandInvalid, operand))?;
        check(&params)?;
        self.td(x.rcx, Operand::Rcx)?.op_state = OpState::Initialized;
        Ok(Gprs::default())
    }

    pub(super) fn mr_finalize(&mut self, x: &Gprs) -> Outcome {
        let td = self.td(x.rcx, Operand::Rcx)?;
        td.is_built(&[OpState::Initialized])?;
        td.op_state = OpState::Runnable;
        Ok(Gprs::default())
    }

    pub(super) fn mem_track(&mut self, x: &Gprs) -> Outcome {
        let td = self.live_td(x.rcx, Operand::Rcx)?;
        td.epoch += 1;
        Ok(Gprs::default())
    }

    pub(super) fn mng_vpflushdone(&mut self, x: &Gprs) -> Outcome {
        let td = self.td(x.rcx, Operand::Rcx)?;
        if !matches!(
            td.lifecycle,
            Lifecycle::HkidAssigned | Lifecycle::KeysConfigured
        ) {
            return Err(Status::LifecycleStateIncorrect.into());
        }
        if td.devifs != 0 {
            return Err(Status::TdHasAttachedDevices.into());
        }
        td.lifecycle = Lifecycle::Blocked;
        Ok(Gprs::default())
    }

    pub(super) fn phymem_cache_wb(&mut self, x: &Gprs) -> Outcome {
        demand(x.rcx <= 1, Status::OperandInvalid, Operand::Rcx)?;
        // It is never interrupted, so there is nothing to go on with.
        if x.rcx == 1 {
            return Err(Status::WbcacheResumeError.into());
        }
        let mut ready = false;
        for td in self.tds.values_mut() {
            if td.lifecycle == Lifecycle::Blocked {
                td.dirty = false;
                ready = true;
            }
        }
        if ready {
            Ok(Gprs::default())
        } else {
            Err(Status::NoHkidReadyToWbcache.into())
        }
    }

    pub(super) fn mng_key_freeid(&mut self, x: &Gprs) -> Outcome {
        let td = self.td(x.rcx, Operand::Rcx)?;
        td.is_in(Lifecycle::Blocked)?;
        if td.dirty {
            return Err(Status::WbcacheNotComplete.into());
        }
        td.lifecycle = Lifecycle::Teardown;
        Ok(Gprs::default())
    }

    pub(super) fn phymem_page_reclaim(&mut self, x: &Gprs) -> Outcome {
        let (address, operand) = (x.rcx, Operand::Rcx);
        demand(is_private(address), Status::OperandInvalid, operand)?;
        let incorrect = Refused::at(Status::PageMetadataIncorrect, operand);
        let page = self.pamt.page(address).ok_or(incorrect)?;
        match page.kind {
            PageType::Tdr => {
                let td = self.td(address, Operand::Tdr)?;
                td.is_in(Lifecycle::Teardown)?;
                if td.tdcx + td.children != 0 {
                    return Err(Status::TdAssociatedPagesExist.into());
                }
                self.tds.remove(&address);
            }
            PageType::Tdcx => {
                let td = self.td(page.owner, Operand::Tdr)?;
                td.is_in(Lifecycle::Teardown)?;
                td.tdcx -= 1;
            }
            // The IOMMU is never configured anew, so what belongs to it is in use.
            PageType::IommuMt => return Err(Status::IommuMtPageInUse.into()),
            _ => return Err(incorrect),
        }
        self.pamt.release(address);
        Ok(Gprs {
            rcx: page.kind as u64,
            rdx: page.owner,
            ..Gprs::default()
        })
    }

    pub(super) fn phymem_page_wbinvd(&mut self, machine: &Machine<'_>, x: &Gprs) -> Outcome {
        let (page, hkid) = keyed(x.rcx).ok_or(Refused::at(Status::OperandInvalid, Operand::Rcx))?;
        let known = hkid == u64::from(GLOBAL_HKID)
            || u16::try_from(hkid).is_ok_and(|hkid| HKIDS.contains(&hkid))
            || hkid == 0;
        demand(known, Status::OperandInvalid, Operand::Rcx)?;
        self.pamt.check(machine.ground, page, Operand::Rcx)?;
        Ok(Gprs::default())
    }
}

/// What the parameters of a stand-in have to be: those of a TD without attributes, with the state that
/// every TD has.
fn check(params: &TdParams) -> Outcome<()> {
    let right = |so: bool, operand: Operand| demand(so, Status::OperandInvalid, operand);
    right(params.attributes == 0, Operand::Attributes)?;
    right(params.xfam & 3 == 3, Operand::Xfam)?;
    right(params.max_vcpus != 0, Operand::MaxVcpus)?;
    let known = params.config_flags == 0
        && [0, EPTP_CONTROLS].contains(&params.eptp_controls)
        && params.num_l2_vms == 0
        && params.reserved0 == [0; 5]
        && params.reserved1 == [0; 38]
        && params.reserved2.iter().all(|byte| *byte == 0);
    right(known, Operand::Rdx)
}
