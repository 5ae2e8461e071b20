// SPDX-License-Identifier: GPL-2.0

//! Requests of a TSM (11.3.1, table 3).

use crate::header::message;
use crate::interface_report::WireRange;
use crate::lock::LockRequest;
use crate::report::ReportRequest;
use crate::vdm::Vdm;
use crate::version::VERSION_1_0;
use crate::{
    capabilities, lock, mmio_attribute, p2p, report, start, state, vdm, version, ErrorCode, Header,
    InterfaceId, Nonce,
};
use zerocopy::{FromBytes, IntoBytes};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GET_TDISP_VERSION.
    GetVersion,
    /// GET_TDISP_CAPABILITIES, with the capabilities of the TSM.
    GetCapabilities(u32),
    /// LOCK_INTERFACE_REQUEST.
    Lock(LockRequest),
    /// GET_DEVICE_INTERFACE_REPORT.
    GetReport(ReportRequest),
    /// GET_DEVICE_INTERFACE_STATE.
    GetState,
    /// START_INTERFACE_REQUEST.
    Start(Nonce),
    /// STOP_INTERFACE_REQUEST.
    Stop,
    /// BIND_P2P_STREAM_REQUEST.
    BindP2p(u8),
    /// UNBIND_P2P_STREAM_REQUEST.
    UnbindP2p(u8),
    /// SET_MMIO_ATTRIBUTE_REQUEST.
    SetMmioAttribute(WireRange),
    /// VDM_REQUEST.
    Vdm(Vdm),
}

/// Why bytes are not a request, as TDISP_ERROR says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The interface that the request named.
    pub interface: InterfaceId,
    /// Error code.
    pub code: ErrorCode,
    /// Error data.
    pub data: u32,
}

impl Request {
    /// Its code.
    pub fn code(&self) -> u8 {
        match self {
            Self::GetVersion => version::REQUEST,
            Self::GetCapabilities(_) => capabilities::REQUEST,
            Self::Lock(_) => lock::REQUEST,
            Self::GetReport(_) => report::REQUEST,
            Self::GetState => state::REQUEST,
            Self::Start(_) => start::REQUEST,
            Self::Stop => start::STOP_REQUEST,
            Self::BindP2p(_) => p2p::BIND_REQUEST,
            Self::UnbindP2p(_) => p2p::UNBIND_REQUEST,
            Self::SetMmioAttribute(_) => mmio_attribute::REQUEST,
            Self::Vdm(_) => vdm::REQUEST,
        }
    }

    /// The message.
    pub fn encode(&self, interface: InterfaceId) -> Vec<u8> {
        let body = match self {
            Self::GetVersion | Self::GetState | Self::Stop => Vec::new(),
            Self::GetCapabilities(caps) => caps.to_le_bytes().to_vec(),
            Self::Lock(lock) => lock.as_bytes().to_vec(),
            Self::GetReport(part) => part.as_bytes().to_vec(),
            Self::Start(nonce) => nonce.to_vec(),
            Self::BindP2p(stream) | Self::UnbindP2p(stream) => vec![*stream],
            Self::SetMmioAttribute(range) => range.as_bytes().to_vec(),
            Self::Vdm(vdm) => vdm::encode(vdm),
        };
        message(self.code(), interface, &body)
    }

