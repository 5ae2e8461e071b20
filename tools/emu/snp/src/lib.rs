// SPDX-License-Identifier: GPL-2.0

//! SNP guest messages.
//!
//! A confidential VM of AMD's and the firmware of its secure processor (PSP) share keys, the VM platform
//! communication keys, that the host never sees. What they tell each other is encrypted with one of
//! them; the host carries it (SNP_GUEST_REQUEST, SEV-TIO's TIO_GUEST_REQUEST), and can drop or repeat
//! it, but neither read nor change it, nor repeat it with success: messages are counted.
//!
//! This crate has the form of a message ([`Header`], [`Message`]), both ends of the conversation
//! ([`Guest`], [`Channel`]) and what messages about TDIs hold (one file each). Sources: the header and
//! how it is encrypted are those of the SEV-SNP firmware ABI (AMD 56860, "Guest Messages"), as Linux
//! has them in `arch/x86/include/asm/sev.h` and `arch/x86/coco/sev/core.c`; the messages of SEV-TIO
//! are those of the second part of the series for guests, posted in February 2026
//! (`drivers/virt/coco/sev-guest/tio.c`, `include/linux/psp-sev.h` in it). In messages of that
//! generation, version 1, a TDI goes by its requester ID in the guest, which is what the host's
//! TIO_TDI_BIND gives it; later ones have an identifier of 64 bits in its place.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod channel;
mod guest;
mod header;
pub mod hex;
mod message;
mod message_type;
pub mod mmio_config;
pub mod mmio_validate;
pub mod sdte;
pub mod sdte_write;
pub mod tdi_info;
mod vmpck;

pub use channel::{Channel, Refused};
pub use guest::{Guest, Unanswered};
pub use header::{Header, Malformed, HEADER_SIZE, HEADER_VERSION, MESSAGE_MAX, PAYLOAD_MAX};
pub use message::{Message, Unauthentic};
pub use message_type::{MessageType, TIO_MESSAGE_VERSION};
pub use vmpck::{Vmpck, KEY_SIZE, VMPCK_COUNT};
