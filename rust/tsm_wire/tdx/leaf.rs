// SPDX-License-Identifier: GPL-2.0

//! Leaf numbers.

use crate::word::{word_enum, Unknown};

word_enum! {
    /// SEAMCALL leaves (`seamcall_leaf_opcode_t` in `include/tdx_api_defs.h`), `RAX` bits 15:0.
    /// Operands are given from `RCX` on, in the order `RCX, RDX, R8, R9, R10 .. R15`; results
    /// follow the arrow.
    pub enum Leaf {
        /// `(tdcx, tdr)`: give a TD a page for its control structure.
        MngAddcx = 1,
        /// `(tdr)`: configure the key of a TD.
        MngKeyConfig = 8,
        /// `(tdr, hkid)`: make a TD of a page.
        MngCreate = 9,
        /// `(tdr)`: the TD is complete, and can run.
        MrFinalize = 17,
        /// `(tdr)`: no vCPU of the TD is on any processor.
        MngVpflushdone = 19,
        /// `(tdr)`: the key of the TD is in no cache; the TD is in teardown.
        MngKeyFreeid = 20,
        /// `(tdr, td_params)`: initialise a TD, see [`super::td::TdParams`].
        MngInit = 21,
        /// `(page)` -> `type, owner, size`: take a page of a TD in teardown back.
        PhymemPageReclaim = 28,
        /// `(0, field)` -> `R8`: read a field of the module's.
        SysRd = 34,
        /// `(tdr)`: begin a new epoch: translations that were blocked are in no TLB after it.
        MemTrack = 38,
        /// `(resume)`: write caches back, of keys that are to be freed.
        PhymemCacheWb = 40,
        /// `(page | hkid)`: write the lines of a page back that were cached with a key, see
        /// [`super::td::with_key`].
        PhymemPageWbinvd = 41,
        /// `(iommu, spdm, page)`: make an entry for an SPDM session, not bound.
        SpdmCreate = 130,
        /// `(iommu, spdm)` -> `page`: delete an SPDM session that has no IDE stream.
        SpdmDelete = 131,
        /// `(iommu, spdm, config, control, rid1, rid2, addr1, addr2, addr3, page)`: make an IDE
        /// stream, see [`super::ide`].
        IdeStreamCreate = 132,
        /// `(iommu, stream)`: end the use of an IDE stream.
        IdeStreamBlock = 133,
        /// `(iommu, stream)` -> `page`: delete a blocked IDE stream that has no device interface.
        IdeStreamDelete = 134,
        /// `(iommu, stream, object, parameters, slot, page)`: write an IDE_KM request.
        IdeStreamIdekmreq = 135,
        /// `(iommu, stream, page)` -> the first 8 bytes of the answer: take the answer to it.
        IdeStreamIdekmrsp = 136,
        /// `(devif, tdr, devifcs, td_buffer, vmm_buffer)`: make a device interface of three pages,
        /// see [`super::devif`].
        DevifCreate = 137,
        /// `(function)` -> `td_buffer, vmm_buffer, tdr`: remove one.
        DevifRemove = 138,
        /// `(function, request, page)` -> `code`: write a TDISP request.
        DevifRequest = 139,
        /// `(function, response, page)` -> `response`: take the answer to it.
        DevifResponse = 140,
        /// `(index, entry..)`: add an entry to the trusted DMA remapping tables, see
        /// [`super::dmar`].
        DmarAdd = 150,
        /// `(index)`: block one.
        DmarBlock = 151,
        /// `(index)`: remove one that is blocked and invalidated.
        DmarRemove = 153,
        /// `(index, page)`: add a page to the MMIO metadata table, see [`super::mmio`].
        MmioMtAdd = 154,
        /// `(index, info)`: say which function a page of MMIO is of.
        MmioMtSet = 155,
        /// `(index)` -> `page`: remove a page of the table.
        MmioMtRemove = 157,
        /// `(gpa, tdr, pa)`: map a page of MMIO into a TD, for the guest to accept.
        MmioMap = 158,
        /// `(gpa, tdr)`: block the mapping.
        MmioBlock = 159,
        /// `(gpa, tdr)` -> `R8` `pa`: remove the mapping.
        MmioUnmap = 160,
        /// `(iommu, type, subject, wait descriptor)`: queue an invalidation.
        IqInvRequest = 161,
        /// `(iommu)`: see what became of it.
        IqInvProcess = 162,
        /// `(index, page)`: add a page to the table of device interfaces.
        DevifMtAdd = 164,
        /// `(index)` -> `page`: remove a page of that table.
        DevifMtRemove = 165,
    }
}

