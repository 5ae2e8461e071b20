// SPDX-License-Identifier: GPL-2.0

//! Whatever comes back: no panic, and what was changed is noticed.

use super::*;
use proptest::prelude::*;
use std::sync::OnceLock;

/// The answers of all exchanges, each with the number of the exchange in [`tour`].
fn answers() -> &'static [Packet] {
    static ANSWERS: OnceLock<Vec<Packet>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let mut pair = Pair::new();
        for exchange in tour() {
            pair.run(exchange).unwrap();
        }
        pair.wire.into_iter().skip(1).step_by(2).collect()
    })
}

fn requester() -> Requester {
    Requester::new(Identity::usual().trust(), Box::new(Counter(2)))
}

/// Goes through [`tour`] with answers from the record, the one of this number changed. True if it
/// came through all.
fn replay(number: usize, change: impl Fn(&mut Packet)) -> bool {
    let mut requester = requester();
    let mut answers = answers().iter().cloned().enumerate();
    for exchange in tour() {
        if requester.begin(exchange).is_err() {
            return false;
        }
        loop {
            let Some((at, mut answer)) = answers.next() else {
                return false;
            };
            if at == number {
                change(&mut answer);
            }
            match requester.take(&answer) {
                Ok(Step::Send { .. }) => {}
                Ok(Step::Done { .. }) => break,
                Err(_) => return false,
            }
        }
    }
    true
}

#[test]
fn unchanged() {
    assert!(replay(usize::MAX, |_| {}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A changed byte is noticed sooner or later, whichever it is: all that is not padding is
    /// part of something that is signed or authenticated.
    #[test]
    fn changed(
        number in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let number = number.index(answers().len());
        let length = answers()[number].bytes.len();
        let at = at.index(length);
        let through = replay(number, |answer| answer.bytes[at] ^= bits);
        // After the last exchanges in the clear nothing follows that signs them; these hold
        // unsigned measurements and digests.
        let unsigned = [0x60, 0x01].contains(&answers()[number].bytes[1]);
        let padding = at + 3 >= length;
        prop_assert!(!through || unsigned || padding, "answer {} byte {}", number, at);
    }

    #[test]
    fn anything(
        number in any::<prop::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        keep in 0usize..6,
        secured: bool,
    ) {
        let number = number.index(answers().len());
        replay(number, |answer| {
            answer.bytes.truncate(keep);
            answer.bytes.extend(&bytes);
            if secured {
                answer.carriage = Carriage::Secured;
            }
        });
    }
}
