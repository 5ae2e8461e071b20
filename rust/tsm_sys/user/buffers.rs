// SPDX-License-Identifier: GPL-2.0

//! The request and the response buffer of one call, as the structures of the ABI have them: lengths
//! of 32 bits, and an address that is 0 exactly if its length is.

use std::num::TryFromIntError;

/// A request, and where its response goes.
#[derive(Debug)]
pub(crate) struct Buffers<'b> {
    request: &'b [u8],
    response: &'b mut [u8],
}

impl<'b> Buffers<'b> {
    pub(crate) fn new(request: &'b [u8], response: &'b mut [u8]) -> Self {
        Buffers { request, response }
    }

    /// Length of the request. Fails if its field cannot carry it.
    pub(crate) fn request_len(&self) -> Result<u32, TryFromIntError> {
        u32::try_from(self.request.len())
    }

    /// Length of the response buffer. Fails if its field cannot carry it.
    pub(crate) fn response_len(&self) -> Result<u32, TryFromIntError> {
        u32::try_from(self.response.len())
    }

    /// Address of the request.
    pub(crate) fn request_address(&self) -> u64 {
        match self.request {
            [] => 0,
            request => request.as_ptr() as u64,
        }
    }

    /// Address of the response buffer. To be taken anew for each call: it comes from the exclusive
    /// borrow then, whatever was done with the buffer since the last.
    #[inline]
    pub(crate) fn response_address(&mut self) -> u64 {
        match &mut *self.response {
            [] => 0,
            response => response.as_mut_ptr() as u64,
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
        let mut buffers = Buffers::new(&[], &mut []);
        assert_eq!(
            (buffers.request_len(), buffers.response_len()),
            (Ok(0), Ok(0))
        );
        assert_eq!(
            (buffers.request_address(), buffers.response_address()),
            (0, 0)
        );
    }

    #[test]
    fn addresses_are_those_of_the_slices() {
        let request = [1, 2, 3];
        let mut response = [0; 5];
        let (from, to) = (request.as_ptr() as u64, response.as_ptr() as u64);
        let mut buffers = Buffers::new(&request, &mut response);
        assert_eq!(
            (buffers.request_len(), buffers.response_len()),
            (Ok(3), Ok(5))
        );
        assert_eq!(
            (buffers.request_address(), buffers.response_address()),
            (from, to)
        );
    }
}
