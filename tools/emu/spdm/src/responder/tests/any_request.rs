// SPDX-License-Identifier: GPL-2.0

//! Whatever is asked: no panic, and always an answer.

use super::*;
use proptest::prelude::*;
use std::sync::OnceLock;

/// Messages of all kinds, good and changed.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    static GOOD: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let good = GOOD.get_or_init(|| {
        let own = capabilities::Capabilities::new(CAPABILITIES, 4096);
        let mut all = vec![
            version::encode(),
            capabilities::encode(VERSION, capabilities::REQUEST, &own),
            algorithms::encode(VERSION),
            respond_if_ready::encode(VERSION, digests::REQUEST, 1),
        ];
        all.extend(requests());
        all.extend(session_requests());
        all
    });
    let changed = (
        proptest::sample::select(good.clone()),
        any::<prop::sample::Index>(),
        any::<u8>(),
        proptest::collection::vec(any::<u8>(), 0..8),
    )
        .prop_map(|(mut message, at, value, more)| {
            let at = at.index(message.len());
            message[at] = value;
            message.extend(more);
            message
        });
    prop_oneof![
        proptest::sample::select(good.clone()),
        changed,
        proptest::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any sequence of messages, in the clear and not: there is always an answer.
    #[test]
    fn any_requests(
        messages in proptest::collection::vec((any_message(), any::<bool>()), 1..12),
        connect: bool,
        mischief in any::<[bool; 4]>(),
    ) {
        let mut pair = if connect { connected() } else { Pair::new() };
        let [not_ready, busy, skip, replay] = mischief.map(u32::from);
        pair.responder.mischief = Mischief { not_ready, busy, skip, replay, ..Mischief::default() };
        for (message, secured) in messages {
            let mut packet = Packet::plain(message);
            if secured {
                packet.carriage = Carriage::Secured;
            }
            let answer = pair.responder.respond(&mut pair.device, &packet);
            prop_assert!(answer.is_some_and(|answer| answer.bytes.len() >= 4));
        }
    }

    /// The same by somebody who has the keys.
    #[test]
    fn any_secured_requests(
        messages in proptest::collection::vec(any_message(), 1..8),
        established: bool,
    ) {
        let mut hand = if established { Hand::established() } else { Hand::new() };
        for message in messages {
            hand.say(&message);
        }
        let ended = hand.pair.device.ended.len();
        prop_assert!(ended <= 1);
    }
}
