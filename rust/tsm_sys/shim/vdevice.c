// SPDX-License-Identifier: GPL-2.0
/*
 * vDEVICEs of an iommufd, by its own rules for objects.
 *
 * Compiled against the private header of iommufd, so that no layout of it is
 * written down here.
 */

#include "iommufd_private.h"

#include <linux/module.h>
#include <linux/xarray.h>

#include "shim.h"

/*
 * A vDEVICE that somebody could get now, and the lock of the array it is in: it
 * stays as long as that is held. Without one, the lock is not held.
 */
struct iommufd_vdevice *tsm_shim_vdevice_find(struct file *file, u32 id)
{
	struct iommufd_ctx *ictx = file->private_data;
	XA_STATE(xas, &ictx->objects, id);
	struct iommufd_object *obj;

	xa_lock(&ictx->objects);
	obj = xas_load(&xas);
	/* an entry without object is a reserved id, or that of a device that is gone */
	if (obj && !xa_is_zero(obj) && obj->type == IOMMUFD_OBJ_VDEVICE &&
	    refcount_read(&obj->users))
		return container_of(obj, struct iommufd_vdevice, obj);
	xa_unlock(&ictx->objects);
	return NULL;
}

void tsm_shim_vdevice_unlock(struct file *file)
{
	struct iommufd_ctx *ictx = file->private_data;

	xa_unlock(&ictx->objects);
}

/* As iommufd_get_object(), which is not exported. */
struct iommufd_vdevice *tsm_shim_vdevice_get(struct file *file, u32 id)
{
	struct iommufd_vdevice *vdev = tsm_shim_vdevice_find(file, id);

	if (!vdev)
		return NULL;
	if (!iommufd_lock_obj(&vdev->obj))
		vdev = NULL;
	tsm_shim_vdevice_unlock(file);
	return vdev;
}

/*
 * As iommufd_put_object(): users first, so that who destroys never sees users
 * without wait_cnt. But that one wakes interruptible sleepers only, and who
 * destroys sleeps uninterruptibly: it would look again after its 60 seconds.
 */
void tsm_shim_vdevice_put(struct file *file, struct iommufd_vdevice *vdev)
{
	struct iommufd_ctx *ictx = file->private_data;

	refcount_dec(&vdev->obj.users);
	if (refcount_dec_and_test(&vdev->obj.wait_cnt))
		wake_up_all(&ictx->destroy_wait);
}

struct device *tsm_shim_vdevice_device(struct iommufd_vdevice *vdev)
{
	return vdev->idev->dev;
}

u64 tsm_shim_vdevice_virt_id(struct iommufd_vdevice *vdev)
{
	return vdev->virt_id;
}

tsm_vdevice_destroy_fn tsm_shim_vdevice_destroy(struct iommufd_vdevice *vdev)
{
	return vdev->destroy;
}

void tsm_shim_vdevice_set_destroy(struct iommufd_vdevice *vdev, tsm_vdevice_destroy_fn destroy)
{
	vdev->destroy = destroy;
}

/* 0 if @file is one of iommufd, which is then in use by our symbol. */
int tsm_shim_is_iommufd(struct file *file)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);

	if (IS_ERR(ictx))
		return PTR_ERR(ictx);
	iommufd_ctx_put(ictx);
	return 0;
}

unsigned long tsm_shim_ioctl_of(struct file *file)
{
	return (unsigned long)file->f_op->unlocked_ioctl;
}
