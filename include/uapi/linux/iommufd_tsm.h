/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_IOMMUFD_TSM_H
#define _UAPI_IOMMUFD_TSM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * TSM requests of a vDEVICE, on /dev/iommu
 *
 * The two commands follow the conventions of <linux/iommufd.h>: the structure
 * starts with its own size, may grow at its end, and bytes beyond what the
 * kernel knows must be zero (else E2BIG). A kernel without them answers ENOTTY;
 * to find out, pass a well formed structure with vdevice_id 0, which is never a
 * vDEVICE: ENOENT says that they are there.
 */
#define IOMMU_VDEVICE_TSM_REQ _IO(';', 0x96)
#define IOMMU_VDEVICE_TSM_OP _IO(';', 0x97)

/**
 * enum iommu_vdevice_tsm_op_type - What IOMMU_VDEVICE_TSM_OP does
 * @IOMMU_VDEVICE_TSM_BIND: Create the TDI in the TSM and lock it (TDISP
 *                          CONFIG_LOCKED). Again with the same VM and virtual
 *                          id: no change, success
 * @IOMMU_VDEVICE_TSM_UNBIND: Take the TDI from the VM. Of an unbound vDEVICE:
 *                            no change, success
 */
enum iommu_vdevice_tsm_op_type {
	IOMMU_VDEVICE_TSM_BIND = 1,
	IOMMU_VDEVICE_TSM_UNBIND = 2,
};

/**
 * struct iommu_vdevice_tsm_op - ioctl(IOMMU_VDEVICE_TSM_OP)
 * @size: sizeof(struct iommu_vdevice_tsm_op)
 * @type: One of enum iommu_vdevice_tsm_op_type
 * @flags: Must be 0
 * @vdevice_id: The vDEVICE, from IOMMU_VDEVICE_ALLOC
 *
 * Bind or unbind the PCI function behind a vDEVICE as a TEE device interface
 * (TDI) of the VM that its VFIO device is associated with (KVM_DEV_VFIO_FILE_ADD
 * before VFIO_DEVICE_BIND_IOMMUFD). The virtual id of the vDEVICE names the TDI
 * towards the TSM and must fit in 32 bits.
 *
 * A TDI is also unbound when its vDEVICE is destroyed, when the VFIO device or
 * the iommufd is closed, and when the TSM goes away; after the last, requests
 * answer ENXIO until it is bound again.
 *
 * Return: 0, or: EOPNOTSUPP flags is not 0, or the TSM cannot bind; EINVAL
 * unknown type, or virtual id beyond 32 bits; ENOENT no such vDEVICE; ENXIO not
 * a PCI device, or no TSM is connected to it; ENODEV no VM; EBUSY bound to
 * another VM or under another virtual id; EIO the TSM refused.
 */
struct iommu_vdevice_tsm_op {
	__u32 size;
	__u32 type;
	__u32 flags;
	__u32 vdevice_id;
};

/**
 * enum iommu_vdevice_tsm_tvm_arch - Architecture of the confidential VM
 * @IOMMU_VDEVICE_TSM_TVM_ARCH_COMMON: Any; for operations that are not unique to
 *                                     one architecture
 * @IOMMU_VDEVICE_TSM_TVM_ARCH_CCA: Arm Confidential Compute Architecture
 * @IOMMU_VDEVICE_TSM_TVM_ARCH_SEV: AMD SEV-TIO
 * @IOMMU_VDEVICE_TSM_TVM_ARCH_TDX: Intel TDX Connect
 */
enum iommu_vdevice_tsm_tvm_arch {
	IOMMU_VDEVICE_TSM_TVM_ARCH_COMMON = 0,
	IOMMU_VDEVICE_TSM_TVM_ARCH_CCA = 1,
	IOMMU_VDEVICE_TSM_TVM_ARCH_SEV = 2,
	IOMMU_VDEVICE_TSM_TVM_ARCH_TDX = 3,
};

