// SPDX-License-Identifier: GPL-2.0

//! What goes through the mailbox (PCI Express 6.0, 6.31).

/// Which data object type carries it (vendor ID 0x0001).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// CMA/SPDM: the message as it is.
    Plain,
    /// Secured CMA/SPDM: a secured message of DSP0277.
    Secured,
}

impl Carriage {
    /// The data object type.
    pub fn data_object_type(self) -> u8 {
        match self {
            Self::Plain => 1,
            Self::Secured => 2,
        }
    }

    /// Of this data object type.
    pub fn of(data_object_type: u8) -> Option<Self> {
        match data_object_type {
            1 => Some(Self::Plain),
            2 => Some(Self::Secured),
            _ => None,
        }
    }
}

/// The payload of a data object: what follows its header of two words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which data object type carries it.
    pub carriage: Carriage,
    /// The bytes, without padding when given by this crate.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// A message as it is.
    pub fn plain(bytes: Vec<u8>) -> Self {
        Self {
            carriage: Carriage::Plain,
            bytes,
        }
    }

    /// A secured message.
    pub fn secured(bytes: Vec<u8>) -> Self {
        Self {
            carriage: Carriage::Secured,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Carriage;

    #[test]
    fn types() {
        for carriage in [Carriage::Plain, Carriage::Secured] {
            assert_eq!(Carriage::of(carriage.data_object_type()), Some(carriage));
        }
        assert_eq!(Carriage::of(0), None);
    }
}
