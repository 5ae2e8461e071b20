/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel offers only as an inline function or a macro, one call a
 * function, for the crate tsm_sys; and the C functions that a C structure of
 * the kernel points at.
 */
#ifndef _TSM_SHIM_H
#define _TSM_SHIM_H

#include <linux/pci-tsm.h>
#include <linux/tsm.h>

struct file;
struct ftrace_regs;
struct iommufd_ctx;
struct iommufd_vdevice;
struct kvm;
struct module;
struct srcu_struct;

/* core.c: user memory */
int tsm_shim_read_op(u64 to[2], const u64 __user *from);
int tsm_shim_read_req(u64 to[5], u64 __user *from);
int tsm_shim_read_payload(u64 to[4], const u64 __user *from, size_t len);
int tsm_shim_put_u32(u32 value, u32 __user *to);
int tsm_shim_write(void __user *to, const void *from, size_t len);
int tsm_shim_put_u64(u64 value, u64 __user *to);
int tsm_shim_get_u32(u32 *value, const u32 __user *from);

/* core.c: the VM behind a VFIO device */
bool tsm_shim_is_vfio_pci(struct pci_dev *pdev);
struct kvm *tsm_shim_vfio_kvm(struct pci_dev *pdev);
void *tsm_shim_symbol_get_kvm_get(void);
void *tsm_shim_symbol_get_kvm_put(void);
void tsm_shim_symbol_put_kvm_get(void);
void tsm_shim_symbol_put_kvm_put(void);

/* core.c: the rest */
bool tsm_shim_is_pf0(struct pci_dev *pdev);
bool tsm_shim_module_get(struct module *module);
void tsm_shim_module_put(struct module *module);
ssize_t tsm_shim_guest_req(struct pci_dev *pdev, u32 scope, void *req, size_t req_len,
			   void *resp, size_t resp_len, u64 *tsm_code);
struct tsm_shim_ops {
	bool bind;
	bool guest_req;
	bool ours;
	bool bound;
};
int tsm_shim_ops_of(struct pci_dev *pdev, struct tsm_shim_ops *has);
bool tsm_shim_memory_bar(struct pci_dev *pdev, int bar, u64 *start, u64 *len);
int tsm_shim_pcie_type(struct pci_dev *pdev);
struct pci_dev *tsm_shim_root_port(struct pci_dev *pdev);
int tsm_shim_root_port_number(struct pci_dev *pdev);
bool tsm_shim_window_is_used(struct pci_dev *pdev, bool prefetchable);
int tsm_shim_segment(struct pci_dev *pdev);

/* link.c: struct pci_tsm_ops */
struct tsm_link {
	struct pci_tsm_ops ops;
	struct tsm_dev *tsm_dev;
};

/* in_len of a guest_req that is one of our own: no length that a user gave */
#define TSM_LINK_CALL SIZE_MAX

void tsm_shim_link_init(struct tsm_link *link);
struct tsm_link *tsm_shim_link_of(struct tsm_dev *tsm_dev);
int tsm_shim_stream_show(struct pci_dev *pdev, const char *name);
void tsm_shim_stream_hide(struct pci_dev *pdev, const char *name);

/* link.rs, called by link.c; under the locks that pci-tsm.h names */
struct pci_tsm *tsm_link_probe(struct tsm_link *link, struct tsm_dev *tsm_dev, struct pci_dev *pdev);
void tsm_link_remove(struct pci_tsm *tsm);
int tsm_link_connect(struct pci_dev *pdev);
void tsm_link_disconnect(struct pci_dev *pdev);
struct pci_tdi *tsm_link_bind(struct pci_dev *pdev, struct kvm *kvm, u32 tdi_id);
void tsm_link_unbind(struct pci_tdi *tdi);
ssize_t tsm_link_guest_req(struct pci_tdi *tdi, void *call, size_t len);

/* redirect.c */
typedef long (*tsm_ioctl_fn)(struct file *file, unsigned int cmd, unsigned long arg,
			     void *answerer);
int tsm_shim_redirect_install(unsigned long ioctl, tsm_ioctl_fn to, void *answerer);
void tsm_shim_redirect_remove(void);
void *tsm_shim_redirect_answerer(void);

/* vdevice.c */
struct iommufd_vdevice *tsm_shim_vdevice_find(struct file *file, u32 id);
void tsm_shim_vdevice_unlock(struct file *file);
struct iommufd_vdevice *tsm_shim_vdevice_get(struct file *file, u32 id);
void tsm_shim_vdevice_put(struct file *file, struct iommufd_vdevice *vdev);
struct device *tsm_shim_vdevice_device(struct iommufd_vdevice *vdev);
u64 tsm_shim_vdevice_virt_id(struct iommufd_vdevice *vdev);
typedef void (*tsm_vdevice_destroy_fn)(struct iommufd_vdevice *vdev);
tsm_vdevice_destroy_fn tsm_shim_vdevice_destroy(struct iommufd_vdevice *vdev);
void tsm_shim_vdevice_set_destroy(struct iommufd_vdevice *vdev, tsm_vdevice_destroy_fn destroy);
int tsm_shim_is_iommufd(struct file *file);
unsigned long tsm_shim_ioctl_of(struct file *file);

#endif