/**
 * enum iommu_vdevice_tsm_req_op - Operation of a guest request
 * @IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO: Map a range of the TDI's MMIO into the
 *                                       VM. &struct iommu_tsm_validate_mmio in,
 *                                       nothing out; or, of SEV, an SNP guest
 *                                       message of another length in and out
 * @IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE: Change the TDISP state.
 *                                       &struct iommu_tsm_set_tdi_state in,
 *                                       nothing out
 * @IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA: SNP guest message in and out; SEV only
 * @IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA: SNP guest message in and out; SEV only
 * @IOMMU_VDEVICE_TSM_REQ_READ_OBJECT: Read an evidence object.
 *                                     &struct iommu_tsm_read_object in, bytes out
 * @IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT: Make an evidence object anew.
 *                                      &struct iommu_tsm_regen_object in, nothing
 *                                      out
 * @IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO: Length of an evidence object.
 *                                     &struct iommu_tsm_object_info in,
 *                                     &struct iommu_tsm_object_info_out out
 *
 * An SNP guest message is encrypted between guest and PSP: from its header of 96
 * bytes on, at most IOMMU_VDEVICE_TSM_GUEST_MESSAGE_LEN bytes, which is also the
 * room that the response buffer has to have. Of it the kernel looks at the type
 * only: SEV_ENABLE_DMA and SEV_DISABLE_DMA carry SDTE_WRITE_REQ (25),
 * VALIDATE_MMIO carries MMIO_VALIDATE_REQ (21) and MMIO_CONFIG_REQ (23).
 */
enum iommu_vdevice_tsm_req_op {
	IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO = 1,
	IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE = 2,
	IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA = 3,
	IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA = 4,
	IOMMU_VDEVICE_TSM_REQ_READ_OBJECT = 5,
	IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT = 6,
	IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO = 7,
};

#define IOMMU_VDEVICE_TSM_REQ_MAX_LEN (64 * 1024)
#define IOMMU_VDEVICE_TSM_RESP_MAX_LEN (16 * 1024 * 1024)
#define IOMMU_VDEVICE_TSM_GUEST_MESSAGE_LEN 4096

/**
 * struct iommu_vdevice_tsm_req - ioctl(IOMMU_VDEVICE_TSM_REQ)
 * @size: sizeof(struct iommu_vdevice_tsm_req); 40 selects the scope form, see
 *        &struct iommu_vdevice_tsm_scope_req
 * @vdevice_id: The vDEVICE, from IOMMU_VDEVICE_ALLOC
 * @op: One of enum iommu_vdevice_tsm_req_op
 * @tvm_arch: One of enum iommu_vdevice_tsm_tvm_arch. Not COMMON: the
 *            architecture of the TSM that the TDI is bound through
 * @req_len: Length of the request, at most IOMMU_VDEVICE_TSM_REQ_MAX_LEN
 * @resp_len: Size of the response buffer, at most IOMMU_VDEVICE_TSM_RESP_MAX_LEN
 * @req_uptr: The request; 0 exactly if @req_len is 0
 * @resp_uptr: Where the response goes; 0 exactly if @resp_len is 0
 * @tsm_code: Output, on success and on failure: the result code of the TSM,
 *            whose meaning is its architecture's; 0 if there is none
 *
 * Carry a request that a guest made of its TDI to the TSM.
 *
 * Nothing happens before all of the user memory that the call names was found
 * to be there. Should memory of the response disappear during the operation,
 * the call fails with EFAULT and the operation stands. A call that fails writes
 * nothing to the response buffer.
 *
 * Return: on success the residue: with a response buffer, how many bytes of it
 * were not filled; without one, how many bytes of the request were not consumed.
 * Or -1 and errno, checked in this order: EFAULT the structure cannot be read, or
 * @tsm_code not be written; EINVAL short structure; E2BIG unknown bytes past it
 * are not zero, or it has more than 4096; EINVAL unknown arch, unknown op, op that the arch
 * does not have, length without pointer or pointer without length; EMSGSIZE a
 * length beyond its limit; ENOENT no such vDEVICE; ENXIO not a PCI device, or not
 * bound; EINVAL arch is not that of the TSM; EFAULT the request; EINVAL payload
 * not valid, or no room for the response; EFAULT the nonce or the response buffer; EPROTO not possible in the
 * state the TDI is in, which it keeps; EIO the TSM or the device refused, see
 * @tsm_code; EINTR a signal came while waiting, nothing happened; ENOMEM.
 */
