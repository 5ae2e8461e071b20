// SPDX-License-Identifier: GPL-2.0

//! What every message starts with (10.1), and how messages are put together and taken apart.

use crate::{Fault, Version};
use zerocopy::{FromBytes, IntoBytes};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a [`Header`].
pub const HEADER_SIZE: usize = 4;

/// Most bytes that a transport may append to make a message whole words.
const PADDING_MAX: usize = 3;
/// Most bytes that follow an answer if who carries it makes it whole blocks of 32 bytes: AMD's secure
/// processor gets what a device says in such blocks. They are zero then.
const BLOCK_PADDING_MAX: usize = 31;

/// Header of every message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Major version in bits 7:4, minor in bits 3:0.
    pub version: u8,
    /// Code of the request or response.
    pub code: u8,
    /// Its meaning is the message's.
    pub param1: u8,
    /// Its meaning is the message's.
    pub param2: u8,
}

/// A message: header and body.
pub(crate) fn message(version: u8, code: u8, param1: u8, param2: u8, body: &[u8]) -> Vec<u8> {
    let header = Header {
        version,
        code,
        param1,
        param2,
    };
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// Takes a response apart: its header and what follows, if it has this version and code.
pub(crate) fn response(bytes: &[u8], version: Version, code: u8) -> Result<(Header, &[u8]), Fault> {
    response_of(bytes, version.wire(), code)
}

/// The same for a version as it stands in the header.
pub(crate) fn response_of(bytes: &[u8], version: u8, code: u8) -> Result<(Header, &[u8]), Fault> {
    let (header, body) = Header::read_from_prefix(bytes).map_err(|_| Fault::Short)?;
    if header.code == crate::error::RESPONSE {
        return Err(Fault::Refused(header.param1));
    }
    if header.code != code {
        return Err(Fault::Unexpected(header.code));
    }
    if header.version != version {
        return Err(Fault::Malformed);
    }
    Ok((header, body))
}

/// A request or response that is a header and nothing else.
pub(crate) fn bare(body: &[u8]) -> Option<()> {
    end(body).ok()
}

/// How many bytes of a message are before its padding.
pub(crate) fn consumed(bytes: &[u8], rest: &[u8]) -> usize {
    bytes.len().saturating_sub(rest.len())
}

/// Takes a structure from the front.
pub(crate) fn front<T>(bytes: &[u8]) -> Result<(T, &[u8]), Fault>
where
    T: FromBytes,
{
    T::read_from_prefix(bytes).map_err(|_| Fault::Short)
}

/// Takes so many bytes from the front.
pub(crate) fn split(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), Fault> {
    bytes.split_at_checked(length).ok_or(Fault::Short)
}

/// Nothing may follow a message but padding.
pub(crate) fn end(rest: &[u8]) -> Result<(), Fault> {
    if rest.len() > PADDING_MAX {
        Err(Fault::TooLong)
    } else {
        Ok(())
    }
}

/// Nothing may follow an answer in the clear but padding, of whoever carried it to this requester.
pub(crate) fn end_of_answer(rest: &[u8]) -> Result<(), Fault> {
    let zero = rest.iter().skip(PADDING_MAX).all(|byte| *byte == 0);
    if rest.len() > BLOCK_PADDING_MAX || !zero {
        Err(Fault::TooLong)
    } else {
        Ok(())
    }
}
