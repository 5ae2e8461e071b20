// SPDX-License-Identifier: GPL-2.0

//! The Device Security Manager: answers requests on the TDIs of a device (11.2.4).

use crate::capabilities::Capabilities;
use crate::lock::{Flags, LockRequest};
use crate::report::{Portion, ReportRequest};
use crate::version::VERSION_1_0;
use crate::{
    capabilities, lock, report, start, state, version, ErrorCode, Interface, InterfaceId,
    InterfaceReport, Nonce, Request, Response, State,
};
use zerocopy::little_endian::{U16, U32};

/// Flags of LOCK_INTERFACE that this DSM takes.
const LOCK_FLAGS: Flags = Flags::NO_FW_UPDATE.union(Flags::LOCK_MSIX);

/// What a DSM asks of the functions that host its TDIs.
pub trait Hosting {
    /// Which TDI it is, or `None` if there is none of this identifier.
    fn find(&self, interface: InterfaceId) -> Option<usize>;
    /// What there is to report on a TDI that is, or is to be, locked with these flags; `None` if it
    /// is not configured so that it could be.
    fn report(&self, tdi: usize, flags: Flags) -> Option<InterfaceReport>;
    /// 32 bytes that nobody can guess, or `None` if there are none to be had.
    fn nonce(&mut self) -> Option<Nonce>;
    /// Forget what belongs to a TVM in this TDI.
    fn scrub(&mut self, tdi: usize);
}

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

    /// The configuration of a TDI changed, or its function was reset, or its IDE stream is lost.
    /// Returns whether that took it to ERROR.
    pub fn fail(&mut self, tdi: usize) -> bool {
        self.interfaces.get_mut(tdi).is_some_and(Interface::fail)
    }

    /// Conventional reset of the device.
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

    /// Answers a request.
    pub fn respond(&mut self, hosting: &mut dyn Hosting, request: &[u8]) -> Vec<u8> {
        let (interface, outcome) = match Request::decode(request) {
            Ok((interface, request)) => (interface, self.serve(hosting, interface, request)),
            Err(refused) => (refused.interface, Err((refused.code, refused.data))),
        };
        let response = outcome.unwrap_or_else(|(code, data)| Response::Error(code as u32, data));
        response.encode(interface)
    }

    fn serve(
        &mut self,
        hosting: &mut dyn Hosting,
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
        let outcome = match request {
            Request::GetVersion => Ok(Response::Version(vec![VERSION_1_0])),
            Request::GetCapabilities(_) => Ok(Response::Capabilities(own_capabilities())),
            Request::Lock(wanted) => lock_interface(interface, hosting, tdi, &wanted),
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
            // Streams between devices, attributes and vendor messages are optional, and the
            // capabilities say that they are not there.
            Request::BindP2p(_)
            | Request::UnbindP2p(_)
            | Request::SetMmioAttribute(_)
            | Request::Vdm(_) => {
                return Err((ErrorCode::UnsupportedRequest, u32::from(request.code())));
            }
        };
        if let Ok(Response::Lock(_) | Response::Start | Response::Stop) = outcome {
            if let Some(state) = self.forced.take() {
                interface.force(state);
            }
        }
        outcome.map_err(|code| (code, 0))
    }
}

