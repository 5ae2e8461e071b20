// SPDX-License-Identifier: GPL-2.0

//! Which vDEVICE is bound.
//!
//! A vDEVICE that is bound has an entry here, and our callback in front of its destruction. Lock
//! order: `igroup->lock` of iommufd, the lock of a [`Binding`], `pci_tsm_rwsem`. The table's own lock
//! is innermost and covers no call.

use crate::framing::OpFrame;
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    }, //
};
use tsm_core::{
    bind::{
        tsm_bind,
        BoundTdi, //
    },
    context::TdiContext, //
};
use tsm_sys::{
    module::ModuleRef,
    vdevice::{
        IommuFile,
        SavedDestroy,
        Vdevice,
        VdeviceGone,
        VdeviceKey, //
    }, //
};
use tsm_wire::{
    op::TvmArch,
    refusal::{
        Refusal,
        Refused, //
    }, //
};

/// Our place in front of a vDEVICE's destruction, and what it takes.
struct Chain {
    saved: SavedDestroy,
    module: ModuleRef,
}

/// What a binding is at.
enum Stage {
    /// Not bound, not chained.
    New,
    /// Bound and chained.
    Bound(BoundTdi, Chain),
    /// Not bound any more; somebody put a callback in front of ours, so that it has to stay.
    Chained(Chain),
    /// Out of the table: whoever has it looks there again.
    Dead,
}

/// The binding of a vDEVICE.
#[pin_data]
struct Binding {
    #[pin]
    stage: Mutex<Stage>,
}

impl Binding {
    fn new() -> Result<Arc<Self>, Refusal> {
        let init = pin_init!(Binding {
            stage <- new_mutex!(Stage::New, "Binding::stage"),
        });
        Arc::pin_init(init, GFP_KERNEL).map_err(|_| Refusal::Memory)
    }
}

/// An entry of the table.
struct Entry {
    binding: Arc<Binding>,
    /// What requests go to while it is bound: they take no lock of the binding.
    context: Option<Arc<TdiContext>>,
}

/// The table: one for all of /dev/iommu.
#[pin_data]
pub(crate) struct Bindings {
    module: &'static ThisModule,
    #[pin]
    table: SpinLock<RBTree<VdeviceKey, Entry>>,
}

impl Bindings {
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self> {
        pin_init!(Self {
            module,
            table <- new_spinlock!(RBTree::new(), "Bindings::table"),
        })
    }

    /// IOMMU_VDEVICE_TSM_OP.
    #[inline(never)]
    pub(crate) fn op(&self, file: IommuFile<'_>, arg: usize) -> Result<u32, Refusal> {
        let frame = OpFrame::read(arg)?;
        let vdev = file.vdevice(frame.vdevice_id).ok_or(Refusal::NoVdevice)?;
        if frame.bind {
            self.bind(&vdev, TvmArch::Common)
                .map_err(|refused| refused.why)?;
        } else {
            self.unbind(&vdev)?;
        }
        Ok(0)
    }

    /// What requests of the vDEVICE with this key go to, if it is bound.
    #[inline]
    pub(crate) fn context(&self, key: VdeviceKey) -> Option<Arc<TdiContext>> {
        self.table.lock().get(&key)?.context.clone()
    }

    /// Binds a vDEVICE through a TSM of `arch`, unless it is bound.
    pub(crate) fn bind(
        &self,
        vdev: &Vdevice<'_>,
        arch: TvmArch,
    ) -> Result<Arc<TdiContext>, Refused> {
        if let Some(context) = self.context(vdev.key()) {
            // Its VM cannot have changed: that of a VFIO device is fixed while it is open.
            if !context.is_gone() {
                return if context.has_id(vdev.virt_id()) {
                    Ok(context)
                } else {
                    Err(Refusal::Taken.into())
                };
            }
        }
        let function = vdev.function().ok_or(Refusal::NotBound)?;
        loop {
            let binding = self.enter(vdev.key())?;
            let mut stage = binding.stage.lock();
            let chain = match core::mem::replace(&mut *stage, Stage::Dead) {
                // somebody removed it while we waited
                Stage::Dead => continue,
                Stage::New => None,
                Stage::Chained(chain) => Some(chain),
                Stage::Bound(tdi, chain) if tdi.context().is_gone() => {
                    // the TSM went away; another one may have come
                    drop(tdi);
                    Some(chain)
                }
                Stage::Bound(tdi, chain) => {
                    let context = tdi.context().clone();
                    *stage = Stage::Bound(tdi, chain);
                    return Ok(context);
                }
            };
            let bound = tsm_bind(function, arch, vdev.virt_id(), || vdev.vm());
            let (tdi, chain) = match (bound, chain) {
                (Ok(tdi), Some(chain)) => (tdi, chain),
                // a TDI that nobody would unbind in the end is not bound; dropping it sees to that
                (Ok(tdi), None) => match self.chain(vdev) {
                    Ok(chain) => (tdi, chain),
                    Err(refusal) => {
                        self.leave(vdev.key());
                        return Err(refusal.into());
                    }
                },
                (Err(refused), Some(chain)) => {
                    // still in front of the destruction, which has to find its way back
                    self.set_context(vdev.key(), None);
                    *stage = Stage::Chained(chain);
                    return Err(refused);
                }
                (Err(refused), None) => {
                    self.leave(vdev.key());
                    return Err(refused);
                }
            };
            let context = tdi.context().clone();
            *stage = Stage::Bound(tdi, chain);
            self.set_context(vdev.key(), Some(context.clone()));
            return Ok(context);
        }
    }

