// SPDX-License-Identifier: GPL-2.0

//! What a requester does to a port, whatever that answers: it takes no other answer than that to its
//! request, and what it says was reached is what the port has.

use crate::{seeds, Input};
use ide_km::{
    k_gostop_ack, Direction, KeySet, Keys, KpAck, Milestone, Port, Procedure, Shape, Slot,
    SubStream, Target,
};

const STREAM: u8 = 5;
const SESSION: u32 = 1;

/// What to do, then for each answer whether it is the port's.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let shape = Shape {
        streams: 1,
        associations: 0,
        endpoint: true,
    };
    let mut port = Port::new(0, shape);
    port.write(0x10, 0x0540_0000, !0);
    let choice = input.byte();
    let set = [KeySet::K0, KeySet::K1][usize::from(choice & 1)];
    let keys = || {
        Keys::generate(&mut |bytes| {
            bytes.fill(7);
            true
        })
    };
    let establish = Procedure::establish(0, STREAM, set, keys().unwrap());
    let stops = choice & 2 != 0;
    if stops {
        honest(&mut port, establish.clone());
    }
    let mut procedure = if stops {
        Procedure::stop(0, STREAM, set)
    } else {
        establish
    };
    let mut request = procedure.begin();
    let (mut reached, mut tampered) = (Vec::new(), false);
    for step in 0.. {
        assert!(step < 13, "no end");
        let honest = port.respond(SESSION, &request);
        let mut answer = honest.clone().unwrap_or_default();
        match input.byte() % 4 {
            0 | 1 => {}
            2 => answer = input.bytes().to_vec(),
            _ => {
                let at = usize::from(input.byte()) % answer.len().max(1);
                if let Some(byte) = answer.get_mut(at) {
                    *byte ^= input.byte();
                }
            }
        }
        tampered |= honest.as_ref() != Some(&answer);
        let Ok(next) = procedure.take(&answer) else {
            assert!(tampered);
            return;
        };
        if request.len() > 3 {
            // All but QUERY is about a slot, and so is its answer.
            let target = KpAck::decode(&answer)
                .map(|ack| ack.target)
                .or(k_gostop_ack::decode(&answer));
            let Target {
                stream,
                slot,
                port_index,
            } = target.unwrap();
            assert_eq!(
                [stream, slot, port_index],
                [request[3], request[5], request[6]]
            );
        }
        if let Some(milestone) = next.reached {
            reached.push(milestone);
            if !tampered {
                holds(&port, set, milestone);
            }
        }
        match next.request {
            Some(next) => request = next,
            None => break,
        }
    }
    if stops {
        assert_eq!(reached, [Milestone::Stopped]);
    } else {
        let way = [
            Milestone::Queried,
            Milestone::Programmed,
            Milestone::Receiving,
            Milestone::Transmitting,
        ];
        assert_eq!(reached, way);
        assert!(procedure.queried().is_some());
    }
    assert!(procedure.take(&[]).is_err());
}

/// Both, with an honest port; and with answers that are not the port's.
pub fn seeds() -> Vec<Vec<u8>> {
    let slot = Slot {
        set: KeySet::K0,
        direction: Direction::Receive,
        sub_stream: SubStream::Posted,
    };
    let other = k_gostop_ack::encode(Target::new(0, STREAM, slot));
    vec![
        vec![0],
        vec![1],
        vec![2],
        vec![0, 0, 3, 4, 1],
        [&[2, 0, 2][..], &seeds::bytes(&other)].concat(),
        vec![0, 3, 0, 1],
    ]
}

fn honest(port: &mut Port, mut procedure: Procedure) {
    let mut request = Some(procedure.begin());
    while let Some(bytes) = request {
        let answer = port.respond(SESSION, &bytes).unwrap();
        request = procedure.take(&answer).unwrap().request;
    }
}

/// Whether the port is where an honest one is.
fn holds(port: &Port, set: KeySet, milestone: Milestone) {
    let keys = port.keys();
    let (keyed, secure) = (keys.is_keyed(STREAM), keys.is_secure(STREAM));
    let expected = match milestone {
        Milestone::Queried | Milestone::Stopped => (false, false),
        Milestone::Programmed | Milestone::Receiving => (true, false),
        Milestone::Transmitting => (true, true),
    };
    assert_eq!((keyed, secure), expected, "{milestone:?} of {set:?}");
}