fn own_capabilities() -> Capabilities {
    let known = [
        version::REQUEST,
        capabilities::REQUEST,
        lock::REQUEST,
        report::REQUEST,
        state::REQUEST,
        start::REQUEST,
        start::STOP_REQUEST,
    ];
    let mut requests = [0; 16];
    if let Some(first) = requests.first_mut() {
        *first = known.iter().fold(0, |bits, code| bits | 1 << (code & 0x7));
    }
    Capabilities {
        dsm_caps: U32::new(0),
        requests,
        lock_flags: U16::new(LOCK_FLAGS.0),
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
    wanted: &LockRequest,
) -> Result<Response, ErrorCode> {
    let flags = Flags(wanted.flags.get());
    if interface.state() != State::Unlocked {
        return Err(ErrorCode::InvalidInterfaceState);
    }
    if !LOCK_FLAGS.contains(flags) {
        return Err(ErrorCode::InvalidRequest);
    }
    if hosting.report(tdi, flags).is_none() {
        return Err(ErrorCode::InvalidDeviceConfiguration);
    }
    let nonce = hosting.nonce().ok_or(ErrorCode::InsufficientEntropy)?;
    interface.lock(flags, wanted.mmio_reporting_offset.get(), nonce)?;
    Ok(Response::Lock(nonce))
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
mod tests {
    use super::*;
    use crate::interface_report::Range;
    use proptest::prelude::*;
    use zerocopy::little_endian::U64;

    struct Functions {
        configured: bool,
        entropy: bool,
        scrubbed: usize,
    }

    impl Functions {
        fn new() -> Self {
            Self {
                configured: true,
                entropy: true,
                scrubbed: 0,
            }
        }
    }

    impl Hosting for Functions {
        fn find(&self, interface: InterfaceId) -> Option<usize> {
            Some(usize::from(interface.requester_id())).filter(|&n| n < 2)
        }
        fn report(&self, _: usize, _: Flags) -> Option<InterfaceReport> {
            self.configured.then(|| InterfaceReport {
                ranges: vec![
                    Range {
                        address: 0x1000,
                        pages: 2,
                        attributes: 0,
                        id: 0
                    };
                    3
                ],
                ..Default::default()
            })
        }
        fn nonce(&mut self) -> Option<Nonce> {
            self.entropy.then_some([9; 32])
        }
        fn scrub(&mut self, _: usize) {
            self.scrubbed += 1;
        }
    }

    fn ask(dsm: &mut Dsm, functions: &mut Functions, rid: u16, request: Request) -> Response {
        let id = InterfaceId::of(rid);
        let bytes = dsm.respond(functions, &request.encode(id));
        let (answered, response) = Response::decode(&bytes).unwrap();
        assert_eq!(answered, id);
        response
    }

    fn lock() -> Request {
        Request::Lock(LockRequest {
            mmio_reporting_offset: U64::new(0x10_0000),
            ..Default::default()
        })
    }

    fn error(code: ErrorCode) -> Response {
        Response::Error(code as u32, 0)
    }

    #[test]
    fn whole_life() {
        let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new());
        let d = &mut dsm;
        let f = &mut functions;
        assert_eq!(
            ask(d, f, 0, Request::GetVersion),
            Response::Version(vec![0x10])
        );
        let Response::Capabilities(caps) = ask(d, f, 0, Request::GetCapabilities(0)) else {
            panic!("capabilities");
        };
        for code in 0x81..=0x87 {
            assert!(caps.knows(code));
        }
        assert!(!caps.knows(0x88));
        assert_eq!(
            ask(d, f, 0, Request::GetState),
            Response::State(State::Unlocked)
        );
        assert_eq!(ask(d, f, 0, lock()), Response::Lock([9; 32]));
        assert_eq!(
            ask(d, f, 0, lock()),
            error(ErrorCode::InvalidInterfaceState)
        );
        assert_eq!(
            ask(d, f, 1, Request::GetState),
            Response::State(State::Unlocked)
        );
        assert_eq!(
            ask(d, f, 0, Request::GetState),
            Response::State(State::Locked)
        );

        let mut report = Vec::new();
        loop {
            let request = Request::GetReport(ReportRequest {
                offset: U16::new(report.len() as u16),
                length: U16::new(0xffff),
            });
            let Response::Report(portion) = ask(d, f, 0, request) else {
                panic!("report");
            };
            assert!(portion.bytes.len() <= 40);
            report.extend(portion.bytes);
            if portion.remainder == 0 {
                break;
            }
        }
        let report = InterfaceReport::decode(&report).unwrap();
        assert_eq!(report.ranges[0].address, 0x10_1000);

        assert_eq!(
            ask(d, f, 0, Request::Start([1; 32])),
            error(ErrorCode::InvalidNonce)
        );
        assert_eq!(ask(d, f, 0, Request::Start([9; 32])), Response::Start);
        assert_eq!(ask(d, f, 0, Request::GetState), Response::State(State::Run));
        assert_eq!(
            ask(d, f, 0, Request::Start([9; 32])),
            error(ErrorCode::InvalidInterfaceState)
        );
        assert_eq!(ask(d, f, 0, Request::Stop), Response::Stop);
        assert_eq!(f.scrubbed, 1);
        assert_eq!(
            ask(d, f, 0, Request::GetState),
            Response::State(State::Unlocked)
        );
        assert_eq!(ask(d, f, 0, Request::Stop), Response::Stop);
    }

    #[test]
    fn refusals() {
        let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new());
        let d = &mut dsm;
        let f = &mut functions;
        assert_eq!(
            ask(d, f, 2, Request::GetState),
            error(ErrorCode::InvalidInterface)
        );
        for request in [Request::BindP2p(1), Request::UnbindP2p(1)] {
            let code = u32::from(request.code());
            let response = Response::Error(ErrorCode::UnsupportedRequest as u32, code);
            assert_eq!(ask(d, f, 0, request), response);
        }
        let part = Request::GetReport(ReportRequest {
            offset: U16::new(0),
            length: U16::new(9),
        });
        assert_eq!(ask(d, f, 0, part), error(ErrorCode::InvalidInterfaceState));
        let p2p = Request::Lock(LockRequest {
            flags: U16::new(Flags::BIND_P2P.0),
            ..Default::default()
        });
        assert_eq!(ask(d, f, 0, p2p), error(ErrorCode::InvalidRequest));
        f.configured = false;
        assert_eq!(
            ask(d, f, 0, lock()),
            error(ErrorCode::InvalidDeviceConfiguration)
        );
        f.configured = true;
        f.entropy = false;
        assert_eq!(ask(d, f, 0, lock()), error(ErrorCode::InsufficientEntropy));
        f.entropy = true;
        assert_eq!(ask(d, f, 0, lock()), Response::Lock([9; 32]));
        for (offset, length) in [(1000, 8), (0, 0)] {
            let part = Request::GetReport(ReportRequest {
                offset: U16::new(offset),
                length: U16::new(length),
            });
            assert_eq!(ask(d, f, 0, part), error(ErrorCode::InvalidRequest));
        }
    }

    #[test]
    fn misbehaviour() {
        let (mut dsm, mut functions) = (Dsm::new(2, 40), Functions::new());
        dsm.force_next(Some(State::Run));
        assert_eq!(
            ask(&mut dsm, &mut functions, 1, lock()),
            Response::Lock([9; 32])
        );
        assert_eq!(dsm.state(1), Some(State::Run));
        assert_eq!(
            ask(&mut dsm, &mut functions, 1, Request::Stop),
            Response::Stop
        );
        assert_eq!(dsm.state(1), Some(State::Unlocked));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Dsm::new(2, 40).respond(&mut Functions::new(), &bytes);
        }

        #[test]
        fn any_body(code in 0x80u8..0x90, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = crate::header::message(code, InterfaceId::of(1), &body);
            let answer = Dsm::new(2, 40).respond(&mut Functions::new(), &bytes);
            prop_assert!(Response::decode(&answer).is_ok());
        }
    }
}