    /// From a message.
    pub fn decode(bytes: &[u8]) -> Result<(InterfaceId, Self), Refused> {
        let Ok((header, body)) = Header::read_from_prefix(bytes) else {
            return Err(Refused {
                interface: InterfaceId::default(),
                code: ErrorCode::InvalidRequest,
                data: 0,
            });
        };
        let refused = |code, data| Refused {
            interface: header.interface,
            code,
            data,
        };
        // GET_TDISP_VERSION is how the version is found out: any minor will do.
        let same = match header.message_type {
            version::REQUEST => header.version >> 4 == VERSION_1_0 >> 4,
            _ => header.version == VERSION_1_0,
        };
        if !same {
            return Err(refused(ErrorCode::VersionMismatch, 0));
        }
        let bare = |request: Self| body.is_empty().then_some(request);
        let request = match header.message_type {
            version::REQUEST => bare(Self::GetVersion),
            capabilities::REQUEST => <[u8; 4]>::try_from(body)
                .ok()
                .map(|caps| Self::GetCapabilities(u32::from_le_bytes(caps))),
            lock::REQUEST => lock::decode(body).map(Self::Lock),
            report::REQUEST => report::decode(body).map(Self::GetReport),
            state::REQUEST => bare(Self::GetState),
            start::REQUEST => start::decode(body).map(Self::Start),
            start::STOP_REQUEST => bare(Self::Stop),
            p2p::BIND_REQUEST => p2p::decode(body).map(Self::BindP2p),
            p2p::UNBIND_REQUEST => p2p::decode(body).map(Self::UnbindP2p),
            mmio_attribute::REQUEST => mmio_attribute::decode(body).map(Self::SetMmioAttribute),
            vdm::REQUEST => vdm::decode(body).map(Self::Vdm),
            other => return Err(refused(ErrorCode::UnsupportedRequest, u32::from(other))),
        };
        match request {
            Some(request) => Ok((header.interface, request)),
            None => Err(refused(ErrorCode::InvalidRequest, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::little_endian::{U16, U32, U64};

    fn requests() -> impl Strategy<Value = Request> {
        prop_oneof![
            Just(Request::GetVersion),
            any::<u32>().prop_map(Request::GetCapabilities),
            (any::<u16>(), any::<u8>(), any::<u64>(), any::<u64>()).prop_map(|(f, s, o, m)| {
                Request::Lock(LockRequest {
                    flags: U16::new(f),
                    default_stream: s,
                    reserved: 0,
                    mmio_reporting_offset: U64::new(o),
                    bind_p2p_mask: U64::new(m),
                })
            }),
            (any::<u16>(), any::<u16>()).prop_map(|(o, l)| Request::GetReport(ReportRequest {
                offset: U16::new(o),
                length: U16::new(l),
            })),
            Just(Request::GetState),
            any::<Nonce>().prop_map(Request::Start),
            Just(Request::Stop),
            any::<u8>().prop_map(Request::BindP2p),
            any::<u8>().prop_map(Request::UnbindP2p),
            (any::<u64>(), any::<u32>(), any::<u16>(), any::<u16>()).prop_map(|(p, n, a, i)| {
                Request::SetMmioAttribute(WireRange {
                    first_page: U64::new(p),
                    pages: U32::new(n),
                    attributes: U16::new(a),
                    id: U16::new(i),
                })
            }),
            (any::<u8>(), any::<Vec<u8>>(), any::<Vec<u8>>()).prop_map(
                |(registry, vendor, data)| {
                    Request::Vdm(Vdm {
                        registry,
                        vendor: vendor.into_iter().take(255).collect(),
                        data,
                    })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(request in requests(), rid: u16) {
            let id = InterfaceId::of(rid);
            prop_assert_eq!(Request::decode(&request.encode(id)), Ok((id, request)));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Request::decode(&bytes);
        }

        #[test]
        fn any_body(code in 0x80u8..0x90, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Request::decode(&message(code, InterfaceId::of(1), &body));
        }
    }

    #[test]
    fn lock_layout() {
        let request = Request::Lock(LockRequest {
            flags: U16::new(0x5),
            default_stream: 0x77,
            reserved: 0,
            mmio_reporting_offset: U64::new(0x0102_0304_0506_0708),
            bind_p2p_mask: U64::new(0),
        });
        let bytes = request.encode(InterfaceId::of(0x0102));
        assert_eq!(bytes.len(), 36);
        assert_eq!(bytes[..8], [0x10, 0x83, 0, 0, 0x02, 0x01, 0, 0]);
        assert_eq!(bytes[16..20], [5, 0, 0x77, 0]);
        assert_eq!(bytes[20..28], [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn refusals() {
        let mut bytes = Request::GetState.encode(InterfaceId::of(0));
        bytes[0] = 0x20;
        assert_eq!(
            Request::decode(&bytes).unwrap_err().code,
            ErrorCode::VersionMismatch
        );
        bytes[0] = 0x10;
        bytes[1] = 0x8c;
        let refused = Request::decode(&bytes).unwrap_err();
        assert_eq!(
            (refused.code, refused.data),
            (ErrorCode::UnsupportedRequest, 0x8c)
        );
        bytes[1] = 0x85;
        bytes.push(0);
        assert_eq!(
            Request::decode(&bytes).unwrap_err().code,
            ErrorCode::InvalidRequest
        );
        bytes[0] = 0x11;
        bytes[1] = 0x81;
        bytes.pop();
        assert!(Request::decode(&bytes).is_ok());
    }
}