word_enum! {
    /// What is no SEAMCALL on real hardware: `X[0]` is the number and bit 63.
    ///
    /// Numbers below 128 are TDCALL leaves (`tdcall_leaf_opcode_t` in the same file), executed by
    /// the TD whose TDR is in `RSI`; a page is one of the host's there and stands for one of the
    /// TD's. The others are not from anywhere.
    pub enum StandIn {
        /// `(function, hash in RDX, R8 .. R12)`: the guest trusts the device whose information has
        /// this SHA-384.
        DevifValidate = 66,
        /// `(function, code)`: the guest wants a TDISP request to be sent.
        DevifRequest = 68,
        /// `(function, page)` -> `response`: the guest takes the answer.
        DevifResponse = 69,
        /// `(function)`: the guest lets the device reach its memory.
        DmarAccept = 70,
        /// `(gpa, pa)`: the guest takes a page of MMIO.
        MmioAccept = 71,
        /// See [`super::tpa`].
        TpaConnect = 0xc0,
        /// See [`super::tpa`].
        TpaDisconnect = 0xc1,
        /// See [`super::tpa`].
        TpaMeasure = 0xc2,
        /// `(iommu, spdm, stream, 0, rid_limit, rid_base, 0, 0, 0, page)`: what counts as an IDE
        /// stream of an endpoint that is integrated in the root complex, where there is no link to
        /// encrypt. The module that was published has no device interface without a stream.
        IntegratedStream = 0xc3,
    }
}

/// Bit of `X[0]` that tells a [`StandIn`] from a [`Leaf`].
pub const STAND_IN: u64 = 1 << 63;

/// What `X[0]` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A SEAMCALL.
    Leaf(Leaf),
    /// What is none.
    StandIn(StandIn),
}

impl Call {
    /// What stands in `X[0]`: for a SEAMCALL, `RAX` of version 0.
    pub const fn raw(self) -> u64 {
        match self {
            Call::Leaf(leaf) => leaf as u64,
            Call::StandIn(call) => STAND_IN | call as u64,
        }
    }

    /// From `X[0]`.
    ///
    /// # Errors
    ///
    /// `X[0]`, if it is none of them, or another version than 0.
    pub fn from_raw(x0: u64) -> Result<Self, Unknown> {
        let number = x0 & !STAND_IN;
        let call = if x0 & STAND_IN == 0 {
            Leaf::try_from(number).map(Call::Leaf)
        } else {
            StandIn::try_from(number).map(Call::StandIn)
        };
        call.map_err(|_| Unknown(x0))
    }
}

impl From<Leaf> for Call {
    fn from(leaf: Leaf) -> Self {
        Call::Leaf(leaf)
    }
}

impl From<StandIn> for Call {
    fn from(call: StandIn) -> Self {
        Call::StandIn(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let leaves = Leaf::ALL.iter().map(|&leaf| Call::from(leaf));
        for call in leaves.chain(StandIn::ALL.iter().map(|&call| Call::from(call))) {
            assert_eq!(Call::from_raw(call.raw()), Ok(call));
        }
        assert!(Call::from_raw(0).is_err());
        // TDH.DEVIF.CREATE of version 1
        assert!(Call::from_raw(137 | 1 << 16).is_err());
        assert!(Call::from_raw(137 | STAND_IN).is_err());
    }

    /// Faults are asked for by bits 15:0 of `X[0]`.
    #[test]
    fn numbers_do_not_overlap() {
        for leaf in Leaf::ALL {
            assert!(StandIn::try_from(*leaf as u64).is_err());
        }
    }
}
