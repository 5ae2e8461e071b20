/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen sees. */

#include <linux/fs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/pci-ide.h>
#include <linux/pci-tsm.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>

#include "shim/shim.h"
