// SPDX-License-Identifier: GPL-2.0

//! Why a requester cannot go on.

use thiserror::Error;

/// What is wrong with a response, or with asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is ERROR; see [`crate::ErrorCode`] for the codes.
    #[error("SPDM error {0:#x}")]
    Refused(u8),
    /// It ends before what it has to hold does.
    #[error("response too short")]
    Short,
    /// It goes on after what it has to hold, or the request is longer than the responder takes.
    #[error("message too long")]
    TooLong,
    /// It is another response than the one to the request.
    #[error("unexpected response {0:#x}")]
    Unexpected(u8),
    /// A field has a value that it may not have.
    #[error("malformed response")]
    Malformed,
    /// The responder has no version that is accepted.
    #[error("no version in common")]
    NoCommonVersion,
    /// The responder chose algorithms that were not offered, or none.
    #[error("no algorithms in common")]
    NoCommonAlgorithms,
    /// The responder cannot do what was asked for.
    #[error("the responder lacks a capability")]
    MissingCapability,
    /// The certificate chain is not one to trust.
    #[error("certificate chain: {0}")]
    Chain(#[from] ChainFault),
    /// A signature over a transcript is wrong.
    #[error("wrong signature in {0:?}")]
    Signature(Signed),
    /// The HMAC in KEY_EXCHANGE_RSP is wrong.
    #[error("wrong HMAC")]
    Hmac,
    /// A secured message is not authentic. The session is gone.
    #[error("a secured message is not authentic")]
    Decrypt,
    /// A secured message is authentic and comes at the wrong time: it is replayed, or one before it
    /// is missing. The session is gone.
    #[error("a secured message out of sequence")]
    Sequence,
    /// A secured message of another session. The session is gone.
    #[error("a secured message of another session")]
    Session,
    /// A message in the clear where a secured one belongs, or the other way round. The session is
    /// gone.
    #[error("a message in the wrong kind of data object")]
    InTheClear,
    /// This cannot be begun or taken now.
    #[error("not at this point")]
    Order,
    /// The responder wants to be asked later, too often or too much later.
    #[error("the responder is not ready")]
    NotReady,
    /// There are no random bytes.
    #[error("no entropy")]
    Entropy,
}

/// What is wrong with a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChainFault {
    /// It is not a chain of certificates.
    #[error("malformed")]
    Malformed,
    /// Its prefix holds another hash than that of its root.
    #[error("wrong hash of the root")]
    RootHash,
    /// Its root is not a trusted one.
    #[error("root not trusted")]
    Untrusted,
    /// A certificate is not valid yet.
    #[error("not valid yet")]
    NotYetValid,
    /// A certificate is not valid any more.
    #[error("expired")]
    Expired,
    /// A certificate is not signed by the one before it.
    #[error("wrong signature")]
    Signature,
    /// A certificate is signed by one that may not sign certificates, or that has another name.
    #[error("issuer may not issue")]
    Issuer,
    /// The last certificate is that of an authority, or its key cannot be used.
    #[error("unusable leaf")]
    Leaf,
    /// It is not the chain whose digest DIGESTS told.
    #[error("not the chain of the digest")]
    Digest,
}

/// Responses that are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// CHALLENGE_AUTH.
    Challenge,
    /// MEASUREMENTS.
    Measurements,
    /// KEY_EXCHANGE_RSP.
    KeyExchange,
}
