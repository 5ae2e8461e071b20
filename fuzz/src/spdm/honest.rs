// SPDX-License-Identifier: GPL-2.0

//! Honest conversations, recorded once: inputs go on from where they lead to.

use super::device::{Counter, Device, Size};
use super::identity::Identity;
use super::keys::{Handshake, Keys};
use spdm::{Entropy, Exchange, Packet, Requester, Responder, Step, Version};
use std::sync::LazyLock;

/// How far a conversation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    /// Nowhere.
    Start,
    /// Version, capabilities and algorithms are agreed on.
    Connected,
    /// The chain is verified.
    Authenticated,
    /// KEY_EXCHANGE is through, FINISH is not.
    Handshake,
    /// There is a session.
    Session,
}

impl Reached {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Start,
        Self::Connected,
        Self::Authenticated,
        Self::Handshake,
        Self::Session,
    ];
}

/// The versions.
pub(super) const VERSIONS: [Version; 2] = [Version::V1_2, Version::V1_1];

/// Over a wire of whole words.
pub(super) fn pad(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    packet
        .bytes
        .resize(packet.bytes.len().next_multiple_of(4), 0);
    packet
}

/// A conversation: requests and answers, and what they led to.
pub(super) struct Honest {
    version: Version,
    wire: Vec<(Packet, Packet)>,
    /// How many of them until each [`Reached`].
    until: [usize; 5],
    handshake: Handshake,
    keys: Keys,
}

fn new_requester(version: Version) -> Requester {
    let entropy = Counter(0x0fed_cba9_8765_4321);
    let mut requester = Requester::new(Identity::get().trust(), Box::new(entropy));
    requester.accept(&[version]);
    requester
}

fn new_responder(version: Version) -> Responder {
    Responder::with_versions(&[version]).heartbeat(20)
}

impl Honest {
    /// The one of this version.
    pub(super) fn get(version: Version) -> &'static Self {
        static BOTH: LazyLock<[Honest; 2]> = LazyLock::new(|| VERSIONS.map(Honest::record));
        &BOTH[usize::from(version != VERSIONS[0])]
    }

    fn record(version: Version) -> Self {
        let (mut requester, mut responder) = (new_requester(version), new_responder(version));
        let mut device = Device::new(Size::Small);
        let mut wire: Vec<(Packet, Packet)> = Vec::new();
        let mut run = |exchange| {
            let mut request = requester.begin(exchange).unwrap();
            loop {
                let answer = responder.respond(&mut device, &request).unwrap();
                let step = requester.take(&answer).unwrap();
                wire.push((request, answer));
                match step {
                    Step::Send { packet, .. } => request = packet,
                    Step::Done { .. } => return wire.len(),
                }
            }
        };
        let connected = run(Exchange::Connect);
        let authenticated = run(Exchange::Certificate { slot: 0 });
        let session = run(Exchange::OpenSession { slot: 0 });
        assert_eq!(session, authenticated + 2);

        let vca: Vec<u8> = wire[..connected]
            .iter()
            .flat_map(|(request, answer)| [&request.bytes[..], &answer.bytes].concat())
            .collect();
        // The first that the requester drew is its ephemeral key.
        let mut scalar = [0; 48];
        Counter(0x0fed_cba9_8765_4321).fill(&mut scalar).unwrap();
        let (request, answer) = &wire[authenticated];
        let chain = Identity::get().chain();
        let messages = [&vca, chain.as_bytes(), &request.bytes, &answer.bytes];
        let handshake = Handshake::new(version, &scalar, messages);
        let mut keys = handshake.keys.clone();
        let (finish, finished) = &wire[authenticated + 1];
        assert_eq!(
            keys.request.open(&finish.bytes),
            Some(handshake.finish.clone())
        );
        let response = keys.response.open(&finished.bytes).unwrap();
        let keys = handshake.clone().establish(&response);
        assert_eq!(requester.session(), Some(keys.session));
        assert_eq!(responder.session(), Some(keys.session));
        Self {
            version,
            until: [0, connected, authenticated, authenticated + 1, session],
            wire,
            handshake,
            keys,
        }
    }

    /// The keys of the session; of its handshake, while that is under way.
    pub(super) fn keys(&self, reached: Reached) -> Keys {
        if reached < Reached::Session {
            self.handshake.keys.clone()
        } else {
            self.keys.clone()
        }
    }

    /// FINISH.
    pub(super) fn finish(&self) -> &[u8] {
        &self.handshake.finish
    }

    /// Its requests and answers, padded.
    pub(super) fn wire(&self) -> &[(Packet, Packet)] {
        &self.wire
    }

    /// A requester that got so far.
    pub(super) fn requester(&self, reached: Reached) -> Requester {
        let mut requester = new_requester(self.version);
        let mut answers = self.wire.iter().map(|(_, answer)| answer);
        let exchanges = [
            (Reached::Connected, Exchange::Connect),
            (Reached::Authenticated, Exchange::Certificate { slot: 0 }),
            (Reached::Handshake, Exchange::OpenSession { slot: 0 }),
        ];
        for (_, exchange) in exchanges
            .into_iter()
            .filter(|(needed, _)| *needed <= reached)
        {
            let handshake = matches!(exchange, Exchange::OpenSession { .. });
            requester.begin(exchange).unwrap();
            while let Step::Send { .. } = requester.take(answers.next().unwrap()).unwrap() {
                if handshake && reached == Reached::Handshake {
                    break;
                }
            }
        }
        requester
    }

    /// A responder that got so far, and its device.
    pub(super) fn responder(&self, reached: Reached, size: Size) -> (Responder, Device) {
        let (mut responder, mut device) = (new_responder(self.version), Device::new(size));
        for (request, answer) in &self.wire[..self.until[reached as usize]] {
            let again = responder.respond(&mut device, request);
            assert_eq!(again.as_ref(), Some(answer));
        }
        (responder, device)
    }
}
