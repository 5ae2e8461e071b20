// SPDX-License-Identifier: GPL-2.0

//! Trusted DMA remapping: what lets a device interface reach the memory of its TD.
//!
//! The tables are those of VT-d in scalable mode. Their upper levels are the affair of whoever
//! drives the IOMMU; the last one, the PASID table entry of a function, is added for a device
//! interface, accepted by the guest, and in the end blocked, invalidated and removed. Layouts:
//! `dmar_defs.h`, `inv_queue_defs.h`.

/// `dmar_idx_t`: the PASID table entry (level 0, in bits 2:0) for what a function sends without
/// a PASID (0, in bits 31:12). The requester ID is in bits 47:32, the IOMMU in bits 63:48.
pub const fn pasid_entry(iommu: u64, function: u16) -> u64 {
    (function as u64) << 32 | iommu << 48
}

/// Second-Level Execute Enable, bit 5.
const SLEE: u64 = 1 << 5;
/// PASID Granular Translation Type, bits 8:6: second level only.
const PGTT_SECOND_LEVEL: u64 = 0b010 << 6;
/// Page-walk Snoop, bit 87.
const PWSNP: u64 = 1 << (87 - 64);
/// Page Snoop, bit 88.
const PGSNP: u64 = 1 << (88 - 64);
/// Extended Memory Type Enable, bit 90.
const EMTE: u64 = 1 << (90 - 64);
/// Extended Memory Type, bits 93:91: write-back.
const EMT_WB: u64 = 6 << (91 - 64);

/// `RDX` and `R8` of `TDH.DMAR.ADD` of a PASID table entry, the first two of its eight words; the
/// others are zero. It is as the module wants it: neither present nor with a table, which are the
/// guest's to say.
pub const PASID_TABLE_ENTRY: [u64; 2] = [SLEE | PGTT_SECOND_LEVEL, PWSNP | PGSNP | EMTE | EMT_WB];

/// `RDX` of `TDH.IQ.INV.REQUEST`: a PASID table entry is to be invalidated.
pub const INVALIDATE_PASID_ENTRY: u64 = 4;

/// `rid_pasid_t`: `R8` of it, for what a function sends without a PASID.
pub const fn invalidate_subject(function: u16) -> u64 {
    function as u64
}

/// `R9` of it: the first word of the invalidation wait descriptor (VT-d 4.1 section 6.5.2.8): type 5,
/// status write and fence, with 1 as status data.
pub const WAIT_DESCRIPTOR: u64 = 5 | 1 << 5 | 1 << 6 | 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index() {
        assert_eq!(
            pasid_entry(0x0012, 0x0108).to_le_bytes(),
            [0, 0, 0, 0, 0x08, 0x01, 0x12, 0x00]
        );
    }

    /// The entry as the bytes of memory that VT-d would read.
    #[test]
    fn entry() {
        let [low, high] = PASID_TABLE_ENTRY;
        assert_eq!(low.to_le_bytes(), [0xa0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(high.to_le_bytes(), [0, 0, 0x80, 0x35, 0, 0, 0, 0]);
        assert_eq!(WAIT_DESCRIPTOR.to_le_bytes(), [0x65, 0, 0, 0, 1, 0, 0, 0]);
    }
}
