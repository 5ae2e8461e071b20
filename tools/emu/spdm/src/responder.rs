// SPDX-License-Identifier: GPL-2.0

//! The responder: what a device answers (10.2 has the order of requests).

use crate::algorithms::Negotiate;
use crate::capabilities::{Capabilities, CERT_CAP, MEAS_CAP_NO_SIG, MEAS_FRESH_CAP};
use crate::certificate::CertificateRequest;
use crate::header::{end, VERSION_1_2};
use crate::measurements::{
    ATTRIBUTE_RAW, ATTRIBUTE_SIGNATURE, NONCE_SIZE, OPERATION_ALL, OPERATION_COUNT,
};
use crate::{
    algorithms, capabilities, certificate, error, measurements, vendor, version, ErrorCode, Header,
    MeasurementRecord, HEADER_SIZE,
};
use zerocopy::FromBytes;

/// Most bytes of a message that this responder takes.
const DATA_TRANSFER_SIZE: usize = 4608;
/// Most bytes of a certificate chain in one message: less than is asked for, so that requesters
/// have to put portions together.
const CERTIFICATE_PORTION: usize = 1024;

/// What a responder asks of the device around it.
pub trait Services {
    /// The certificate chain of a slot, whole.
    fn chain(&self, slot: u8) -> Option<&[u8]>;
    /// The measurements, taken now.
    fn measurements(&self) -> &MeasurementRecord;
    /// 32 bytes that nobody can guess.
    fn nonce(&mut self) -> Option<[u8; NONCE_SIZE]>;
    /// Answer to a vendor defined message of PCI-SIG, or `None` if this protocol is not there.
    fn vendor_defined(&mut self, protocol: u8, payload: &[u8]) -> Option<Vec<u8>>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Start,
    Version,
    Capabilities,
    Negotiated,
}

/// A responder with the state of its connection.
#[derive(Debug)]
pub struct Responder {
    phase: Phase,
    /// Most bytes that the requester takes.
    requester_max: usize,
}

type Answer = Result<Vec<u8>, (ErrorCode, u8)>;

const INVALID: (ErrorCode, u8) = (ErrorCode::InvalidRequest, 0);

