// SPDX-License-Identifier: GPL-2.0

//! The Device Security Manager: answers requests on the TDIs of a device (11.2.4).

use crate::capabilities::Capabilities;
use crate::interface_report::{
    Range, WireRange, PAGE_SIZE, RANGE_MSIX_PBA, RANGE_MSIX_TABLE, RANGE_NON_TEE, RANGE_UPDATABLE,
};
use crate::lock::{Flags, LockRequest};
use crate::report::{Portion, ReportRequest};
use crate::version::VERSION_1_0;
use crate::{
    capabilities, lock, mmio_attribute, p2p, report, start, state, vdm, version, ErrorCode,
    Features, Hosting, Interface, InterfaceId, Lock, Request, Response, State,
};
use zerocopy::little_endian::{U16, U32};

/// Flags of LOCK_INTERFACE that every DSM of this kind takes.
const LOCK_FLAGS: Flags = Flags::NO_FW_UPDATE.union(Flags::LOCK_MSIX);
/// Flags that have a meaning; the others are reserved, and not looked at.
const KNOWN_FLAGS: u16 = 0x1f;

/// A Device Security Manager.
#[derive(Debug)]
pub struct Dsm {
    interfaces: Vec<Interface>,
    portion_max: usize,
    forced: Option<State>,
}

impl Dsm {
    /// For so many TDIs, answering at most `portion_max` bytes of a report at a time.
    pub fn new(tdis: usize, portion_max: usize) -> Self {
        Self {
            interfaces: vec![Interface::default(); tdis],
            portion_max,
            forced: None,
        }
    }

    /// State of a TDI; there is none beyond their number.
    pub fn state(&self, tdi: usize) -> Option<State> {
        self.interfaces.get(tdi).map(Interface::state)
    }

    /// A TDI.
    pub fn interface(&self, tdi: usize) -> Option<&Interface> {
        self.interfaces.get(tdi)
    }

    /// The configuration of a TDI changed, or its function was reset by a function level reset
    /// (11.4.9). Returns whether that took it to ERROR: it does if the TDI is locked, and only
    /// STOP_INTERFACE leads out then.
    pub fn fail(&mut self, tdi: usize) -> bool {
        self.interfaces.get_mut(tdi).is_some_and(Interface::fail)
    }

    /// An IDE stream became insecure, or its registers were changed (11.2.6, 11.4.5): TDIs that use it
    /// go to ERROR. Returns how many.
    pub fn stream_lost(&mut self, stream: u8) -> usize {
        self.fail_all(|interface| interface.uses(stream))
    }

    /// An SPDM session ended: TDIs that were locked over it go to ERROR (11.4.5). Returns how many.
    pub fn session_ended(&mut self, session: u32) -> usize {
        self.fail_all(|interface| {
            interface
                .locked_with()
                .is_some_and(|lock| lock.session == Some(session))
        })
    }

    /// Conventional reset of the device (11.4.8): all TDIs are unlocked, those in ERROR too.
    pub fn reset(&mut self) {
        self.interfaces.iter_mut().for_each(Interface::reset);
    }

    /// Misbehave: be in this state, whatever it was before.
    pub fn force(&mut self, tdi: usize, state: State) {
        if let Some(interface) = self.interfaces.get_mut(tdi) {
            interface.force(state);
        }
    }

    /// Misbehave: after the next LOCK, START or STOP that succeeds, be in this state instead.
    pub fn force_next(&mut self, state: Option<State>) {
        self.forced = state;
    }

    /// State to be in after the next LOCK, START or STOP, if one was forced.
    pub fn forced(&self) -> Option<State> {
        self.forced
    }

    /// Answers a request that came in this SPDM session. One that came outside of a session must not
    /// get here: it has no answer (11.2.2).
    pub fn respond(&mut self, hosting: &mut dyn Hosting, session: u32, request: &[u8]) -> Vec<u8> {
        let (interface, outcome) = match Request::decode(request) {
            Ok((interface, request)) => {
                (interface, self.serve(hosting, session, interface, request))
            }
            Err(refused) => (refused.interface, Err((refused.code, refused.data))),
        };
        let response = outcome.unwrap_or_else(|(code, data)| Response::Error(code as u32, data));
        response.encode(interface)
    }

