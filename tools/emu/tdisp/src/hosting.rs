// SPDX-License-Identifier: GPL-2.0

//! What a DSM asks of the device that it is in.

use crate::interface_report::Range;
use crate::lock::Flags;
use crate::vdm::Vdm;
use crate::{InterfaceId, InterfaceReport, Nonce};

/// Requests that a device need not know (table 11-3). The capabilities say which it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// BIND_P2P_STREAM_REQUEST and UNBIND_P2P_STREAM_REQUEST, and the flag of LOCK_INTERFACE_REQUEST
    /// that allows them.
    pub p2p: bool,
    /// SET_MMIO_ATTRIBUTE_REQUEST.
    pub mmio_attribute: bool,
    /// VDM_REQUEST.
    pub vdm: bool,
}

/// The functions that host TDIs, and the port that their IDE streams end at.
pub trait Hosting {
    /// Which TDI it is, or `None` if there is none of this identifier.
    fn find(&self, interface: InterfaceId) -> Option<usize>;

    /// What there is to report on a TDI that is, or is to be, locked with these flags; `None` if it
    /// is not configured so that it could be. Attributes that can be changed are as they were when
    /// the TDI was locked.
    fn report(&self, tdi: usize, flags: Flags) -> Option<InterfaceReport>;

    /// Whether a TDI may be locked over this SPDM session with this default stream (11.3.8): it is
    /// the default stream of the device, for traffic class 0, and the keys of all its sub-streams
    /// came over the same session. A device that does not need IDE, as one in a root complex may not,
    /// says so of every stream.
    fn stream_is_ready(&self, stream: u8, session: u32) -> bool;

    /// 32 bytes that nobody can guess, or `None` if there are none to be had.
    fn nonce(&mut self) -> Option<Nonce>;

    /// Forget what belongs to a TVM in this TDI, attributes that it changed included.
    fn scrub(&mut self, tdi: usize);

    /// Which optional requests the device knows.
    fn features(&self) -> Features {
        Features::default()
    }

    /// Whether a TDI that was locked over this session may use this stream to a peer (11.3.18): one
    /// register block and no more has it, it is not marked as default stream and does not overlap
    /// another one, and the keys of all its sub-streams came over the same session.
    fn p2p_stream_is_ready(&self, _stream: u8, _session: u32) -> bool {
        false
    }

    /// Opens part of a range to everybody, or closes it to everybody but the TVM. The address is the
    /// one that the range really has. Returns whether it could.
    fn set_non_tee(&mut self, _tdi: usize, _range: &Range, _non_tee: bool) -> bool {
        false
    }

    /// Answers a vendor's message, or `None` if it is not one of a vendor that it knows.
    fn vdm(&mut self, _tdi: usize, _message: &Vdm) -> Option<Vdm> {
        None
    }
}
