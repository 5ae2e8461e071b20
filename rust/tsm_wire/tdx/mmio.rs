// SPDX-License-Identifier: GPL-2.0

//! MMIO of device interfaces.
//!
//! The module knows which function a page of MMIO is of by a table of five levels, MMIOMT, whose
//! pages the host adds before. A page that is one of a function's is mapped into the TD, where the
//! guest accepts it. Layouts: `mmiomt_defs.h`, `page_info_api_input_t` in `tdx_api_defs.h`.

/// Level of the root of the table. An entry of level 0 is a page of 4 KiB; one of another level
/// is, here, a page with entries of the level below.
pub const MMIOMT_ROOT: u8 = 5;

/// The entry is a page of a function.
const MMIOMT_DATA: u64 = 1;

/// `mmiomt_idx_t`: the entry of a level that an address is found through.
pub const fn mmiomt_index(level: u8, address: u64) -> u64 {
    level as u64 | address & !0xfff
}

/// The first of the addresses that are found through the same entry of `level` as this one.
pub const fn mmiomt_first(level: u8, address: u64) -> u64 {
    // 128 pages hang at an entry of level 1, 512 such at one of level 2, and so on
    let shift = match level {
        0 => 12,
        1 => 19,
        2 => 28,
        3 => 37,
        4 => 46,
        _ => 63,
    };
    address >> shift << shift
}

/// `mmiomt_set_info_t`: the page is one of this function.
pub const fn mmiomt_data(function: u32) -> u64 {
    MMIOMT_DATA | (function as u64) << 12
}

/// `mmiomt_set_info_t`: the page is nobody's.
pub const MMIOMT_QNODE: u64 = 0;

/// `page_info_api_input_t`: a guest physical address and the level of its mapping, 0 for 4 KiB.
pub const fn page_info(gpa: u64) -> u64 {
    gpa & !0xfff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index() {
        assert_eq!(
            mmiomt_index(5, 0xe000_1000).to_le_bytes(),
            [0x05, 0x10, 0x00, 0xe0, 0, 0, 0, 0]
        );
        let firsts = [0, 1, 2, 3, 4, 5].map(|level| mmiomt_first(level, 0x4fed_cba9_8000));
        assert_eq!(
            firsts,
            [
                0x4fed_cba9_8000,
                0x4fed_cba8_0000,
                0x4fed_c000_0000,
                0x4fe0_0000_0000,
                0x4000_0000_0000,
                0
            ]
        );
    }

    #[test]
    fn data() {
        // bits 43:12 are the function
        assert_eq!(
            mmiomt_data(0x0108).to_le_bytes(),
            [0x01, 0x80, 0x10, 0, 0, 0, 0, 0]
        );
        assert_eq!(page_info(0x1_0000_2fff), 0x1_0000_2000);
    }
}
