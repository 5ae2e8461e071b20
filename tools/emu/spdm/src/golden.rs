// SPDX-License-Identifier: GPL-2.0

//! A conversation between requester and responder of another implementation, against the
//! transcripts, keys, signatures and secured messages of this one. See `tests/golden/README.md`.

use crate::algorithms::{self, Offer};
use crate::connection::{Connection, Transcript};
use crate::header::Header;
use crate::secured::Direction;
use crate::session::{self, Phase, Session};
use crate::signature::{digest, PublicKey};
use crate::{
    capabilities, certificate, challenge, digests, end_session, finish, heartbeat, key_exchange,
    key_update, measurements, vendor, version,
};
use crate::{opaque, Trust, Version, DIGEST_SIZE, SIGNATURE_SIZE};
use sha2::{Digest, Sha384};
use std::collections::{BTreeMap, VecDeque};
use zerocopy::FromBytes;

const CONVERSATION: &str = include_str!("../tests/golden/dmtf/conversation.txt");
const SECRETS: &str = include_str!("../tests/golden/dmtf/secrets.txt");
const ROOT: &[u8] = include_bytes!("../tests/golden/root.der");
/// When it was recorded: 2026-11-21.
const NOW: u64 = 1_795_260_223;

const VERSION: Version = Version::V1_2;
/// Bytes of CHALLENGE_AUTH before its opaque data; it has a measurement summary.
const AUTH_SIZE: usize = 4 + DIGEST_SIZE + 32 + DIGEST_SIZE;
/// The same of KEY_EXCHANGE_RSP.
const EXCHANGE_SIZE: usize = 4 + 4 + 32 + key_exchange::POINT_SIZE + DIGEST_SIZE;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
        .collect()
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

/// What the recorded requester derived, by name.
fn secrets() -> BTreeMap<&'static str, [u8; DIGEST_SIZE]> {
    lines(SECRETS)
        .map(|words| (words[0], bytes(words[1]).try_into().unwrap()))
        .collect()
}

/// A request and its response.
type Exchange = (Vec<u8>, Vec<u8>);

/// What was recorded with this type of data object.
fn exchanges(kind: &str) -> VecDeque<Exchange> {
    let objects: Vec<_> = lines(CONVERSATION)
        .filter(|words| words[1] == kind)
        .collect();
    objects
        .chunks(2)
        .map(|pair| {
            assert_eq!([pair[0][0], pair[1][0]], ["request", "response"]);
            (bytes(pair[0][2]), bytes(pair[1][2]))
        })
        .collect()
}

/// The next exchange, which has to start with this request.
fn next(exchanges: &mut VecDeque<Exchange>, request: u8) -> Exchange {
    let exchange = exchanges.pop_front().unwrap();
    assert_eq!(exchange.0[1], request);
    exchange
}

fn transcript(parts: &[&[u8]]) -> Transcript {
    let mut transcript = Transcript::default();
    parts.iter().for_each(|part| transcript.push(part));
    transcript
}

/// Without opaque data, whose length stands at this place: what comes before the rest, and that.
fn behind_opaque(message: &[u8], at: usize) -> (&[u8], &[u8], &[u8]) {
    let length = usize::from(u16::from_le_bytes(message[at..at + 2].try_into().unwrap()));
    let end = at + 2 + length;
    (&message[..end], &message[at + 2..end], &message[end..])
}

fn verify(key: &PublicKey, context: &str, hash: [u8; DIGEST_SIZE], signature: &[u8]) {
    let signature = signature[..SIGNATURE_SIZE].try_into().unwrap();
    assert!(key.verify(&digest(VERSION, context, hash), &signature));
    assert!(!key.verify(&digest(VERSION, "another context", hash), &signature));
}

