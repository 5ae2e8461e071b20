/* SPDX-License-Identifier: GPL-2.0 */
/* Objects of /dev/iommu. Everything returns 0 or a negative errno. */
#ifndef SELFTEST_IOMMUFD_H
#define SELFTEST_IOMMUFD_H

#include <linux/types.h>

/* Any type that is not 0 allocates on AMD today; this one is of nobody. */
#define IOMMUFD_ANY_VIOMMU 1

/* Open /dev/iommu: a file descriptor or a negative errno. */
int iommufd_open(void);
int iommufd_ioas_alloc(int iommufd, __u32 *ioas_id);
/* A paging HWPT that a vIOMMU may be made on. */
int iommufd_hwpt_alloc(int iommufd, __u32 dev_id, __u32 ioas_id, __u32 *hwpt_id);
int iommufd_viommu_alloc(int iommufd, __u32 dev_id, __u32 hwpt_id, __u32 *viommu_id);
int iommufd_vdevice_alloc(int iommufd, __u32 viommu_id, __u32 dev_id, __u64 virt_id,
			  __u32 *vdevice_id);
int iommufd_destroy(int iommufd, __u32 id);

#endif