    /// What requests of the vDEVICE with this key go to from now on.
    fn set_context(&self, key: VdeviceKey, context: Option<Arc<TdiContext>>) {
        let old = match self.table.lock().get_mut(&key) {
            Some(entry) => core::mem::replace(&mut entry.context, context),
            None => None,
        };
        // not under the lock
        drop(old);
    }

    fn chain(&self, vdev: &Vdevice<'_>) -> Result<Chain, Refusal> {
        let module = ModuleRef::new(self.module).ok_or(Refusal::Unloading)?;
        let saved = vdev.chain::<Self>();
        Ok(Chain { saved, module })
    }

    fn unbind(&self, vdev: &Vdevice<'_>) -> Result<(), Refusal> {
        vdev.function().ok_or(Refusal::NotBound)?;
        let binding = match self.table.lock().get(&vdev.key()) {
            Some(entry) => entry.binding.clone(),
            None => return Ok(()),
        };
        let mut stage = binding.stage.lock();
        match core::mem::replace(&mut *stage, Stage::Dead) {
            // somebody else was first; New is a bind that did not come to anything
            Stage::Dead => Ok(()),
            Stage::New => {
                self.leave(vdev.key());
                Ok(())
            }
            Stage::Chained(chain) => {
                *stage = Stage::Chained(chain);
                Ok(())
            }
            Stage::Bound(tdi, chain) => {
                // requests find it unbound first
                self.set_context(vdev.key(), None);
                drop(tdi);
                if vdev.unchain::<Self>(&chain.saved) {
                    self.leave(vdev.key());
                } else {
                    *stage = Stage::Chained(chain);
                }
                Ok(())
            }
        }
    }

    /// The binding with this key; a new one if there is none.
    fn enter(&self, key: VdeviceKey) -> Result<Arc<Binding>, Refusal> {
        if let Some(entry) = self.table.lock().get(&key) {
            return Ok(entry.binding.clone());
        }
        let binding = Binding::new()?;
        let entry = Entry {
            binding: binding.clone(),
            context: None,
        };
        let node = RBTreeNode::new(key, entry, GFP_KERNEL).map_err(|_| Refusal::Memory)?;
        let mut table = self.table.lock();
        if let Some(entry) = table.get(&key) {
            // not under the lock
            let other = entry.binding.clone();
            drop(table);
            drop(node);
            return Ok(other);
        }
        table.insert(node);
        Ok(binding)
    }

    /// Takes an entry out of the table.
    fn leave(&self, key: VdeviceKey) -> Option<Arc<Binding>> {
        let node = self.table.lock().remove_node(&key)?;
        let (_, entry) = node.to_key_value();
        Some(entry.binding)
    }
}

impl VdeviceGone for Bindings {
    fn gone(&self, key: VdeviceKey) -> Option<(SavedDestroy, ModuleRef)> {
        let binding = self.leave(key)?;
        let mut stage = binding.stage.lock();
        match core::mem::replace(&mut *stage, Stage::Dead) {
            Stage::Bound(tdi, chain) => {
                drop(tdi);
                Some((chain.saved, chain.module))
            }
            Stage::Chained(chain) => Some((chain.saved, chain.module)),
            Stage::New | Stage::Dead => None,
        }
    }
}