    fn serve(
        &mut self,
        hosting: &mut dyn Hosting,
        session: u32,
        id: InterfaceId,
        request: Request,
    ) -> Result<Response, (ErrorCode, u32)> {
        let tdi = Some(id)
            .filter(InterfaceId::is_well_formed)
            .and_then(|id| hosting.find(id));
        let found = tdi.and_then(|tdi| Some((tdi, self.interfaces.get_mut(tdi)?)));
        let Some((tdi, interface)) = found else {
            return Err((ErrorCode::InvalidInterface, 0));
        };
        let capabilities = own_capabilities(hosting.features());
        if !capabilities.knows(request.code()) {
            return Err((ErrorCode::UnsupportedRequest, u32::from(request.code())));
        }
        if changes(&request) && !interface.obeys(session) {
            return Err((ErrorCode::InvalidRequest, 0));
        }
        let outcome = match request {
            Request::GetVersion => Ok(Response::Version(vec![VERSION_1_0])),
            Request::GetCapabilities(_) => Ok(Response::Capabilities(capabilities)),
            Request::Lock(wanted) => lock_interface(interface, hosting, tdi, session, &wanted),
            Request::GetReport(part) => {
                report_portion(interface, hosting, tdi, part, self.portion_max)
            }
            Request::GetState => Ok(Response::State(interface.state())),
            Request::Start(nonce) => interface.start(&nonce).map(|()| Response::Start),
            Request::Stop => {
                interface.stop();
                hosting.scrub(tdi);
                Ok(Response::Stop)
            }
            Request::BindP2p(stream) => bind_p2p(interface, hosting, session, stream),
            Request::UnbindP2p(stream) => {
                interface.unbind_p2p(stream).map(|()| Response::UnbindP2p)
            }
            Request::SetMmioAttribute(range) => set_mmio_attribute(interface, hosting, tdi, &range),
            Request::Vdm(message) => hosting
                .vdm(tdi, &message)
                .map(Response::Vdm)
                .ok_or(ErrorCode::InvalidRequest),
        };
        if let Ok(Response::Lock(_) | Response::Start | Response::Stop) = outcome {
            if let Some(state) = self.forced.take() {
                interface.force(state);
            }
        }
        outcome.map_err(|code| (code, 0))
    }

    fn fail_all(&mut self, affected: impl Fn(&Interface) -> bool) -> usize {
        self.interfaces
            .iter_mut()
            .filter(|interface| affected(interface))
            .map(Interface::fail)
            .filter(|failed| *failed)
            .count()
    }
}

/// Requests that change a TDI that is locked. The standard ties LOCK_INTERFACE and the keys of its
/// stream to one session and lets the TDI fail with it. What it does not say is that another session
/// may not start or stop the TDI meanwhile; to let it would undo what the tie is for.
fn changes(request: &Request) -> bool {
    matches!(
        request,
        Request::Start(_)
            | Request::Stop
            | Request::BindP2p(_)
            | Request::UnbindP2p(_)
            | Request::SetMmioAttribute(_)
    )
}

fn lock_flags(features: Features) -> Flags {
    if features.p2p {
        LOCK_FLAGS.union(Flags::BIND_P2P)
    } else {
        LOCK_FLAGS
    }
}

fn own_capabilities(features: Features) -> Capabilities {
    let mut known = vec![
        version::REQUEST,
        capabilities::REQUEST,
        lock::REQUEST,
        report::REQUEST,
        state::REQUEST,
        start::REQUEST,
        start::STOP_REQUEST,
    ];
    if features.p2p {
        known.extend([p2p::BIND_REQUEST, p2p::UNBIND_REQUEST]);
    }
    if features.mmio_attribute {
        known.push(mmio_attribute::REQUEST);
    }
    if features.vdm {
        known.push(vdm::REQUEST);
    }
    let bits = known
        .iter()
        .fold(0u128, |bits, code| bits | 1 << (code & 0x7f));
    Capabilities {
        dsm_caps: U32::new(0),
        requests: bits.to_le_bytes(),
        lock_flags: U16::new(lock_flags(features).0),
        reserved: [0; 3],
        address_width: 52,
        requests_this: 1,
        requests_all: 1,
    }
}

