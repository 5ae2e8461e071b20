// SPDX-License-Identifier: GPL-2.0

//! What a fuzzer gives, read as decisions. At its end every decision is zero.

/// The rest of an input.
#[derive(Clone, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The whole of it.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Whether or not.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Two bytes, little-endian.
    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Four bytes, little-endian.
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Eight bytes, little-endian.
    pub fn double(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.take(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// At most so many bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Up to 65535 bytes: a length, and as many of them as are there.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.half();
        self.take(length.into())
    }

    /// What is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn reads() {
        let mut input = Input::new(&[1, 2, 3, 2, 0, 8, 9, 4]);
        assert_eq!((input.byte(), input.half()), (1, 0x302));
        assert_eq!(input.bytes(), [8, 9]);
        assert_eq!(input.pick(&['a', 'b', 'c']), 'b');
        assert!(input.is_empty());
        assert_eq!((input.word(), input.double(), input.flag()), (0, 0, false));
        assert!(input.bytes().is_empty());
        assert_eq!(Input::new(&[5, 0, 1]).bytes(), [1]);
    }
}
