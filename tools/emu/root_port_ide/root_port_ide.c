// SPDX-License-Identifier: GPL-2.0
/*
 * IDE for root ports of QEMU, which have none. For the rig only: nothing that
 * this module does makes a link any safer, and no machine but the emulated one
 * has a use for it.
 *
 * Linux ignores the IDE capability of an endpoint whose root port has none. So
 * the configuration accesses of the root bus are led through here, and each root
 * port above an emulated endpoint shows one extended capability more, the last
 * of its chain. The registers of it are a window in BAR 0 of the emulated RMM,
 * which plays the root ports' part: the first window is that of the first such
 * port in the order of devfn, and so on. Since Linux looks for the capability
 * when it finds a device, the root ports and what is below them are removed and
 * found again, when the module comes and when it goes.
 *
 * It comes before anything uses an endpoint, and cannot be unloaded as long as
 * a driver is bound below one of the root ports.
 */

#include <linux/atomic.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#define RIG_VENDOR 0x1234
#define RIG_ENDPOINT 0x7de0
#define RIG_FIRMWARE 0x7d50

/* The windows in BAR 0 of the firmware: a capability each, from its header on. */
#define WINDOW_BAR 0
#define WINDOW_OFFSET 0x800
#define WINDOW_SIZE 0x200
#define WINDOWS 3

/* Where configuration space shows it: at the end, which QEMU leaves free. */
#define IDE_AT (PCI_CFG_SPACE_EXP_SIZE - WINDOW_SIZE)

/* Bits of a header that are not the offset of the next capability. */
#define HEADER_MASK 0x000fffff

/* A root port: the one whose window has its number in the table. */
struct root_port {
	unsigned int devfn;
	int chain_end;	/* its last capability but ours */
};

static struct pci_bus *root_bus;
static struct root_port ports[WINDOWS];
static int port_count;
static struct pci_ops *stock_ops;
static struct pci_ops ide_ops;

/* The firmware may go and come back: its function and its BAR as they are now. */
static struct pci_dev *firmware;
static void __iomem *window;
/* Configuration space is accessed with interrupts off, and from several CPUs. */
static DEFINE_RAW_SPINLOCK(window_lock);

/* How many drivers below the root port keep the module. */
static atomic_t users = ATOMIC_INIT(0);

static bool is_firmware(struct pci_dev *pdev)
{
	return pdev->vendor == RIG_VENDOR && pdev->device == RIG_FIRMWARE;
}

/* Number of the root port at @devfn of the root bus; negative if it is none. */
static int port_at(unsigned int devfn)
{
	int n;

	for (n = 0; n < port_count; n++)
		if (ports[n].devfn == devfn)
			return n;
	return -ENOENT;
}

static bool is_below_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pcie_find_root_port(pdev);

	return port && port != pdev && port->bus == root_bus && port_at(port->devfn) >= 0;
}

/*
 * A register of the capability of port @n; what nobody answers is all ones, as
 * on any bus.
 */
static u32 window_read(int n, int reg)
{
	return window ? readl(window + n * WINDOW_SIZE + reg) : ~0;
}

static int ide_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	int reg = ALIGN_DOWN(where, 4), ret = PCIBIOS_SUCCESSFUL;
	int n = bus == root_bus ? port_at(devfn) : -ENOENT;
	unsigned long flags;
	u32 word;

	if (n < 0 || (reg != ports[n].chain_end && reg < IDE_AT))
		return stock_ops->read(bus, devfn, where, size, value);
	if (reg == ports[n].chain_end) {
		ret = stock_ops->read(bus, devfn, reg, 4, &word);
		word = (word & HEADER_MASK) | IDE_AT << 20;
	} else {
		raw_spin_lock_irqsave(&window_lock, flags);
		word = window_read(n, reg - IDE_AT);
		raw_spin_unlock_irqrestore(&window_lock, flags);
		if (reg == IDE_AT)
			word &= HEADER_MASK;
	}
	*value = word >> 8 * (where - reg);
	if (size < 4)
		*value &= BIT(8 * size) - 1;
	return ret;
}

