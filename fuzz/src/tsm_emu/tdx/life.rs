// SPDX-License-Identifier: GPL-2.0

//! A session, a stream, a device interface and its TDI, from nothing to one that runs.

use tsm_wire::tdx::devif::TdispCode;
use tsm_wire::tdx::{Call, Leaf, StandIn};

/// IDE_KM requests that bring keys, and have them used.
const KEY_MESSAGES: u8 = 12;

/// In a good order, what there is more at each height.
pub(super) const LIFE: [Step; 13] = [
    Step::Calls(&[
        (Call::Leaf(Leaf::MngCreate), 1),
        (Call::Leaf(Leaf::MngKeyConfig), 1),
        (Call::Leaf(Leaf::MngAddcx), 1),
        (Call::Leaf(Leaf::MngInit), 1),
        (Call::Leaf(Leaf::MrFinalize), 1),
    ]),
    Step::Calls(&[(Call::Leaf(Leaf::SpdmCreate), 1)]),
    Step::Talks(Talk::Agent(StandIn::TpaConnect), 1),
    Step::Calls(&[
        (Call::Leaf(Leaf::DevifMtAdd), 4),
        (Call::Leaf(Leaf::IdeStreamCreate), 1),
    ]),
    Step::Talks(Talk::Key, KEY_MESSAGES),
    Step::Calls(&[
        (Call::Leaf(Leaf::DevifCreate), 1),
        (Call::Leaf(Leaf::DmarAdd), 1),
    ]),
    Step::Talks(Talk::Host(TdispCode::Lock), 1),
    Step::Calls(&[(Call::StandIn(StandIn::DevifValidate), 1)]),
    Step::Talks(Talk::Guest(TdispCode::GetReport), 1),
    Step::Calls(&[
        (Call::Leaf(Leaf::MmioMtAdd), 5),
        (Call::Leaf(Leaf::MmioMtSet), 1),
        (Call::Leaf(Leaf::MmioMap), 1),
    ]),
    Step::Calls(&[(Call::StandIn(StandIn::MmioAccept), 1)]),
    Step::Calls(&[(Call::StandIn(StandIn::DmarAccept), 1)]),
    Step::Talks(Talk::Guest(TdispCode::Start), 1),
];

/// What makes one height of the one below.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Calls, each with the first variants of its operands.
    Calls(&'static [(Call, u8)]),
    /// The first variants of a conversation.
    Talks(Talk, u8),
}

/// What a conversation with the device is for.
#[derive(Clone, Copy)]
pub(super) enum Talk {
    /// The agent that makes sessions.
    Agent(StandIn),
    /// Keys.
    Key,
    /// A request of the host's.
    Host(TdispCode),
    /// A request of the guest's.
    Guest(TdispCode),
}

/// All that there are inputs for.
pub(super) const TALKS: [Talk; 10] = [
    Talk::Agent(StandIn::TpaConnect),
    Talk::Agent(StandIn::TpaDisconnect),
    Talk::Agent(StandIn::TpaMeasure),
    Talk::Key,
    Talk::Host(TdispCode::Lock),
    Talk::Host(TdispCode::Stop),
    Talk::Host(TdispCode::GetState),
    Talk::Guest(TdispCode::GetReport),
    Talk::Guest(TdispCode::Start),
    Talk::Guest(TdispCode::GetState),
];
