// SPDX-License-Identifier: GPL-2.0

//! TDI states (11.2) and the messages that ask for them (11.3.12, 11.3.13).

/// GET_DEVICE_INTERFACE_STATE. Without body.
pub(crate) const REQUEST: u8 = 0x85;
/// DEVICE_INTERFACE_STATE. Body: the state, one byte.
pub(crate) const RESPONSE: u8 = 0x05;

/// State of a TDI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// CONFIG_UNLOCKED: the host configures it; it holds nothing of a TVM's.
    #[default]
    Unlocked = 0,
    /// CONFIG_LOCKED: configuration is locked and watched.
    Locked = 1,
    /// RUN: a TVM uses it.
    Run = 2,
    /// ERROR: something happened that must not; only STOP_INTERFACE leads out.
    Error = 3,
}

impl State {
    /// Whether configuration is locked: CONFIG_LOCKED and RUN.
    pub fn is_locked(self) -> bool {
        matches!(self, Self::Locked | Self::Run)
    }
}

impl TryFrom<u8> for State {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::Unlocked),
            1 => Ok(Self::Locked),
            2 => Ok(Self::Run),
            3 => Ok(Self::Error),
            other => Err(other),
        }
    }
}