struct iommu_vdevice_tsm_req {
	__u32 size;
	__u32 vdevice_id;
	__u32 op;
	__u32 tvm_arch;
	__u32 req_len;
	__u32 resp_len;
	__aligned_u64 req_uptr;
	__aligned_u64 resp_uptr;
	__aligned_u64 tsm_code;
};

/**
 * enum iommu_vdevice_tsm_scope - What a request in scope form may do
 * @IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO: Read: objects and their sizes, and making
 *                                    them anew
 * @IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE: Start, stop, enable or disable MMIO
 *                                            and DMA; making objects anew
 * @IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_READ: Refused (EINVAL)
 * @IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_WRITE: Refused (EINVAL)
 */
enum iommu_vdevice_tsm_scope {
	IOMMU_VDEVICE_TSM_SCOPE_PCI_INFO = 0,
	IOMMU_VDEVICE_TSM_SCOPE_PCI_STATE_CHANGE = 1,
	IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_READ = 2,
	IOMMU_VDEVICE_TSM_SCOPE_PCI_DEBUG_WRITE = 3,
};

/**
 * struct iommu_vdevice_tsm_scope_req - ioctl(IOMMU_VDEVICE_TSM_REQ), scope form
 * @size: 40
 * @vdevice_id: The vDEVICE, from IOMMU_VDEVICE_ALLOC
 * @scope: One of enum iommu_vdevice_tsm_scope
 * @req_len: Length of the request
 * @resp_len: Size of the response buffer
 * @__reserved: Must be 0
 * @req_uptr: The request, as the architecture of the TSM defines it; on CCA it
 *            starts with a type, see &enum iommu_tsm_cca_scope_req_type; on SEV it
 *            is &enum iommu_tsm_sev_scope_tdi, or an SNP guest message; on TDX it is
 *            &enum iommu_tsm_tdx_scope_tdi
 * @resp_uptr: Where the response goes
 *
 * As &struct iommu_vdevice_tsm_req, without operation, architecture and result
 * code: the TSM tells from the payload what is asked.
 */
struct iommu_vdevice_tsm_scope_req {
	__u32 size;
	__u32 vdevice_id;
	__u32 scope;
	__u32 req_len;
	__u32 resp_len;
	__u32 __reserved;
	__aligned_u64 req_uptr;
	__aligned_u64 resp_uptr;
};

/**
 * enum iommu_tsm_sev_scope_tdi - One byte, under PCI_STATE_CHANGE, on SEV
 * @IOMMU_TSM_SEV_SCOPE_TDI_UNLOCK: CONFIG_UNLOCKED; stays bound
 * @IOMMU_TSM_SEV_SCOPE_TDI_RUN: RUN
 *
 * What is longer is an SNP guest message: TDI_INFO_REQ (19) under PCI_INFO,
 * MMIO_VALIDATE_REQ (21), MMIO_CONFIG_REQ (23) and SDTE_WRITE_REQ (25) under
 * PCI_STATE_CHANGE.
 */
enum iommu_tsm_sev_scope_tdi {
	IOMMU_TSM_SEV_SCOPE_TDI_UNLOCK = 0,
	IOMMU_TSM_SEV_SCOPE_TDI_RUN = 1,
};

/**
 * enum iommu_tsm_tdx_scope_tdi - One __u32, under PCI_STATE_CHANGE, on TDX
 * @IOMMU_TSM_TDX_SCOPE_TDI_BIND: CONFIG_LOCKED
 * @IOMMU_TSM_TDX_SCOPE_TDI_START: RUN
 * @IOMMU_TSM_TDX_SCOPE_TDI_STOP: CONFIG_UNLOCKED; stays bound
 */
