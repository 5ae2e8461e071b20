// SPDX-License-Identifier: GPL-2.0

//! References to modules.

use crate::bindings;
use kernel::prelude::*;

/// A module that cannot be unloaded as long as this exists.
pub struct ModuleRef(&'static ThisModule);

impl ModuleRef {
    /// Refers to `module`; `None` if it is being unloaded.
    pub fn new(module: &'static ThisModule) -> Option<Self> {
        // SAFETY: The caller runs code of it, or it could not name it.
        let got = unsafe { bindings::tsm_shim_module_get(module.as_ptr()) };
        // not then_some(): what that makes and does not give would be dropped, and put
        if got {
            Some(ModuleRef(module))
        } else {
            None
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: Taken by `new`.
        unsafe { bindings::tsm_shim_module_put(self.0.as_ptr()) };
    }
}
