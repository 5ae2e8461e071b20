// SPDX-License-Identifier: GPL-2.0

//! Command buffers.

use super::super::ground::{read, Ground};
use super::rmp::Rmp;
use super::{require, Refused};
use tsm_wire::sev::{SpdmCtrl, Status};
use zerocopy::FromBytes;

/// Where the buffers of a command that talks with a device are named in it.
const SPDM_CTRL: usize = 8;

/// Reads the buffer of a command of SEV-SNP.
pub(super) fn parameters<T: FromBytes>(
    ground: &dyn Ground,
    rmp: &Rmp,
    at: u64,
) -> Result<T, Refused> {
    rmp.host(ground, at)?;
    read(ground, at).ok_or(Status::InvalidAddress.into())
}

/// Reads the buffer of a command of SEV-TIO, which begins with its length.
pub(super) fn tio<T: FromBytes>(
    ground: &dyn Ground,
    rmp: &Rmp,
    at: u64,
) -> Result<(T, Contents), Refused> {
    rmp.host(ground, at)?;
    let length: u32 = read(ground, at).ok_or(Status::InvalidAddress)?;
    require(length as usize == size_of::<T>(), Status::InvalidLen)?;
    let mut bytes = vec![0; size_of::<T>()];
    let whole = ground.read(at, &mut bytes).is_ok();
    require(whole, Status::InvalidAddress)?;
    let parameters = T::read_from_bytes(&bytes).map_err(|_| Status::InvalidLen)?;
    Ok((parameters, Contents(bytes)))
}

/// What is reserved has to be zero.
pub(super) fn reserved<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> Result<(), Refused> {
    let zero = bytes.into_iter().all(|byte| *byte == 0);
    require(zero, Status::InvalidParam)
}

/// A command buffer as it was given, to know the same command again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents(Vec<u8>);

impl Contents {
    /// Whether this is the same command, in whatever buffers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let but_buffers = |bytes: &[u8]| {
            let (front, rest) = bytes.split_at_checked(SPDM_CTRL)?;
            let (_, back) = rest.split_at_checked(size_of::<SpdmCtrl>())?;
            Some([front, back].concat())
        };
        but_buffers(&self.0) == but_buffers(&other.0)
    }
}
