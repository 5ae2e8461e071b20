// SPDX-License-Identifier: GPL-2.0

//! VERSION, CAPABILITIES, ALGORITHMS (10.3 to 10.5): what a connection starts with.

use super::exchange::Stage;
use super::{Found, Requester, Step, CAPABILITIES};
use crate::capabilities::{Capabilities, CERT_CAP};
use crate::connection::{Connection, Transcript};
use crate::{algorithms, capabilities, version, Fault, Packet, Version};

/// What a request and its response, without padding, add to the transcript.
fn record(
    vca: &mut Transcript,
    request: &[u8],
    response: &[u8],
    length: usize,
) -> Result<Found, Fault> {
    let response = response.get(..length).ok_or(Fault::Short)?;
    let both = [request, response].concat();
    vca.push(&both);
    Ok(Found::Vca(both))
}

impl Requester {
    pub(super) fn connect(&mut self) -> Result<Packet, Fault> {
        self.forget();
        self.send(Stage::Version, version::encode(), false)
    }

    pub(super) fn take_version(&mut self, request: &[u8], message: &[u8]) -> Result<Step, Fault> {
        let (length, theirs) = version::decode_response(message)?;
        let version = theirs
            .into_iter()
            .filter(|version| self.versions.contains(version))
            .max()
            .ok_or(Fault::NoCommonVersion)?;
        let mut vca = Transcript::default();
        let found = record(&mut vca, request, message, length)?;
        let own = Capabilities::new(CAPABILITIES, self.data_transfer_size);
        let request = capabilities::encode(version, capabilities::REQUEST, &own);
        self.then(
            Stage::Capabilities(version, vca),
            request,
            false,
            vec![found],
        )
    }

    pub(super) fn take_capabilities(
        &mut self,
        version: Version,
        mut vca: Transcript,
        request: &[u8],
        message: &[u8],
    ) -> Result<Step, Fault> {
        let (length, theirs) =
            capabilities::decode_response(version, message, self.data_transfer_size)?;
        if theirs.flags() & CERT_CAP == 0 {
            return Err(Fault::MissingCapability);
        }
        let found = record(&mut vca, request, message, length)?;
        let request = algorithms::encode(version);
        let stage = Stage::Algorithms(version, theirs, vca);
        self.then(stage, request, false, vec![found])
    }

    pub(super) fn take_algorithms(
        &mut self,
        version: Version,
        capabilities: &Capabilities,
        mut vca: Transcript,
        request: &[u8],
        message: &[u8],
    ) -> Result<Step, Fault> {
        let (length, agreed) = algorithms::decode_response(version, message)?;
        let found = record(&mut vca, request, message, length)?;
        self.connection = Some(Connection::new(version, *capabilities, agreed, vca));
        Ok(Step::done(found))
    }
}