impl Responder {
    /// Before any connection.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            phase: Phase::Start,
            requester_max: capabilities::DATA_TRANSFER_SIZE_MIN as usize,
        }
    }

    /// The device was reset: there is no connection any more.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Answers a request.
    pub fn respond(&mut self, services: &mut dyn Services, request: &[u8]) -> Vec<u8> {
        let Ok((header, body)) = Header::read_from_prefix(request) else {
            return error::encode(version::HEADER_VERSION, ErrorCode::InvalidRequest, 0);
        };
        let version = match self.phase {
            Phase::Start => version::HEADER_VERSION,
            _ => VERSION_1_2,
        };
        self.serve(services, &header, body, request)
            .unwrap_or_else(|(code, data)| error::encode(version, code, data))
    }

    fn serve(
        &mut self,
        services: &mut dyn Services,
        header: &Header,
        body: &[u8],
        whole: &[u8],
    ) -> Answer {
        if whole.len() > DATA_TRANSFER_SIZE {
            return Err((ErrorCode::RequestTooLarge, 0));
        }
        let (needed, expected) = match header.code {
            version::REQUEST => (Phase::Start, version::HEADER_VERSION),
            capabilities::REQUEST => (Phase::Version, VERSION_1_2),
            algorithms::REQUEST => (Phase::Capabilities, VERSION_1_2),
            certificate::REQUEST | measurements::REQUEST | vendor::REQUEST => {
                (Phase::Negotiated, VERSION_1_2)
            }
            code => return Err((ErrorCode::UnsupportedRequest, code)),
        };
        if self.phase < needed {
            return Err((ErrorCode::UnexpectedRequest, 0));
        }
        if header.version != expected {
            return Err((ErrorCode::VersionMismatch, 0));
        }
        match header.code {
            version::REQUEST => self.version(body),
            capabilities::REQUEST => self.capabilities(body),
            algorithms::REQUEST => self.algorithms(header, body),
            certificate::REQUEST => certificate(services, header, body),
            measurements::REQUEST => self.measurements(services, header, body),
            _ => vendor_defined(services, whole),
        }
    }

    fn version(&mut self, body: &[u8]) -> Answer {
        end(body).map_err(|_| INVALID)?;
        self.phase = Phase::Version;
        Ok(version::encode_response())
    }

    fn capabilities(&mut self, body: &[u8]) -> Answer {
        let (theirs, rest) = Capabilities::read_from_prefix(body).map_err(|_| INVALID)?;
        end(rest).map_err(|_| INVALID)?;
        if !theirs.is_well_formed() {
            return Err(INVALID);
        }
        if self.phase > Phase::Capabilities {
            return Err((ErrorCode::UnexpectedRequest, 0));
        }
        self.phase = Phase::Capabilities;
        self.requester_max = theirs.data_transfer_size.get() as usize;
        let flags = CERT_CAP | MEAS_CAP_NO_SIG | MEAS_FRESH_CAP;
        let own = Capabilities::new(flags, DATA_TRANSFER_SIZE as u32);
        Ok(capabilities::encode(capabilities::RESPONSE, &own))
    }

    fn algorithms(&mut self, header: &Header, body: &[u8]) -> Answer {
        let (wanted, _) = Negotiate::read_from_prefix(body).map_err(|_| INVALID)?;
        let length = usize::from(wanted.length.get());
        let rest = length
            .checked_sub(HEADER_SIZE)
            .and_then(|length| body.get(length..));
        end(rest.ok_or(INVALID)?).map_err(|_| INVALID)?;
        // Structures and extended algorithms are for sessions and vendors; they may be there, and
        // none of them is chosen.
        let structures = 4 * usize::from(header.param1);
        let extended =
            4 * (usize::from(wanted.ext_asym_count) + usize::from(wanted.ext_hash_count));
        let usable = wanted.measurement & algorithms::MEASUREMENT_DMTF != 0
            && wanted.asym.get() & algorithms::ASYM_ECDSA_P384 != 0
            && wanted.hash.get() & algorithms::HASH_SHA_384 != 0;
        if !usable || length < HEADER_SIZE + size_of::<Negotiate>() + structures + extended {
            return Err(INVALID);
        }
        if self.phase > Phase::Capabilities {
            return Err((ErrorCode::UnexpectedRequest, 0));
        }
        self.phase = Phase::Negotiated;
        Ok(algorithms::encode_response(&wanted))
    }

    fn measurements(&self, services: &mut dyn Services, header: &Header, body: &[u8]) -> Answer {
        end(body).map_err(|_| INVALID)?;
        if header.param1 & ATTRIBUTE_SIGNATURE != 0 {
            return Err(INVALID);
        }
        let raw = header.param1 & ATTRIBUTE_RAW != 0;
        let record = services.measurements();
        let count = record.count();
        let (total, blocks, bytes) = match header.param2 {
            OPERATION_COUNT => (count, 0, Vec::new()),
            OPERATION_ALL => (0, count, record.encode(raw)),
            index => (0, 1, record.block(index, raw).ok_or(INVALID)?),
        };
        if bytes.len() + measurements::OVERHEAD > self.requester_max {
            return Err((ErrorCode::ResponseTooLarge, 0));
        }
        let nonce = services.nonce().ok_or((ErrorCode::Unspecified, 0))?;
        Ok(measurements::encode_response(total, blocks, &bytes, &nonce))
    }
}

fn certificate(services: &dyn Services, header: &Header, body: &[u8]) -> Answer {
    let (part, rest) = CertificateRequest::read_from_prefix(body).map_err(|_| INVALID)?;
    end(rest).map_err(|_| INVALID)?;
    let chain = services.chain(header.param1).ok_or(INVALID)?;
    let rest = chain
        .get(usize::from(part.offset.get())..)
        .filter(|rest| !rest.is_empty() && part.length.get() != 0)
        .ok_or(INVALID)?;
    let length = rest
        .len()
        .min(usize::from(part.length.get()))
        .min(CERTIFICATE_PORTION);
    let (portion, remainder) = rest.split_at_checked(length).ok_or(INVALID)?;
    let remainder = u16::try_from(remainder.len()).map_err(|_| INVALID)?;
    Ok(certificate::encode_response(
        header.param1,
        portion,
        remainder,
    ))
}

