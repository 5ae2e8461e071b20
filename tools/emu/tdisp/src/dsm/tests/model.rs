// SPDX-License-Identifier: GPL-2.0

//! Any events, against the rules of the standard written down once more.

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Lock(u32, u8),
    Start(u32, bool),
    Stop(u32),
    Bind(u32, u8),
    Unbind(u32, u8),
    Report(u32),
    StreamLost(u8),
    SessionEnded(u32),
    FunctionReset,
    Reset,
}

fn events() -> impl Strategy<Value = Event> {
    let session = || prop_oneof![6 => Just(SESSION), 1 => Just(OTHER)];
    let stream = || prop_oneof![4 => Just(STREAM), 1 => 4u8..9];
    prop_oneof![
        8 => (session(), stream()).prop_map(|(id, stream)| Event::Lock(id, stream)),
        8 => (session(), prop::bool::weighted(0.8)).prop_map(|(id, right)| Event::Start(id, right)),
        2 => session().prop_map(Event::Stop),
        4 => (session(), 5u8..9).prop_map(|(id, stream)| Event::Bind(id, stream)),
        2 => (session(), 5u8..9).prop_map(|(id, stream)| Event::Unbind(id, stream)),
        1 => session().prop_map(Event::Report),
        1 => (4u8..9).prop_map(Event::StreamLost),
        1 => session().prop_map(Event::SessionEnded),
        1 => Just(Event::FunctionReset),
        1 => Just(Event::Reset),
    ]
}

proptest! {
    #[test]
    fn model(events in proptest::collection::vec(events(), 0..80)) {
        let (mut dsm, mut functions) = (Dsm::new(1, 40), Functions::new(ALL_FEATURES));
        let (d, f) = (&mut dsm, &mut functions);
        let (mut expected, mut peers, mut nonce) = (State::Unlocked, Vec::new(), [0; 32]);
        for event in events {
            let mine = |id| id == SESSION || !expected.is_locked();
            let fail = |state: State| if state.is_locked() { State::Error } else { state };
            match event {
                Event::Lock(id, stream) => {
                    let wanted = Request::Lock(LockRequest {
                        flags: U16::new(Flags::BIND_P2P.0),
                        default_stream: stream,
                        ..Default::default()
                    });
                    let answer = ask_in(id, d, f, 0, wanted);
                    let good = expected == State::Unlocked && (id, stream) == (SESSION, STREAM);
                    prop_assert_eq!(matches!(answer, Response::Lock(_)), good);
                    if let Response::Lock(new) = answer {
                        (expected, nonce) = (State::Locked, new);
                    }
                }
                Event::Start(id, right) => {
                    let offered = if right { nonce } else { [0; 32] };
                    let answer = ask_in(id, d, f, 0, Request::Start(offered));
                    let good = mine(id) && right && expected == State::Locked;
                    prop_assert_eq!(answer == Response::Start, good);
                    if good {
                        expected = State::Run;
                    }
                }
                Event::Stop(id) => {
                    let answer = ask_in(id, d, f, 0, Request::Stop);
                    prop_assert_eq!(answer == Response::Stop, mine(id));
                    if mine(id) {
                        expected = State::Unlocked;
                    }
                }
                Event::Bind(id, stream) => {
                    let answer = ask_in(id, d, f, 0, Request::BindP2p(stream));
                    let good = mine(id) && expected == State::Run
                        && PEERS.contains(&stream) && !peers.contains(&stream);
                    prop_assert_eq!(answer == Response::BindP2p, good);
                    if good {
                        peers.push(stream);
                    }
                }
                Event::Unbind(id, stream) => {
                    let answer = ask_in(id, d, f, 0, Request::UnbindP2p(stream));
                    let good = mine(id) && expected == State::Run && peers.contains(&stream);
                    prop_assert_eq!(answer == Response::UnbindP2p, good);
                    if good {
                        peers.retain(|peer| *peer != stream);
                    }
                }
                Event::Report(id) => {
                    let whole = ReportRequest { offset: U16::new(0), length: U16::new(0xffff) };
                    let answer = ask_in(id, d, f, 0, Request::GetReport(whole));
                    prop_assert_eq!(matches!(answer, Response::Report(_)), expected.is_locked());
                }
                Event::StreamLost(stream) => {
                    let hit = expected.is_locked() && (stream == STREAM || peers.contains(&stream));
                    prop_assert_eq!(d.stream_lost(stream), usize::from(hit));
                    if hit {
                        expected = State::Error;
                    }
                }
                Event::SessionEnded(id) => {
                    let hit = expected.is_locked() && id == SESSION;
                    prop_assert_eq!(d.session_ended(id), usize::from(hit));
                    if hit {
                        expected = State::Error;
                    }
                }
                Event::FunctionReset => {
                    prop_assert_eq!(d.fail(0), expected.is_locked());
                    expected = fail(expected);
                }
                Event::Reset => {
                    d.reset();
                    expected = State::Unlocked;
                }
            }
            if expected != State::Run {
                peers.clear();
            }
            prop_assert_eq!(d.state(0), Some(expected));
            let answer = ask_in(OTHER, d, f, 0, Request::GetState);
            prop_assert_eq!(answer, Response::State(expected));
        }
    }
}
