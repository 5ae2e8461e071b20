// SPDX-License-Identifier: GPL-2.0

//! A TDI, from bind to unbind.
//!
//! Shared by the VMM's side, which owns the binding, and the TSM's side, which has a
//! [`link::Tdi`](tsm_sys::link::Tdi). The latter may end first: a TSM that goes away revokes the
//! TDI, and from then on it answers that it is not bound.

use crate::evidence::Evidence;
use kernel::{
    new_spinlock,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};
use tsm_sys::{
    bar,
    binding,
    link::Call,
    vm::Vm, //
};
use tsm_wire::{
    guest_message::GuestMessage,
    object::ObjectType,
    op::TvmArch,
    refusal::{
        Refusal,
        Refused, //
    },
    request::{
        MmioRange,
        Request, //
    },
    scope::Scope,
    tdi::TdiState,
    uapi::NONCE_LEN, //
};

/// Bound by nobody yet: [`crate::bind`] is on its way to the TSM.
const PENDING: u32 = 16;
/// Bound through a TSM that is not of this project; its state is that TSM's.
const FOREIGN: u32 = 17;
/// The TSM went away.
const REVOKED: u32 = 18;
/// What is below this shift is one of these or a [`TdiState`]; above it is the architecture.
const ARCH_SHIFT: u32 = 8;
/// Mask of what is below.
const STANDING: u32 = (1 << ARCH_SHIFT) - 1;

/// A TDI.
#[pin_data]
pub struct TdiContext {
    pub(crate) function: ARef<pci::Device>,
    pub(crate) vm: Vm,
    pub(crate) tdi_id: u32,
    /// A [`TdiState`], or one of the constants above, and the architecture. Written under the DSM
    /// lock once it is attached.
    standing: Atomic<u32>,
    /// The architecture that the TSM has to be of.
    asked: TvmArch,
    /// When somebody began to wait for the bind.
    start: Instant<Monotonic>,
    /// Why the TSM refused to bind.
    #[pin]
    refused: SpinLock<Option<Refused>>,
    #[pin]
    evidence: Evidence,
}

impl TdiContext {
    pub(crate) fn new(
        function: ARef<pci::Device>,
        vm: Vm,
        tdi_id: u32,
        asked: TvmArch,
    ) -> Result<Arc<TdiContext>> {
        Arc::pin_init(
            pin_init!(TdiContext {
                function,
                vm,
                tdi_id,
                standing: Atomic::new(PENDING),
                asked,
                start: Instant::now(),
                refused <- new_spinlock!(None, "TdiContext::refused"),
                evidence <- Evidence::new(),
            }),
            GFP_KERNEL,
        )
    }

    // --- of the TSM's side, under the DSM lock ---

    /// The TSM of `arch` has locked it.
    pub fn attach(&self, arch: TvmArch) {
        let standing = TdiState::Locked as u32 | (arch as u32) << ARCH_SHIFT;
        self.standing.store(standing, Release);
    }

    /// What tells it from every other one that exists.
    pub fn identity(&self) -> usize {
        core::ptr::from_ref(self) as usize
    }

    /// The TSM refuses to bind it.
    pub fn refuse(&self, refused: Refused) {
        *self.refused.lock() = Some(refused);
    }

    /// The architecture that the TSM has to be of.
    pub fn asked(&self) -> TvmArch {
        self.asked
    }

    /// When somebody began to wait for the bind.
    pub fn start(&self) -> Instant<Monotonic> {
        self.start
    }

    /// The TSM lets go of it.
    pub fn revoke(&self) {
        self.standing.store(REVOKED, Release);
    }

    /// It is in this state now. The report of a TDI that is not frozen says nothing.
    pub fn enter(&self, state: TdiState) {
        if !state.is_frozen() {
            self.evidence.remove(ObjectType::InterfaceReport);
        }
        let arch = self.standing.load(Relaxed) & !STANDING;
        self.standing.store(state as u32 | arch, Release);
    }

    /// Its state, if it is bound through a TSM of ours.
    #[inline]
    pub fn state(&self) -> Option<TdiState> {
        match self.standing.load(Acquire) & STANDING {
            PENDING | FOREIGN | REVOKED => None,
            raw => Some(TdiState::from_raw(raw)),
        }
    }

