// SPDX-License-Identifier: GPL-2.0

//! Evidence objects.

use crate::refusal::Refusal;

/// Kind of an evidence object, `enum iommu_tsm_object_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ObjectType {
    /// SPDM VERSION, CAPABILITIES and ALGORITHMS messages.
    Vca = 0,
    /// Certificate chain of the device.
    Certificate = 1,
    /// Measurements of the device.
    Measurement = 2,
    /// TDISP interface report.
    InterfaceReport = 3,
}

/// How many kinds there are.
pub const OBJECT_TYPES: usize = 4;

/// Most bytes in one object.
pub const OBJECT_MAX_LEN: usize = 16 * 1024 * 1024;

impl ObjectType {
    /// All of them, in the order of their numbers.
    pub const ALL: [ObjectType; OBJECT_TYPES] = [
        ObjectType::Vca,
        ObjectType::Certificate,
        ObjectType::Measurement,
        ObjectType::InterfaceReport,
    ];

    /// May a guest ask for it to be made anew?
    pub const fn can_regen(self) -> bool {
        matches!(self, ObjectType::Measurement | ObjectType::InterfaceReport)
    }
}

impl TryFrom<u32> for ObjectType {
    type Error = Refusal;

    #[inline]
    fn try_from(raw: u32) -> Result<Self, Refusal> {
        match raw {
            0 => Ok(ObjectType::Vca),
            1 => Ok(ObjectType::Certificate),
            2 => Ok(ObjectType::Measurement),
            3 => Ok(ObjectType::InterfaceReport),
            _ => Err(Refusal::Payload),
        }
    }
}