/// VERSION, CAPABILITIES, ALGORITHMS: the connection, and A.
fn connect(exchanges: &mut VecDeque<Exchange>) -> (Connection, Vec<u8>) {
    let (get_version, versions) = next(exchanges, version::REQUEST);
    let (get_capabilities, answer) = next(exchanges, capabilities::REQUEST);
    let (_, body) = Header::read_from_prefix(&get_capabilities).unwrap();
    let (requester, rest) = capabilities::decode(VERSION, body, 0).unwrap();
    assert!(rest.is_empty());
    let (length, responder) = capabilities::decode_response(VERSION, &answer, 0).unwrap();
    assert_eq!(length, answer.len());
    assert_eq!(requester.data_transfer_size(), 0x1200);
    let (negotiate, algorithms) = next(exchanges, algorithms::REQUEST);
    let offer = Offer::decode(&negotiate).unwrap();
    assert_eq!(offer.length, negotiate.len());
    let (length, agreed) = algorithms::decode_response(VERSION, &algorithms).unwrap();
    assert_eq!(length, algorithms.len());
    assert_eq!(offer.agree(VERSION), Some(agreed));
    assert!(agreed.session && agreed.measurements);
    // What this crate would have asked and answered is the same.
    assert_eq!(algorithms::encode(VERSION), negotiate);
    assert_eq!(algorithms::encode_response(VERSION, &offer), algorithms);
    let vca = [
        get_version,
        versions,
        get_capabilities,
        answer,
        negotiate,
        algorithms,
    ]
    .concat();
    let connection = Connection::new(VERSION, responder, agreed, transcript(&[&vca]));
    (connection, vca)
}

/// DIGESTS and CERTIFICATE: B, and the chain.
fn identify(exchanges: &mut VecDeque<Exchange>) -> (Vec<u8>, Vec<u8>) {
    let (get_digests, answer) = next(exchanges, digests::REQUEST);
    let (length, digests) = digests::decode_response(VERSION, &answer).unwrap();
    assert_eq!(length, answer.len());
    let (get_certificate, portion) = next(exchanges, certificate::REQUEST);
    let (range, remainder) = certificate::decode_response(VERSION, &portion, 0).unwrap();
    assert_eq!(remainder, 0);
    let chain = portion[range.clone()].to_vec();
    assert_eq!(
        digests.of(0),
        Some(&Sha384::digest(&chain).into()),
        "digest of the chain"
    );
    let b = [
        get_digests,
        answer,
        get_certificate,
        portion[..range.end].to_vec(),
    ];
    (b.concat(), chain)
}

fn measured(
    (request, response): &Exchange,
    transcript: &mut Transcript,
    key: &PublicKey,
) -> [u8; DIGEST_SIZE] {
    let asked = measurements::decode(request).unwrap();
    assert_eq!(asked.operation, measurements::OPERATION_ALL);
    let told = measurements::decode_response(VERSION, response, asked.signed).unwrap();
    assert_eq!(told.blocks, 8);
    transcript.push(&request[..asked.length]);
    transcript.push(&response[..told.length]);
    let hash = transcript.hash();
    let signature = told.signature.unwrap();
    verify(key, measurements::SIGNING_CONTEXT, hash, &signature);
    hash
}

/// Opens a message. Sealing it again gives what was recorded.
fn open(direction: &mut Direction, session: u32, sealed: &[u8]) -> Vec<u8> {
    let mut own = direction.clone();
    let message = direction.open(session, sealed).unwrap();
    let again = own.seal(session, &message).unwrap();
    assert!(sealed.starts_with(&again) && sealed.len() - again.len() < 4);
    message
}

