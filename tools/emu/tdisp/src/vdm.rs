// SPDX-License-Identifier: GPL-2.0

//! VDM_REQUEST and VDM_RESPONSE, vendor defined messages (11.3.25, 11.3.26).

/// VDM_REQUEST. Body: [`Vdm`].
pub(crate) const REQUEST: u8 = 0x8b;
/// VDM_RESPONSE. Body: [`Vdm`].
pub(crate) const RESPONSE: u8 = 0x0b;

/// A message that a vendor defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vdm {
    /// Who assigned the vendor ID: 0 PCI-SIG, 1 CXL.
    pub registry: u8,
    /// Vendor ID.
    pub vendor: Vec<u8>,
    /// The rest.
    pub data: Vec<u8>,
}

pub(crate) fn encode(vdm: &Vdm) -> Vec<u8> {
    let vendor = vdm.vendor.get(..255).unwrap_or(&vdm.vendor);
    let mut body = vec![vdm.registry, vendor.len() as u8];
    body.extend_from_slice(vendor);
    body.extend_from_slice(&vdm.data);
    body
}

pub(crate) fn decode(body: &[u8]) -> Option<Vdm> {
    let [registry, length, rest @ ..] = body else {
        return None;
    };
    let (vendor, data) = rest.split_at_checked(usize::from(*length))?;
    Some(Vdm {
        registry: *registry,
        vendor: vendor.to_vec(),
        data: data.to_vec(),
    })
}
