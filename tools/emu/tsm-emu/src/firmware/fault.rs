// SPDX-License-Identifier: GPL-2.0

//! How the host is told what was wrong with a device.

use ide_km::Refused;
use spdm::{ChainFault, Fault, Signed};
use tsm_wire::detail::{
    AuthenticationFault, Detail, DetailClass, IdeFault, SessionFault, TransportFault,
};

/// A message that did not come, or not as it has to be.
pub(super) fn transport(fault: TransportFault) -> Detail {
    Detail {
        class: DetailClass::Transport,
        value: fault as u16,
    }
}

/// A device that is not one to trust.
pub(super) fn authentication(fault: AuthenticationFault) -> Detail {
    Detail {
        class: DetailClass::Authentication,
        value: fault as u16,
    }
}

fn session(fault: SessionFault) -> Detail {
    Detail {
        class: DetailClass::Session,
        value: fault as u16,
    }
}

fn ide(fault: IdeFault) -> Detail {
    Detail {
        class: DetailClass::Ide,
        value: fault as u16,
    }
}

/// What a requester of SPDM says.
pub(super) fn of_spdm(fault: Fault) -> Detail {
    match fault {
        Fault::Refused(code) => Detail {
            class: DetailClass::Spdm,
            value: u16::from(code),
        },
        Fault::Short => transport(TransportFault::Short),
        Fault::TooLong => transport(TransportFault::TooLong),
        Fault::Unexpected(_) | Fault::Order => transport(TransportFault::Unexpected),
        Fault::Malformed => transport(TransportFault::Malformed),
        Fault::NotReady => transport(TransportFault::NotReady),
        Fault::NoCommonVersion => authentication(AuthenticationFault::NoCommonVersion),
        Fault::NoCommonAlgorithms => authentication(AuthenticationFault::NoCommonAlgorithms),
        Fault::MissingCapability => authentication(AuthenticationFault::MissingCapability),
        Fault::Entropy => authentication(AuthenticationFault::Entropy),
        Fault::Chain(fault) => authentication(of_chain(fault)),
        Fault::Signature(signed) => authentication(match signed {
            Signed::Challenge => AuthenticationFault::ChallengeSignature,
            Signed::Measurements => AuthenticationFault::MeasurementSignature,
            Signed::KeyExchange => AuthenticationFault::KeyExchangeSignature,
        }),
        Fault::Hmac => session(SessionFault::Hmac),
        Fault::Decrypt => session(SessionFault::Decrypt),
        Fault::Sequence => session(SessionFault::Sequence),
        Fault::Session => session(SessionFault::OtherSession),
        Fault::InTheClear => session(SessionFault::InTheClear),
    }
}

fn of_chain(fault: ChainFault) -> AuthenticationFault {
    match fault {
        ChainFault::Malformed => AuthenticationFault::Malformed,
        ChainFault::RootHash => AuthenticationFault::RootHash,
        ChainFault::Untrusted => AuthenticationFault::Untrusted,
        ChainFault::NotYetValid => AuthenticationFault::NotYetValid,
        ChainFault::Expired => AuthenticationFault::Expired,
        ChainFault::Signature => AuthenticationFault::ChainSignature,
        ChainFault::Issuer => AuthenticationFault::Issuer,
        ChainFault::Leaf => AuthenticationFault::Leaf,
        ChainFault::Digest => AuthenticationFault::Digest,
    }
}

/// What a requester of TDISP says.
pub(super) fn of_tdisp(fault: tdisp::Fault) -> Detail {
    match fault {
        tdisp::Fault::Refused(code) => Detail {
            class: DetailClass::Tdisp,
            value: code as u16,
        },
        tdisp::Fault::WrongState(state) => Detail {
            class: DetailClass::WrongState,
            value: state as u16,
        },
        tdisp::Fault::Unexpected => transport(TransportFault::Unexpected),
        tdisp::Fault::Malformed(tdisp::Malformed::Short) => transport(TransportFault::Short),
        tdisp::Fault::Malformed(_) | tdisp::Fault::Inconsistent => {
            transport(TransportFault::Malformed)
        }
    }
}

/// What a requester of IDE_KM says.
pub(super) fn of_ide_km(fault: ide_km::Fault) -> Detail {
    use ide_km::Status;
    match fault {
        ide_km::Fault::Unexpected => transport(TransportFault::Unexpected),
        ide_km::Fault::Refused(status) => ide(match status {
            Status::IncorrectLength => IdeFault::IncorrectLength,
            Status::UnsupportedPortIndex => IdeFault::UnsupportedPortIndex,
            Status::UnsupportedValue => IdeFault::UnsupportedValue,
            Status::Successful | Status::UnspecifiedFailure => IdeFault::Unspecified,
        }),
    }
}

/// What the root port says.
pub(super) fn of_root_port(_: Refused) -> Detail {
    ide(IdeFault::RootPort)
}

/// There is no such root port.
pub(super) fn no_root_port() -> Detail {
    ide(IdeFault::RootPort)
}