enum iommu_tsm_tdx_scope_tdi {
	IOMMU_TSM_TDX_SCOPE_TDI_BIND = 1,
	IOMMU_TSM_TDX_SCOPE_TDI_START = 2,
	IOMMU_TSM_TDX_SCOPE_TDI_STOP = 4,
};

/**
 * struct iommu_tsm_validate_mmio - Request of VALIDATE_MMIO
 * @gpa_base: First guest physical address, a multiple of 4096
 * @gpa_top: End (exclusive), a multiple of 4096
 * @pa_base: Host physical address of the first byte, inside a BAR of the TDI
 *           that holds the whole range
 */
struct iommu_tsm_validate_mmio {
	__aligned_u64 gpa_base;
	__aligned_u64 gpa_top;
	__aligned_u64 pa_base;
};

/**
 * enum iommu_tsm_tdi_state - States that SET_TDI_STATE asks for
 * @IOMMU_TSM_TDI_UNLOCKED: CONFIG_UNLOCKED; stays bound
 * @IOMMU_TSM_TDI_LOCKED: CONFIG_LOCKED; of a vDEVICE that is not bound: bind it
 * @IOMMU_TSM_TDI_RUN: RUN
 */
enum iommu_tsm_tdi_state {
	IOMMU_TSM_TDI_UNLOCKED = 0,
	IOMMU_TSM_TDI_LOCKED = 1,
	IOMMU_TSM_TDI_RUN = 2,
};

/**
 * struct iommu_tsm_set_tdi_state - Request of SET_TDI_STATE
 * @state: One of enum iommu_tsm_tdi_state
 */
struct iommu_tsm_set_tdi_state {
	__u32 state;
};

/**
 * enum iommu_tsm_object_type - Evidence objects
 * @IOMMU_TSM_OBJECT_VCA: SPDM VERSION, CAPABILITIES and ALGORITHMS messages
 * @IOMMU_TSM_OBJECT_CERTIFICATE: Certificate chain of the device
 * @IOMMU_TSM_OBJECT_MEASUREMENT: Measurements of the device
 * @IOMMU_TSM_OBJECT_INTERFACE_REPORT: TDISP interface report; there only while
 *                                     the TDI is locked or runs
 */
enum iommu_tsm_object_type {
	IOMMU_TSM_OBJECT_VCA = 0,
	IOMMU_TSM_OBJECT_CERTIFICATE = 1,
	IOMMU_TSM_OBJECT_MEASUREMENT = 2,
	IOMMU_TSM_OBJECT_INTERFACE_REPORT = 3,
};

/**
 * struct iommu_tsm_read_object - Request of READ_OBJECT
 * @type: One of enum iommu_tsm_object_type
 * @__reserved: Must be 0
 * @offset: First byte to read, at most the length of the object
 */
struct iommu_tsm_read_object {
	__u32 type;
	__u32 __reserved;
	__aligned_u64 offset;
};

/**
 * struct iommu_tsm_regen_object - Request of REGEN_OBJECT
 * @type: IOMMU_TSM_OBJECT_MEASUREMENT or IOMMU_TSM_OBJECT_INTERFACE_REPORT
 * @__reserved: Must be 0
 * @flags: Format of measurements: 0 digests, 1 raw bit streams; else 0
 * @nonce_uptr: 32 bytes that a measurement is to be fresh for, or 0
 */
struct iommu_tsm_regen_object {
	__u32 type;
	__u32 __reserved;
	__aligned_u64 flags;
	__aligned_u64 nonce_uptr;
};

/**
 * struct iommu_tsm_object_info - Request of OBJECT_INFO
 * @type: One of enum iommu_tsm_object_type
 */
struct iommu_tsm_object_info {
	__u32 type;
};