static int ide_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	int n = bus == root_bus ? port_at(devfn) : -ENOENT;
	int reg = ALIGN_DOWN(where, 4);
	unsigned long flags;
	u32 word, mask;

	if (n < 0 || reg < IDE_AT)
		return stock_ops->write(bus, devfn, where, size, value);
	mask = (size < 4 ? BIT(8 * size) - 1 : ~0U) << 8 * (where - reg);
	raw_spin_lock_irqsave(&window_lock, flags);
	word = size < 4 ? window_read(n, reg - IDE_AT) & ~mask : 0;
	if (window)
		writel(word | (value << 8 * (where - reg) & mask),
		       window + n * WINDOW_SIZE + reg - IDE_AT);
	raw_spin_unlock_irqrestore(&window_lock, flags);
	return PCIBIOS_SUCCESSFUL;
}

static void set_window(void __iomem *to)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&window_lock, flags);
	swap(window, to);
	raw_spin_unlock_irqrestore(&window_lock, flags);
	if (to)
		iounmap(to);
}

/* Takes the firmware's function @pdev, if it has the windows. */
static int firmware_take(struct pci_dev *pdev)
{
	void __iomem *map;
	int ret;

	if (pci_resource_len(pdev, WINDOW_BAR) < WINDOW_OFFSET + WINDOWS * WINDOW_SIZE)
		return -ENODEV;
	/* our own reference on it: no driver's disabling it switches memory off */
	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	map = ioremap(pci_resource_start(pdev, WINDOW_BAR) + WINDOW_OFFSET,
		      WINDOWS * WINDOW_SIZE);
	if (!map) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	firmware = pci_dev_get(pdev);
	set_window(map);
	return 0;
}

static void firmware_drop(void)
{
	if (!firmware)
		return;
	set_window(NULL);
	pci_disable_device(firmware);
	pci_dev_put(firmware);
	firmware = NULL;
}

/*
 * Calls for one device do not overlap. Of the firmware, there is one; that it
 * has a driver again is the first that tells that its BAR has a place again.
 */
