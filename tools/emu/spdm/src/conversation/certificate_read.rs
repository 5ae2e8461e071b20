// SPDX-License-Identifier: GPL-2.0

//! Reads a certificate chain. What is read are the certificates, without what SPDM puts before
//! them.

use super::{Conversation, Turn, DATA_TRANSFER_SIZE};
use crate::certificate::{self, PORTION_OFFSET};
use crate::{Fault, CHAIN_PREFIX_SIZE};

/// Reads the certificate chain of a slot.
#[derive(Clone, Debug)]
pub struct CertificateRead {
    slot: u8,
    read: usize,
    total: Option<usize>,
}

impl CertificateRead {
    /// Of this slot, below 8.
    pub fn new(slot: u8) -> Self {
        Self {
            slot,
            read: 0,
            total: None,
        }
    }

    fn request(&self) -> Vec<u8> {
        let room = DATA_TRANSFER_SIZE as usize - PORTION_OFFSET;
        let left = self
            .total
            .map_or(room, |total| (total - self.read).min(room));
        certificate::encode(self.slot, self.read as u16, left as u16)
    }
}

impl Conversation for CertificateRead {
    fn begin(&mut self) -> Turn {
        Turn {
            take: None,
            request: Some(self.request()),
            keep_request: false,
        }
    }

    fn take(&mut self, response: &[u8]) -> Result<Turn, Fault> {
        let (range, remainder) = certificate::decode_response(response, self.slot)?;
        let first = self.read == 0;
        self.read += range.len();
        let total = self.read + usize::from(remainder);
        let consistent =
            *self.total.get_or_insert(total) == total && total <= usize::from(u16::MAX);
        let room = DATA_TRANSFER_SIZE as usize - PORTION_OFFSET;
        // A first portion without a whole prefix is not worth reassembling: no device sends less
        // than its smallest buffer.
        if !consistent
            || range.is_empty()
            || range.len() > room
            || (first && range.len() <= CHAIN_PREFIX_SIZE)
        {
            return Err(Fault::Malformed);
        }
        let skip = if first { CHAIN_PREFIX_SIZE } else { 0 };
        Ok(Turn {
            take: Some(range.start + skip..range.end),
            request: (remainder != 0).then(|| self.request()),
            keep_request: false,
        })
    }
}