#[test]
fn conversation() {
    let secrets = secrets();
    let mut plain = exchanges("1");
    let (connection, vca) = connect(&mut plain);

    let (b, chain) = identify(&mut plain);
    let trust = Trust {
        roots: vec![ROOT.to_vec()],
        now: NOW,
    };
    let key = trust.verify(&chain).unwrap();

    let (ask, answer) = next(&mut plain, challenge::REQUEST);
    let ask = &ask[..challenge::REQUEST_SIZE];
    let (signed, _, signature) = behind_opaque(&answer, AUTH_SIZE);
    let m1 = transcript(&[&vca, &b, ask, signed]).hash();
    assert_eq!(m1, secrets["m1_hash"]);
    verify(&key, challenge::SIGNING_CONTEXT, m1, signature);
    let summary = &answer[AUTH_SIZE - DIGEST_SIZE..AUTH_SIZE];

    // It asks once more for what it has.
    identify(&mut plain);
    next(&mut plain, digests::REQUEST);
    let exchange = next(&mut plain, measurements::REQUEST);
    let l1 = measured(&exchange, &mut connection.measurements_start(), &key);
    assert_eq!(l1, secrets["l1_hash_plain"]);
    let told = measurements::decode_response(VERSION, &exchange.1, Some(0)).unwrap();
    assert_eq!(Sha384::digest(&exchange.1[told.record]).as_slice(), summary);

    let (ask, answer) = next(&mut plain, key_exchange::REQUEST);
    assert!(plain.is_empty());
    let asked = key_exchange::decode(&ask).unwrap();
    let (signed, selected, rest) = behind_opaque(&answer, EXCHANGE_SIZE);
    assert_eq!(
        opaque::select(VERSION, asked.opaque).as_deref(),
        Some(selected)
    );
    opaque::check_selection(VERSION, selected).unwrap();
    let chain = Sha384::digest(&chain).into();
    let mut th = session::transcript(&connection, &chain, &ask[..asked.length], signed);
    assert_eq!(th.hash(), secrets["th_hash_for_signature"]);
    verify(&key, key_exchange::SIGNING_CONTEXT, th.hash(), rest);
    let (signature, rest) = rest.split_at(SIGNATURE_SIZE);
    th.push(signature);
    assert_eq!(th.hash(), secrets["th1_hash"]);

    let responders = u16::from_le_bytes(answer[4..6].try_into().unwrap());
    let id = key_exchange::session_id(asked.fixed.session.get(), responders);
    let shared = secrets["dhe_secret"];
    let mut session = Session::new(&connection, (id, answer[2]), th, &shared).unwrap();
    let hmac = rest[..DIGEST_SIZE].try_into().unwrap();
    assert!(session.check_exchange(&hmac));
    session.push(&hmac);
    finished(&mut session, id, &key, &secrets);
}

/// FINISH and what is said in the session.
fn finished(
    session: &mut Session,
    id: u32,
    key: &PublicKey,
    secrets: &BTreeMap<&str, [u8; DIGEST_SIZE]>,
) {
    let mut secured = exchanges("2");
    let (ask, answer) = secured.pop_front().unwrap();
    let ask = open(&mut session.request, id, &ask);
    let (covered, hmac) = finish::decode(&ask).unwrap();
    assert!(session.take_finish(covered, &hmac));
    let answer = open(&mut session.response, id, &answer);
    let length = finish::decode_response(VERSION, &answer).unwrap();
    session.push(&answer[..length]);
    session.establish().unwrap();
    assert_eq!(session.phase, Phase::Established);

    let mut count = BTreeMap::new();
    for (ask, answer) in secured {
        let ask = open(&mut session.request, id, &ask);
        let updates = ask[..3] == [0x12, key_update::REQUEST, 2];
        if updates {
            // Its acknowledgement comes with the new key of responses (11.4.2).
            session.response = session.response.next().unwrap();
        }
        let answer = open(&mut session.response, id, &answer);
        if updates {
            session.request = session.request.next().unwrap();
        }
        assert_eq!(answer[1], ask[1] & 0x7f);
        *count.entry(ask[1]).or_insert(0) += 1;
        if ask[1] == measurements::REQUEST {
            let hash = measured(&(ask, answer), &mut session.measurements, key);
            assert_eq!(hash, secrets["l1_hash_session"]);
        }
    }
    let expected = [
        (measurements::REQUEST, 1),
        (heartbeat::REQUEST, 1),
        (key_update::REQUEST, 2),
        (end_session::REQUEST, 1),
        (vendor::REQUEST, 30),
    ];
    assert_eq!(count, BTreeMap::from(expected));
}
