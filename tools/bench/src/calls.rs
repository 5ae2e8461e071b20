// SPDX-License-Identifier: GPL-2.0

//! The calls that are counted. Each is prepared once; a round makes the ioctl and looks at its
//! errno, nothing else.

use crate::count::{Count, Plan};
use anyhow::Context;
use iommufd_tsm::{ObjectType, Op, TdiState, TvmArch, Vdevice};
use std::{io, os::fd::BorrowedFd};
use tsm_sys_user::{Request, RlimitMode};
use tsm_wire::uapi;
use zerocopy::IntoBytes;

/// An object id that no iommufd gives before it gave two billion others.
const UNKNOWN: u32 = 0x7fff_ffff;

/// `IOMMU_OPTION` get, of the rlimit mode.
pub(crate) fn empty(plan: Plan, iommufd: BorrowedFd<'_>) -> anyhow::Result<Count> {
    let mut option = RlimitMode::new();
    Ok(Count::of(plan, || option.call(iommufd).map(drop))?)
}

/// A request of a vDEVICE that does not exist.
pub(crate) fn unknown(plan: Plan, iommufd: BorrowedFd<'_>) -> anyhow::Result<Count> {
    let vdevice = Vdevice::new(iommufd, UNKNOWN, TvmArch::Cca);
    refused(plan, iommufd, vdevice, libc::ENOENT)
}

/// A request of a vDEVICE that is not bound.
pub(crate) fn not_bound(
    plan: Plan,
    iommufd: BorrowedFd<'_>,
    vdevice: Vdevice<'_>,
) -> anyhow::Result<Count> {
    refused(plan, iommufd, vdevice, libc::ENXIO)
}

/// SET_TDI_STATE(RUN) of a TDI that runs.
pub(crate) fn run(
    plan: Plan,
    iommufd: BorrowedFd<'_>,
    vdevice: Vdevice<'_>,
) -> anyhow::Result<Count> {
    let payload = set_run();
    let mut request = vdevice.prepare(Op::SetTdiState, payload.as_bytes(), &mut [])?;
    Ok(Count::of(plan, || whole(&mut request, iommufd))?)
}

/// OBJECT_INFO of the measurements.
pub(crate) fn object_info(
    plan: Plan,
    iommufd: BorrowedFd<'_>,
    vdevice: Vdevice<'_>,
) -> anyhow::Result<Count> {
    let payload = uapi::ObjectInfo {
        r#type: ObjectType::Measurement as u32,
    };
    let mut response = [0; size_of::<uapi::ObjectInfoOut>()];
    let mut request = vdevice.prepare(Op::ObjectInfo, payload.as_bytes(), &mut response)?;
    Ok(Count::of(plan, || whole(&mut request, iommufd))?)
}

/// READ_OBJECT of the first `len` bytes of the measurements.
pub(crate) fn read(
    plan: Plan,
    iommufd: BorrowedFd<'_>,
    vdevice: Vdevice<'_>,
    len: usize,
) -> anyhow::Result<Count> {
    let payload = uapi::ReadObject {
        r#type: ObjectType::Measurement as u32,
        reserved: 0,
        offset: 0,
    };
    let mut response = vec![0; len];
    let mut request = vdevice.prepare(Op::ReadObject, payload.as_bytes(), &mut response)?;
    Ok(Count::of(plan, || whole(&mut request, iommufd))?)
}

/// BIND of a vDEVICE that is bound.
pub(crate) fn bind(plan: Plan, vdevice: Vdevice<'_>) -> anyhow::Result<Count> {
    Ok(Count::of(plan, || vdevice.bind())?)
}

fn set_run() -> uapi::SetTdiState {
    uapi::SetTdiState {
        state: TdiState::Run as u32,
    }
}

/// SET_TDI_STATE(RUN), to be refused with `errno`.
fn refused(
    plan: Plan,
    iommufd: BorrowedFd<'_>,
    vdevice: Vdevice<'_>,
    errno: i32,
) -> anyhow::Result<Count> {
    // not SET_TDI_STATE, which may bind, and is read for that
    let payload = 0u32;
    let mut request = vdevice.prepare(Op::RegenObject, payload.as_bytes(), &mut [])?;
    Count::of(plan, || match request.call(iommufd) {
        Err(error) if error.raw_os_error() == Some(errno) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("it was not refused")),
    })
    .with_context(|| format!("expected '{}'", io::Error::from_raw_os_error(errno)))
}

/// A call that leaves no residue.
#[inline]
fn whole(request: &mut Request<'_>, iommufd: BorrowedFd<'_>) -> io::Result<()> {
    match request.call(iommufd)? {
        0 => Ok(()),
        _ => Err(io::Error::other("a residue was left")),
    }
}
