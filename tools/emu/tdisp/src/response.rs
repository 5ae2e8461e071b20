// SPDX-License-Identifier: GPL-2.0

//! Responses of a DSM (11.3.2, table 4).

use crate::capabilities::Capabilities;
use crate::header::message;
use crate::report::Portion;
use crate::vdm::Vdm;
use crate::{
    capabilities, error, lock, mmio_attribute, p2p, report, start, state, vdm, version, Header,
    InterfaceId, Nonce, State,
};
use thiserror::Error;
use zerocopy::{FromBytes, IntoBytes};

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// TDISP_VERSION.
    Version(Vec<u8>),
    /// TDISP_CAPABILITIES.
    Capabilities(Capabilities),
    /// LOCK_INTERFACE_RESPONSE.
    Lock(Nonce),
    /// DEVICE_INTERFACE_REPORT.
    Report(Portion),
    /// DEVICE_INTERFACE_STATE.
    State(State),
    /// START_INTERFACE_RESPONSE.
    Start,
    /// STOP_INTERFACE_RESPONSE.
    Stop,
    /// BIND_P2P_STREAM_RESPONSE.
    BindP2p,
    /// UNBIND_P2P_STREAM_RESPONSE.
    UnbindP2p,
    /// SET_MMIO_ATTRIBUTE_RESPONSE.
    SetMmioAttribute,
    /// VDM_RESPONSE.
    Vdm(Vdm),
    /// TDISP_ERROR: code and data.
    Error(u32, u32),
}

/// Why bytes are not a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("shorter than a header")]
    Short,
    /// The version is another.
    #[error("version {0:#x}")]
    Version(u8),
    /// There is no such response.
    #[error("message type {0:#x}")]
    Type(u8),
    /// The body is not one of this type.
    #[error("body of message type {0:#x}")]
    Body(u8),
}

impl Response {
    /// Its code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Version(_) => version::RESPONSE,
            Self::Capabilities(_) => capabilities::RESPONSE,
            Self::Lock(_) => lock::RESPONSE,
            Self::Report(_) => report::RESPONSE,
            Self::State(_) => state::RESPONSE,
            Self::Start => start::RESPONSE,
            Self::Stop => start::STOP_RESPONSE,
            Self::BindP2p => p2p::BIND_RESPONSE,
            Self::UnbindP2p => p2p::UNBIND_RESPONSE,
            Self::SetMmioAttribute => mmio_attribute::RESPONSE,
            Self::Vdm(_) => vdm::RESPONSE,
            Self::Error(..) => error::RESPONSE,
        }
    }

    /// The message.
    pub fn encode(&self, interface: InterfaceId) -> Vec<u8> {
        let body = match self {
            Self::Version(versions) => version::encode(versions),
            Self::Capabilities(caps) => caps.as_bytes().to_vec(),
            Self::Lock(nonce) => nonce.to_vec(),
            Self::Report(portion) => report::encode_response(portion),
            Self::State(state) => vec![*state as u8],
            Self::Start | Self::Stop | Self::BindP2p | Self::UnbindP2p | Self::SetMmioAttribute => {
                Vec::new()
            }
            Self::Vdm(vdm) => vdm::encode(vdm),
            Self::Error(code, data) => error::encode(*code, *data),
        };
        message(self.code(), interface, &body)
    }

    /// From a message.
    pub fn decode(bytes: &[u8]) -> Result<(InterfaceId, Self), Malformed> {
        let (header, body) = Header::read_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        if header.version != version::VERSION_1_0 {
            return Err(Malformed::Version(header.version));
        }
        let bare = |response: Self| body.is_empty().then_some(response);
        let response = match header.message_type {
            version::RESPONSE => version::decode(body).map(Self::Version),
            capabilities::RESPONSE => capabilities::decode(body).map(Self::Capabilities),
            lock::RESPONSE => lock::decode_response(body).map(Self::Lock),
            report::RESPONSE => report::decode_response(body).map(Self::Report),
            state::RESPONSE => match body {
                [state] => State::try_from(*state).ok().map(Self::State),
                _ => None,
            },
            start::RESPONSE => bare(Self::Start),
            start::STOP_RESPONSE => bare(Self::Stop),
            p2p::BIND_RESPONSE => bare(Self::BindP2p),
            p2p::UNBIND_RESPONSE => bare(Self::UnbindP2p),
            mmio_attribute::RESPONSE => bare(Self::SetMmioAttribute),
            vdm::RESPONSE => vdm::decode(body).map(Self::Vdm),
            error::RESPONSE => error::decode(body).map(|(code, data)| Self::Error(code, data)),
            other => return Err(Malformed::Type(other)),
        };
        match response {
            Some(response) => Ok((header.interface, response)),
            None => Err(Malformed::Body(header.message_type)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::little_endian::{U16, U32};

    fn responses() -> impl Strategy<Value = Response> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..10).prop_map(Response::Version),
            (any::<[u8; 16]>(), any::<u16>(), any::<u8>()).prop_map(|(requests, flags, width)| {
                Response::Capabilities(Capabilities {
                    dsm_caps: U32::new(0),
                    requests,
                    lock_flags: U16::new(flags),
                    reserved: [0; 3],
                    address_width: width,
                    requests_this: 1,
                    requests_all: 1,
                })
            }),
            any::<Nonce>().prop_map(Response::Lock),
            (any::<Vec<u8>>(), any::<u16>())
                .prop_map(|(bytes, remainder)| Response::Report(Portion { bytes, remainder })),
            (0u8..4).prop_map(|s| Response::State(State::try_from(s).unwrap())),
            Just(Response::Start),
            Just(Response::Stop),
            Just(Response::BindP2p),
            Just(Response::UnbindP2p),
            Just(Response::SetMmioAttribute),
            any::<Vec<u8>>().prop_map(|data| Response::Vdm(Vdm {
                registry: 0,
                vendor: vec![1, 0],
                data
            })),
            (any::<u32>(), any::<u32>()).prop_map(|(code, data)| Response::Error(code, data)),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(response in responses(), rid: u16) {
            let id = InterfaceId::of(rid);
            prop_assert_eq!(Response::decode(&response.encode(id)), Ok((id, response)));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Response::decode(&bytes);
        }

        #[test]
        fn any_body(code in 0u8..0x80, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Response::decode(&message(code, InterfaceId::of(1), &body));
        }
    }

    #[test]
    fn capabilities_layout() {
        let caps = Capabilities {
            dsm_caps: U32::new(0),
            requests: [0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            lock_flags: U16::new(5),
            reserved: [0; 3],
            address_width: 52,
            requests_this: 1,
            requests_all: 2,
        };
        assert!(caps.knows(0x81) && caps.knows(0x87));
        assert!(!caps.knows(0x80) && !caps.knows(0x88) && !caps.knows(0x00));
        let bytes = Response::Capabilities(caps).encode(InterfaceId::of(0));
        assert_eq!(bytes.len(), 44);
        assert_eq!(bytes[20], 0xfe);
        assert_eq!(bytes[36..44], [5, 0, 0, 0, 0, 52, 1, 2]);
    }
}