/**
 * struct iommu_tsm_object_info_out - Response of OBJECT_INFO
 * @length: Bytes in the object; 0 if there is none now
 */
struct iommu_tsm_object_info_out {
	__u32 length;
};

/**
 * enum iommu_tsm_cca_scope_req_type - First word of a scope form request on CCA
 * @IOMMU_TSM_CCA_SCOPE_OBJECT_SIZE: &struct iommu_tsm_cca_scope_object_size
 * @IOMMU_TSM_CCA_SCOPE_OBJECT_READ: &struct iommu_tsm_cca_scope_object_read
 * @IOMMU_TSM_CCA_SCOPE_UPDATE_INTERFACE_REPORT: the type alone
 * @IOMMU_TSM_CCA_SCOPE_UPDATE_MEASUREMENTS:
 *	&struct iommu_tsm_cca_scope_update_measurements
 * @IOMMU_TSM_CCA_SCOPE_VDEV_MAP: &struct iommu_tsm_cca_scope_vdev_map
 * @IOMMU_TSM_CCA_SCOPE_SET_TDI_STATE: &struct iommu_tsm_cca_scope_set_tdi_state
 */
enum iommu_tsm_cca_scope_req_type {
	IOMMU_TSM_CCA_SCOPE_OBJECT_SIZE = 1,
	IOMMU_TSM_CCA_SCOPE_OBJECT_READ = 2,
	IOMMU_TSM_CCA_SCOPE_UPDATE_INTERFACE_REPORT = 3,
	IOMMU_TSM_CCA_SCOPE_UPDATE_MEASUREMENTS = 4,
	IOMMU_TSM_CCA_SCOPE_VDEV_MAP = 5,
	IOMMU_TSM_CCA_SCOPE_SET_TDI_STATE = 6,
};

/**
 * struct iommu_tsm_cca_scope_object_size - Size of an object, 4 bytes out
 * @req_type: IOMMU_TSM_CCA_SCOPE_OBJECT_SIZE
 * @object_type: One of enum iommu_tsm_object_type
 */
struct iommu_tsm_cca_scope_object_size {
	__u32 req_type;
	__u32 object_type;
};

/**
 * struct iommu_tsm_cca_scope_object_read - Read an object
 * @req_type: IOMMU_TSM_CCA_SCOPE_OBJECT_READ
 * @object_type: One of enum iommu_tsm_object_type
 * @offset: First byte to read
 */
struct iommu_tsm_cca_scope_object_read {
	__u32 req_type;
	__u32 object_type;
	__aligned_u64 offset;
};

/**
 * struct iommu_tsm_cca_scope_update_measurements - Make measurements anew
 * @req_type: IOMMU_TSM_CCA_SCOPE_UPDATE_MEASUREMENTS
 * @__reserved: Must be 0
 * @flags: As in &struct iommu_tsm_regen_object
 * @nonce_uptr: As in &struct iommu_tsm_regen_object
 */
struct iommu_tsm_cca_scope_update_measurements {
	__u32 req_type;
	__u32 __reserved;
	__aligned_u64 flags;
	__aligned_u64 nonce_uptr;
};

/**
 * struct iommu_tsm_cca_scope_vdev_map - Map MMIO into the VM
 * @req_type: IOMMU_TSM_CCA_SCOPE_VDEV_MAP
 * @__reserved: Must be 0
 * @mmio: The range
 */
struct iommu_tsm_cca_scope_vdev_map {
	__u32 req_type;
	__u32 __reserved;
	struct iommu_tsm_validate_mmio mmio;
};

/**
 * struct iommu_tsm_cca_scope_set_tdi_state - Change the TDISP state
 * @req_type: IOMMU_TSM_CCA_SCOPE_SET_TDI_STATE
 * @state: One of enum iommu_tsm_tdi_state
 */
struct iommu_tsm_cca_scope_set_tdi_state {
	__u32 req_type;
	__u32 state;
};

#endif /* _UAPI_IOMMUFD_TSM_H */
