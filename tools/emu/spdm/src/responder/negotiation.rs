// SPDX-License-Identifier: GPL-2.0

//! VERSION, CAPABILITIES, ALGORITHMS (10.3 to 10.5).

use super::{Answer, Responder, Services, CAPABILITIES, DATA_TRANSFER_SIZE};
use crate::capabilities::Capabilities;
use crate::connection::{Connection, Transcript};
use crate::header::{bare, consumed};
use crate::{algorithms, capabilities, version, ErrorCode, Header, Version};
use zerocopy::IntoBytes;

/// How far the negotiation is.
#[derive(Clone, Debug)]
pub(super) enum Negotiation {
    /// Nothing is agreed on.
    Start,
    /// GET_VERSION was answered.
    Version(Transcript),
    /// GET_CAPABILITIES was answered.
    Capabilities(Version, Capabilities, Transcript),
    /// NEGOTIATE_ALGORITHMS was answered, and there is nothing in common.
    Apart(Version),
}

impl Negotiation {
    pub(super) fn version(&self) -> Option<Version> {
        match self {
            Self::Capabilities(version, ..) | Self::Apart(version) => Some(*version),
            _ => None,
        }
    }
}

impl Responder {
    pub(super) fn get_version(
        &mut self,
        services: &mut dyn Services,
        header: &Header,
        body: &[u8],
    ) -> Answer {
        if header.version != version::HEADER_VERSION {
            return Err(ErrorCode::VersionMismatch.into());
        }
        bare(body).ok_or(ErrorCode::InvalidRequest)?;
        self.reset(services);
        let response = version::encode_response(&self.versions);
        let mut transcript = Transcript::default();
        transcript.push(header.as_bytes());
        transcript.push(&response);
        self.negotiation = Negotiation::Version(transcript);
        Ok(response)
    }

    pub(super) fn get_capabilities(
        &mut self,
        header: &Header,
        body: &[u8],
        message: &[u8],
    ) -> Answer {
        let Negotiation::Version(transcript) = &self.negotiation else {
            return Err(ErrorCode::UnexpectedRequest.into());
        };
        let version = Version::of(header.version)
            .filter(|version| self.versions.contains(version))
            .ok_or(ErrorCode::VersionMismatch)?;
        let own = DATA_TRANSFER_SIZE as u32;
        let (theirs, rest) =
            capabilities::decode(version, body, own).map_err(|_| ErrorCode::InvalidRequest)?;
        let response = capabilities::encode(
            version,
            capabilities::RESPONSE,
            &Capabilities::new(CAPABILITIES, own),
        );
        let mut transcript = transcript.clone();
        let request = message.get(..consumed(message, rest));
        transcript.push(request.ok_or(ErrorCode::InvalidRequest)?);
        transcript.push(&response);
        self.negotiation = Negotiation::Capabilities(version, theirs, transcript);
        Ok(response)
    }

    pub(super) fn negotiate_algorithms(&mut self, header: &Header, message: &[u8]) -> Answer {
        let invalid = ErrorCode::InvalidRequest;
        let Negotiation::Capabilities(version, theirs, transcript) = &self.negotiation else {
            return Err(ErrorCode::UnexpectedRequest.into());
        };
        let version = *version;
        if header.version != version.wire() {
            return Err(ErrorCode::VersionMismatch.into());
        }
        let offer = algorithms::Offer::decode(message).ok_or(invalid)?;
        let response = algorithms::encode_response(version, &offer);
        let Some(agreed) = offer.agree(version) else {
            self.negotiation = Negotiation::Apart(version);
            return Ok(response);
        };
        let mut transcript = transcript.clone();
        transcript.push(message.get(..offer.length).ok_or(invalid)?);
        transcript.push(&response);
        self.connection = Some(Connection::new(version, *theirs, agreed, transcript));
        self.negotiation = Negotiation::Start;
        Ok(response)
    }
}
