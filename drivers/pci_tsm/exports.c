// SPDX-License-Identifier: GPL-2.0
/* Exports the Rust symbols that modules above this one need. */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_NS_GPL(sym, "IOMMUFD_TSM")

#include "exports_generated.h"