fn lock_interface(
    interface: &mut Interface,
    hosting: &mut dyn Hosting,
    tdi: usize,
    session: u32,
    wanted: &LockRequest,
) -> Result<Response, ErrorCode> {
    let flags = Flags(wanted.flags.get() & KNOWN_FLAGS);
    if interface.state() != State::Unlocked {
        return Err(ErrorCode::InvalidInterfaceState);
    }
    // A flag that is not supported may be one that the TSM relies on.
    if !lock_flags(hosting.features()).contains(flags) {
        return Err(ErrorCode::InvalidRequest);
    }
    // Table 11-12 has this code for keys that are missing or came over another session.
    if !hosting.stream_is_ready(wanted.default_stream, session) {
        return Err(ErrorCode::InvalidRequest);
    }
    if hosting.report(tdi, flags).is_none() {
        return Err(ErrorCode::InvalidDeviceConfiguration);
    }
    let nonce = hosting.nonce().ok_or(ErrorCode::InsufficientEntropy)?;
    let lock = Lock {
        flags,
        offset: wanted.mmio_reporting_offset.get(),
        stream: wanted.default_stream,
        session: Some(session),
    };
    interface.lock(lock, nonce)?;
    Ok(Response::Lock(nonce))
}

fn bind_p2p(
    interface: &mut Interface,
    hosting: &dyn Hosting,
    session: u32,
    stream: u8,
) -> Result<Response, ErrorCode> {
    if interface.state() == State::Run && !hosting.p2p_stream_is_ready(stream, session) {
        return Err(ErrorCode::InvalidRequest);
    }
    interface.bind_p2p(stream)?;
    Ok(Response::BindP2p)
}

fn set_mmio_attribute(
    interface: &Interface,
    hosting: &mut dyn Hosting,
    tdi: usize,
    wanted: &WireRange,
) -> Result<Response, ErrorCode> {
    let lock = interface
        .locked_with()
        .filter(|_| interface.state() == State::Run)
        .ok_or(ErrorCode::InvalidInterfaceState)?;
    let report = hosting
        .report(tdi, lock.flags)
        .ok_or(ErrorCode::Unspecified)?;
    let attributes = wanted.attributes.get();
    let non_tee = attributes & RANGE_NON_TEE != 0;
    let part = report
        .ranges
        .iter()
        .filter(|_| attributes & (RANGE_MSIX_TABLE | RANGE_MSIX_PBA) == 0)
        .find_map(|range| part_of(range, lock.offset, wanted))
        .ok_or(ErrorCode::InvalidRequest)?;
    if hosting.set_non_tee(tdi, &part, non_tee) {
        Ok(Response::SetMmioAttribute)
    } else {
        Err(ErrorCode::InvalidRequest)
    }
}

/// What a request that names addresses with the reporting offset means in a range whose attribute can
/// be changed; `None` if it is not all in there.
fn part_of(range: &Range, offset: u64, wanted: &WireRange) -> Option<Range> {
    let first = range.address.wrapping_add(offset) / PAGE_SIZE;
    let skipped = wanted.first_page.get().checked_sub(first)?;
    let pages = wanted.pages.get();
    let inside = range.id == wanted.id.get()
        && range.attributes & RANGE_UPDATABLE != 0
        && pages != 0
        && skipped.checked_add(u64::from(pages))? <= u64::from(range.pages);
    inside.then(|| Range {
        address: range.address + skipped * PAGE_SIZE,
        pages,
        ..*range
    })
}

fn report_portion(
    interface: &Interface,
    hosting: &dyn Hosting,
    tdi: usize,
    part: ReportRequest,
    portion_max: usize,
) -> Result<Response, ErrorCode> {
    let lock = interface
        .locked_with()
        .ok_or(ErrorCode::InvalidInterfaceState)?;
    let report = hosting
        .report(tdi, lock.flags)
        .ok_or(ErrorCode::Unspecified)?;
    let bytes = report.encode(lock.offset);
    let rest = bytes
        .get(usize::from(part.offset.get())..)
        .filter(|rest| !rest.is_empty() && part.length.get() != 0)
        .ok_or(ErrorCode::InvalidRequest)?;
    let length = rest
        .len()
        .min(usize::from(part.length.get()))
        .min(portion_max);
    let (portion, remainder) = rest
        .split_at_checked(length)
        .ok_or(ErrorCode::Unspecified)?;
    Ok(Response::Report(Portion {
        bytes: portion.to_vec(),
        remainder: u16::try_from(remainder.len()).map_err(|_| ErrorCode::Unspecified)?,
    }))
}

#[cfg(test)]
mod tests;