    /// Its objects.
    #[inline]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    // --- of the VMM's side ---

    /// pci_tsm_bind() returned 0, and no TSM of ours came to attach it.
    pub(crate) fn adopt_foreign(&self) {
        self.standing.store(FOREIGN, Release);
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        *self.refused.lock()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.standing.load(Acquire) == PENDING
    }

    /// Did the TSM go away?
    #[inline]
    pub(crate) fn is_revoked(&self) -> bool {
        self.standing.load(Acquire) == REVOKED
    }

    /// Did the TSM go away? One that is not of this project tells nobody, and is asked.
    #[inline]
    pub fn is_gone(&self) -> bool {
        match self.standing.load(Acquire) & STANDING {
            REVOKED => true,
            FOREIGN => !binding::tsm_ops(&self.function).is_some_and(|ops| ops.bound && !ops.ours),
            _ => false,
        }
    }

    /// Is this its virtual id?
    #[inline]
    pub fn has_id(&self, tdi_id: u64) -> bool {
        u64::from(self.tdi_id) == tdi_id
    }

    /// The architecture of the TSM that it is bound through; `None` if that is not of this project,
    /// and takes raw bytes and a scope.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotBound`] if it is not bound any more.
    #[inline]
    pub fn arch(&self) -> Result<Option<TvmArch>, Refusal> {
        let standing = self.standing.load(Acquire);
        match standing & STANDING {
            REVOKED | PENDING => Err(Refusal::NotBound),
            FOREIGN => Ok(None),
            _ => TvmArch::try_from(standing >> ARCH_SHIFT).map(Some),
        }
    }

    /// Is it bound through a TSM of this project that takes requests of this architecture?
    #[inline]
    pub fn serves(&self, asked: TvmArch) -> bool {
        let standing = self.standing.load(Acquire);
        standing & STANDING < PENDING
            && (asked == TvmArch::Common || asked as u32 == standing >> ARCH_SHIFT)
    }

    /// Does one of the function's memory BARs hold the whole range?
    pub fn owns(&self, range: &MmioRange) -> bool {
        (0..bar::BARS).any(|i| {
            bar::memory_bar(&self.function, i)
                .is_some_and(|(start, len)| range.is_inside(start, len))
        })
    }

    /// Sends a request to the TSM, and waits.
    ///
    /// # Errors
    ///
    /// As `include/uapi/linux/iommufd_tsm.h` has them.
    pub fn guest_req(
        &self,
        request: Request,
        nonce: Option<[u8; NONCE_LEN]>,
    ) -> Result<(), Refused> {
        self.send(request, nonce, None).map(|_| ())
    }

    /// Sends an SNP guest message to the TSM, and waits. Returns the bytes of the response.
    ///
    /// # Errors
    ///
    /// As `include/uapi/linux/iommufd_tsm.h` has them.
    pub fn guest_message(&self, message: GuestMessage<'_>) -> Result<usize, Refused> {
        self.send(Request::GuestMessage(message.kind), None, Some(message))
    }

    #[inline]
    fn send(
        &self,
        request: Request,
        nonce: Option<[u8; NONCE_LEN]>,
        message: Option<GuestMessage<'_>>,
    ) -> Result<usize, Refused> {
        let mut call = Call {
            request,
            nonce,
            message,
            tdi: self.identity(),
            start: Instant::now(),
            result: Err(Refusal::NotBound.into()),
        };
        binding::guest_req(&self.function, &mut call)
    }

    /// Sends raw bytes to a TSM that is not of this project. Returns the residue, and what the TSM
    /// said.
    pub fn guest_req_raw(
        &self,
        scope: Scope,
        req: &mut [u8],
        resp: &mut [u8],
    ) -> (Result<u32, Refusal>, u64) {
        match binding::tsm_ops(&self.function) {
            None => (Err(Refusal::NotBound), 0),
            Some(ops) if !ops.guest_req => (Err(Refusal::Unsupported), 0),
            Some(_) => binding::guest_req_raw(&self.function, scope, req, resp),
        }
    }
}
