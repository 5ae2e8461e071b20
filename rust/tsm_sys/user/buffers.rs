// SPDX-License-Identifier: GPL-2.0

//! The request and the response buffer of one call.

use std::num::TryFromIntError;

/// A request, and where its response goes.
#[derive(Debug)]
pub(crate) struct Buffers<'b> {
    request: &'b [u8],
    response: &'b mut [u8],
    request_len: u32,
    response_len: u32,
}

/// Addresses and lengths of [`Buffers`], as the structures of the ABI have them: an address is 0
/// exactly if its length is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) req_len: u32,
    pub(crate) resp_len: u32,
    pub(crate) req_uptr: u64,
    pub(crate) resp_uptr: u64,
}

impl<'b> Buffers<'b> {
    /// Fails if a length does not fit in the field that carries it.
    pub(crate) fn new(request: &'b [u8], response: &'b mut [u8]) -> Result<Self, TryFromIntError> {
        Ok(Buffers {
            request_len: u32::try_from(request.len())?,
            response_len: u32::try_from(response.len())?,
            request,
            response,
        })
    }

    /// Where they are. Taken anew for each call, so that the response's address comes from the
    /// exclusive borrow that stands behind it.
    #[inline]
    pub(crate) fn place(&mut self) -> Placed {
        let address = |len: u32, address: usize| if len == 0 { 0 } else { address as u64 };
        Placed {
            req_len: self.request_len,
            resp_len: self.response_len,
            req_uptr: address(self.request_len, self.request.as_ptr() as usize),
            resp_uptr: address(self.response_len, self.response.as_mut_ptr() as usize),
        }
    }

    pub(crate) fn response(&self) -> &[u8] {
        self.response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_has_no_address() {
        let mut buffers = Buffers::new(&[], &mut []).unwrap();
        let nowhere = Placed {
            req_len: 0,
            resp_len: 0,
            req_uptr: 0,
            resp_uptr: 0,
        };
        assert_eq!(buffers.place(), nowhere);
    }

    #[test]
    fn addresses_are_those_of_the_slices() {
        let request = [1, 2, 3];
        let mut response = [0; 5];
        let (from, to) = (request.as_ptr() as u64, response.as_ptr() as u64);
        let mut buffers = Buffers::new(&request, &mut response).unwrap();
        let placed = Placed {
            req_len: 3,
            resp_len: 5,
            req_uptr: from,
            resp_uptr: to,
        };
        assert_eq!(buffers.place(), placed);
    }
}