static int rig_changes(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	switch (action) {
	case BUS_NOTIFY_BIND_DRIVER:
		if (is_firmware(pdev) && !firmware && firmware_take(pdev))
			pci_warn(pdev, "root_port_ide: there are no windows any more\n");
		break;
	case BUS_NOTIFY_DEL_DEVICE:
		if (pdev == firmware)
			firmware_drop();
		break;
	case BUS_NOTIFY_BOUND_DRIVER:
		/* not when it is about to go: the device goes with it then */
		if (is_below_port(pdev) && try_module_get(THIS_MODULE))
			atomic_inc(&users);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		if (is_below_port(pdev) && atomic_dec_if_positive(&users) >= 0)
			module_put(THIS_MODULE);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block rig_notifier = { .notifier_call = rig_changes };

/* Has a driver; the services of a port of a switch are no use of it. */
static int is_used(struct pci_dev *pdev, void *used)
{
	if (pdev->driver && !pdev->subordinate)
		*(bool *)used = true;
	return 0;
}

/* Finds the end of the chain of a root port's capabilities; negative if ours does not fit. */
static int find_chain_end(struct pci_dev *port)
{
	int at = PCI_CFG_SPACE_SIZE, hops = IDE_AT / 8, end;
	u32 word;

	for (;;) {
		if (pci_read_config_dword(port, at, &word) || !word || !~word || !hops--)
			return -ENODEV;
		if (PCI_EXT_CAP_ID(word) == PCI_EXT_CAP_ID_IDE)
			return -EEXIST;
		if (!PCI_EXT_CAP_NEXT(word))
			break;
		at = PCI_EXT_CAP_NEXT(word);
	}
	end = at;
	/* ours begins behind it, where nothing is */
	for (at = IDE_AT; at < PCI_CFG_SPACE_EXP_SIZE; at += 4)
		if (pci_read_config_dword(port, at, &word) || word)
			return -ENOSPC;
	return end < IDE_AT ? end : -ENOSPC;
}

/* Removes the root ports and finds them again; under the lock of such doings. */
static void find_again(struct pci_ops *ops)
{
	struct pci_host_bridge *bridge = pci_find_host_bridge(root_bus);
	struct pci_dev *port;
	int n;

	for (n = 0; n < port_count; n++) {
		port = pci_get_slot(root_bus, ports[n].devfn);
		if (!port)
			continue;
		pci_stop_and_remove_bus_device(port);
		pci_dev_put(port);
	}
	pci_bus_set_ops(root_bus, ops);
	/* a new bus below takes over what its parent has: not what is ours */
	bridge->child_ops = ops == &ide_ops ? stock_ops : NULL;
	if (ops == stock_ops) {
		/* who was in one of our functions when they were replaced */
		synchronize_rcu_tasks();
		synchronize_rcu();
	}
	pci_rescan_bus(root_bus);
}

/* Does the kernel see IDE at every root port? */
static bool have_ide(void)
{
	struct pci_dev *port;
	bool has;
	int n;

	for (n = 0; n < port_count; n++) {
		port = pci_get_slot(root_bus, ports[n].devfn);
		has = port && port->ide_cap == IDE_AT;
		pci_dev_put(port);
		if (!has)
			return false;
	}
	return true;
}

/* Puts @port, above an endpoint, into its place in the table. */
static const char *add_port(struct pci_dev *port)
{
	bool used = false;
	int end, n;

	if (!port || !pci_is_root_bus(port->bus))
		return "a device is not below a root port";
	if (port_count && port->bus != root_bus)
		return "the root ports are on several buses";
	root_bus = port->bus;
	/* another function of the same device, or a device below the same switch */
	if (port_at(port->devfn) >= 0)
		return NULL;
	if (port_count == WINDOWS)
		return "there are more root ports than windows";
	pci_walk_bus(port->subordinate, is_used, &used);
	if (used)
		return "a driver uses a device already";
	end = find_chain_end(port);
	if (end == -EEXIST)
		return "a root port has IDE already";
	if (end < 0)
		return "a root port has no place for a capability";
	for (n = port_count; n && ports[n - 1].devfn > port->devfn; n--)
		ports[n] = ports[n - 1];
	ports[n] = (struct root_port){ .devfn = port->devfn, .chain_end = end };
	port_count++;
	return NULL;
}

/* Everything that can be wrong is found before anything is changed. */
static const char *prepare(struct pci_dev *pdev)
{
	struct pci_dev *endpoint = NULL;
	const char *why = NULL;
	int n;

	if (!pdev)
		return "there is no TSM firmware 1234:7d50";
	while (!why && (endpoint = pci_get_device(RIG_VENDOR, RIG_ENDPOINT, endpoint)))
		why = add_port(pcie_find_root_port(endpoint));
	/* not held on to: they are removed below */
	pci_dev_put(endpoint);
	if (why)
		return why;
	if (!port_count)
		return "there is no device 1234:7de0";
	if (pci_find_host_bridge(root_bus)->child_ops)
		return "the host bridge has its own ways to the buses below it";
	if (firmware_take(pdev))
		return "the firmware has no windows";
	for (n = 0; n < port_count; n++) {
		if (PCI_EXT_CAP_ID(window_read(n, 0)) == PCI_EXT_CAP_ID_IDE)
			continue;
		firmware_drop();
		return "a window of the firmware shows no IDE capability";
	}
	return NULL;
}

static int __init root_port_ide_init(void)
{
	struct pci_dev *pdev;
	const char *why;

	pci_lock_rescan_remove();
	pdev = pci_get_device(RIG_VENDOR, RIG_FIRMWARE, NULL);
	why = prepare(pdev);
	pci_dev_put(pdev);
	if (why)
		goto refuse;
	stock_ops = root_bus->ops;
	ide_ops = *stock_ops;
	ide_ops.read = ide_read;
	ide_ops.write = ide_write;
	bus_register_notifier(&pci_bus_type, &rig_notifier);
	find_again(&ide_ops);
	if (!have_ide()) {
		bus_unregister_notifier(&pci_bus_type, &rig_notifier);
		find_again(stock_ops);
		firmware_drop();
		why = "the kernel does not take it for an IDE capability";
		goto refuse;
	}
	pci_unlock_rescan_remove();
	return 0;

refuse:
	pci_unlock_rescan_remove();
	pr_err("root_port_ide: not the rig it is for: %s\n", why);
	return -ENODEV;
}
module_init(root_port_ide_init);

static void __exit root_port_ide_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &rig_notifier);
	pci_lock_rescan_remove();
	find_again(stock_ops);
	firmware_drop();
	pci_unlock_rescan_remove();
}
module_exit(root_port_ide_exit);

MODULE_DESCRIPTION("IDE capability for the root ports of the emulated platform of iommufd_tsm");
MODULE_LICENSE("GPL");