fn vendor_defined(services: &mut dyn Services, whole: &[u8]) -> Answer {
    let (protocol, payload) = vendor::decode_request(whole).ok_or(INVALID)?;
    let answer = services
        .vendor_defined(protocol, payload)
        .ok_or((ErrorCode::UnsupportedRequest, vendor::REQUEST))?;
    Ok(vendor::encode_response(protocol, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Block, CertificateChain, CertificateRead, Conversation, Fault, MeasurementRead, Negotiation,
    };
    use proptest::prelude::*;

    struct Device {
        chain: CertificateChain,
        record: MeasurementRecord,
    }

    impl Device {
        fn new(certificate: usize) -> Self {
            let blocks = (0..3)
                .map(|n| Block {
                    content: vec![n; 20],
                })
                .collect();
            Self {
                chain: CertificateChain::new(&[vec![1; certificate], vec![2; 400]]).unwrap(),
                record: MeasurementRecord::new(blocks).unwrap(),
            }
        }
    }

    impl Services for Device {
        fn chain(&self, slot: u8) -> Option<&[u8]> {
            (slot == 0).then(|| self.chain.as_bytes())
        }
        fn measurements(&self) -> &MeasurementRecord {
            &self.record
        }
        fn nonce(&mut self) -> Option<[u8; NONCE_SIZE]> {
            Some([5; NONCE_SIZE])
        }
        fn vendor_defined(&mut self, protocol: u8, payload: &[u8]) -> Option<Vec<u8>> {
            (protocol == vendor::PROTOCOL_TDISP).then(|| payload.iter().rev().copied().collect())
        }
    }

    fn pad(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// Runs a conversation over a transport that pads; what was read and how many requests it took.
    fn talk(
        responder: &mut Responder,
        device: &mut Device,
        conversation: &mut dyn Conversation,
    ) -> Result<(Vec<u8>, usize), Fault> {
        let mut turn = conversation.begin();
        let mut object = Vec::new();
        let mut count = 0;
        while let Some(request) = turn.request {
            count += 1;
            if turn.keep_request {
                object.extend_from_slice(&request);
            }
            let response = pad(responder.respond(device, &pad(request)));
            turn = conversation.take(&response)?;
            if let Some(range) = turn.take.clone() {
                object.extend_from_slice(&response[range]);
            }
        }
        Ok((object, count))
    }

    fn connected(device: &mut Device) -> Responder {
        let mut responder = Responder::new();
        talk(&mut responder, device, &mut Negotiation::new()).unwrap();
        responder
    }

    #[test]
    fn negotiation() {
        let mut device = Device::new(10);
        let mut responder = Responder::new();
        let (vca, count) = talk(&mut responder, &mut device, &mut Negotiation::new()).unwrap();
        assert_eq!(count, 3);
        assert_eq!(vca.len(), 4 + 8 + 20 + 20 + 32 + 36);
        assert_eq!(vca[..4], [0x10, 0x84, 0, 0]);
        assert_eq!(vca[4..12], [0x10, 0x04, 0, 0, 0, 1, 0, 0x12]);
        assert_eq!(vca[12..14], [0x12, 0xe1]);
        assert_eq!(vca[32..34], [0x12, 0x61]);
        assert_eq!(vca[52..56], [0x12, 0xe3, 0, 0]);
        assert_eq!(vca[84..86], [0x12, 0x63]);
        // GET_VERSION starts over at any time.
        assert!(talk(&mut responder, &mut device, &mut Negotiation::new()).is_ok());
    }

    #[test]
    fn certificates() {
        for size in [20, 960, 972, 2000, 60000] {
            let mut device = Device::new(size);
            let mut responder = connected(&mut device);
            let (read, count) =
                talk(&mut responder, &mut device, &mut CertificateRead::new(0)).unwrap();
            assert_eq!(read, device.chain.certificates());
            assert_eq!(
                count,
                device.chain.as_bytes().len().div_ceil(CERTIFICATE_PORTION)
            );
        }
        let mut device = Device::new(10);
        let mut responder = connected(&mut device);
        let refused = talk(&mut responder, &mut device, &mut CertificateRead::new(1));
        assert_eq!(
            refused,
            Err(Fault::Refused(ErrorCode::InvalidRequest as u8))
        );
    }

    #[test]
    fn measurements() {
        let mut device = Device::new(10);
        let mut responder = connected(&mut device);
        for raw in [false, true] {
            let (read, count) =
                talk(&mut responder, &mut device, &mut MeasurementRead::new(raw)).unwrap();
            assert_eq!((read, count), (device.record.encode(raw), 1));
        }
        for size in [0, 7, 4054, 4055, 10_000, 200_000] {
            device.record = MeasurementRecord::of_size(size, 4000).unwrap();
            let (read, _) = talk(
                &mut responder,
                &mut device,
                &mut MeasurementRead::new(false),
            )
            .unwrap();
            assert_eq!(read, device.record.encode(false));
        }
    }

    #[test]
    fn vendor_defined() {
        let mut device = Device::new(10);
        let mut responder = connected(&mut device);
        let request = vendor::wrap(vendor::PROTOCOL_TDISP, b"abc");
        let response = responder.respond(&mut device, &request);
        let range = vendor::unwrap(&response, vendor::PROTOCOL_TDISP).unwrap();
        assert_eq!(response[range], *b"cba");
        assert_eq!(vendor::unwrap(&response, 0), Err(Fault::Malformed));
        let response = responder.respond(&mut device, &vendor::wrap(vendor::PROTOCOL_IDE_KM, b""));
        assert_eq!(vendor::unwrap(&response, 0), Err(Fault::Refused(0x07)));
    }

    #[test]
    fn order() {
        let mut device = Device::new(10);
        let mut responder = Responder::new();
        let code = |bytes: Vec<u8>| (bytes[1], bytes[2]);
        let too_early = responder.respond(&mut device, &certificate::encode(0, 0, 100));
        assert_eq!(code(too_early), (0x7f, ErrorCode::UnexpectedRequest as u8));
        let unknown = responder.respond(&mut device, &[0x12, 0x99, 0, 0]);
        assert_eq!(code(unknown), (0x7f, ErrorCode::UnsupportedRequest as u8));
        let version = responder.respond(&mut device, &[0x12, 0x84, 0, 0]);
        assert_eq!(code(version), (0x7f, ErrorCode::VersionMismatch as u8));
        let mut responder = connected(&mut device);
        let again = responder.respond(&mut device, &algorithms::encode());
        assert_eq!(code(again), (0x7f, ErrorCode::UnexpectedRequest as u8));
        let long = responder.respond(&mut device, &vec![0x12; 5000]);
        assert_eq!(code(long), (0x7f, ErrorCode::RequestTooLarge as u8));
        responder.reset();
        let gone = responder.respond(&mut device, &vendor::wrap(1, b""));
        assert_eq!(code(gone), (0x7f, ErrorCode::UnexpectedRequest as u8));
    }

    #[test]
    fn mangled_responses() {
        let mut device = Device::new(1000);
        let mut responder = connected(&mut device);
        let good = responder.respond(&mut device, &certificate::encode(0, 0, 1000));
        let take = |bytes: &[u8]| CertificateRead::new(0).take(bytes).err();
        assert_eq!(take(&good), None);
        assert_eq!(take(&good[..4]), Some(Fault::Short));
        assert_eq!(take(&good[..good.len() - 1]), Some(Fault::Short));
        let mut long = good.clone();
        long.extend([0; 4]);
        assert_eq!(take(&long), Some(Fault::TooLong));
        let mut other = good.clone();
        other[1] = 0x60;
        assert_eq!(take(&other), Some(Fault::Unexpected(0x60)));
    }

    proptest! {
        #[test]
        fn any_request(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut device = Device::new(10);
            let mut responder = connected(&mut device);
            prop_assert!(!responder.respond(&mut device, &bytes).is_empty());
        }

        #[test]
        fn any_known_request(
            code in prop_oneof![
                Just(0x84u8), Just(0xe1), Just(0xe3), Just(0x82), Just(0xe0), Just(0xfe)
            ],
            body in proptest::collection::vec(any::<u8>(), 0..100),
            negotiated: bool,
        ) {
            let mut device = Device::new(10);
            let mut responder = if negotiated { connected(&mut device) } else { Responder::new() };
            let mut bytes = vec![0x12, code];
            bytes.extend(body);
            prop_assert!(!responder.respond(&mut device, &bytes).is_empty());
        }

        #[test]
        fn any_response(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            code in prop_oneof![Just(0x04u8), Just(0x61), Just(0x63), Just(0x02), Just(0x60), Just(0x7e)],
        ) {
            let mut known = vec![0x12, code];
            known.extend_from_slice(&bytes);
            for response in [&bytes, &known] {
                let _ = Negotiation::new().take(response);
                let _ = CertificateRead::new(0).take(response);
                let _ = MeasurementRead::new(false).take(response);
                let _ = vendor::unwrap(response, 1);
            }
        }
    }
}
