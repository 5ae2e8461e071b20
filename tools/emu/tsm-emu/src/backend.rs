// SPDX-License-Identifier: GPL-2.0

//! A PCI function as vfio-user has it: regions, interrupts, DMA.

use crate::config_space::{self, BARS};
use crate::endpoint::{Endpoint, VECTORS};
use crate::firmware::{Firmware, MAILBOX_BAR};
use crate::platform::Shared;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Instant;
use tracing::{debug, warn};
use tsm_wire::mailbox::Personality;
use vfio_bindings::bindings::vfio::{
    vfio_region_info, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, ServerBackend, ServerRegion};

/// Which function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A function of a device.
    Endpoint {
        /// Number of the device.
        device: usize,
        /// Number of the function.
        function: usize,
    },
    /// Firmware.
    Firmware(Personality),
}

impl Role {
    fn region_size(self, index: u32) -> u64 {
        if index == VFIO_PCI_CONFIG_REGION_INDEX {
            return config_space::SIZE as u64;
        }
        let bar = index as usize;
        let size = match self {
            Self::Endpoint { .. } if bar < BARS => Endpoint::bar_size(bar),
            Self::Firmware(_) if bar < BARS => Firmware::bar_size(bar),
            _ => 0,
        };
        u64::from(size)
    }

    /// The regions, in the order that vfio has them.
    pub fn regions(self) -> Vec<ServerRegion> {
        (0..VFIO_PCI_NUM_REGIONS)
            .map(|index| {
                let size = self.region_size(index);
                let access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
                ServerRegion {
                    region_info: vfio_region_info {
                        argsz: size_of::<vfio_region_info>() as u32,
                        index,
                        size,
                        flags: if size == 0 { 0 } else { access },
                        ..Default::default()
                    },
                    sparse_areas: Vec::new(),
                    mmap_fd: None,
                }
            })
            .collect()
    }

    /// The interrupts, in the order that vfio has them: MSI-X, if any.
    pub fn interrupts(self) -> Vec<IrqInfo> {
        (0..VFIO_PCI_NUM_IRQS)
            .map(|index| {
                let msix =
                    index == VFIO_PCI_MSIX_IRQ_INDEX && matches!(self, Self::Endpoint { .. });
                IrqInfo {
                    index,
                    flags: if msix { VFIO_IRQ_INFO_EVENTFD } else { 0 },
                    count: if msix { u32::from(VECTORS) } else { 0 },
                }
            })
            .collect()
    }
}

/// A function and its client.
#[derive(Debug)]
pub struct Backend {
    platform: Shared,
    role: Role,
    vectors: Vec<Option<File>>,
    connected: Arc<AtomicBool>,
}

impl Backend {
    /// Serves this function of the platform. `connected` is set when a client is there.
    pub fn new(platform: Shared, role: Role, connected: Arc<AtomicBool>) -> Self {
        Self {
            platform,
            role,
            vectors: (0..VECTORS).map(|_| None).collect(),
            connected,
        }
    }

    /// The client is gone.
    pub fn disconnected(&mut self) {
        self.vectors.fill_with(|| None);
        if let Role::Firmware(personality) = self.role {
            let mut platform = self.platform.lock();
            platform.firmware_mut(personality).memory().clear();
        }
        self.connected.store(false, Ordering::SeqCst);
    }

    fn touch(&self) {
        self.connected.store(true, Ordering::SeqCst);
    }

    fn fire(&mut self, vector: u32) {
        let file = self
            .vectors
            .get_mut(vector as usize)
            .and_then(Option::as_mut);
        // An eventfd counts up by what is written.
        if let Some(Err(error)) = file.map(|file| file.write_all(&1u64.to_ne_bytes())) {
            warn!(vector, %error, "interrupt");
        }
    }
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.touch();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let platform = self.platform.lock();
        match self.role {
            Role::Endpoint { device, function } => {
                let Some(device) = platform.devices.get(device) else {
                    data.fill(0xff);
                    return Ok(());
                };
                if region == VFIO_PCI_CONFIG_REGION_INDEX {
                    device.read_config(function, offset, data, Instant::now());
                } else {
                    device.read_bar(function, region as usize, offset, data);
                }
            }
            Role::Firmware(personality) if region == VFIO_PCI_CONFIG_REGION_INDEX => {
                platform.firmware(personality).read_config(offset, data);
            }
            Role::Firmware(personality) if region as usize == MAILBOX_BAR => {
                platform.read_mailbox(personality, offset, data);
            }
            Role::Firmware(_) => data.fill(0xff),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        self.touch();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let now = Instant::now();
        let mut platform = self.platform.lock();
        let mut fires = None;
        match self.role {
            Role::Endpoint { device, function } if region == VFIO_PCI_CONFIG_REGION_INDEX => {
                platform.write_device_config(device, function, offset, data, now);
            }
            Role::Endpoint { device, function } => {
                let device = platform.devices.get_mut(device);
                fires = device
                    .and_then(|device| device.write_bar(function, region as usize, offset, data));
            }
            Role::Firmware(personality) if region == VFIO_PCI_CONFIG_REGION_INDEX => {
                platform
                    .firmware_mut(personality)
                    .write_config(offset, data);
            }
            Role::Firmware(personality) if region as usize == MAILBOX_BAR => {
                platform.write_mailbox(personality, offset, data, now);
            }
            Role::Firmware(_) => {}
        }
        drop(platform);
        if let Some(vector) = fires {
            self.fire(vector);
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        self.touch();
        debug!(role = ?self.role, "map {address:#x} + {size:#x}");
        // The device does no DMA. What has no file cannot be reached.
        if let (Role::Firmware(personality), Some(file)) = (self.role, fd) {
            let writable = flags.contains(DmaMapFlags::WRITE);
            let mut platform = self.platform.lock();
            platform
                .firmware_mut(personality)
                .memory()
                .map(address, size, file, offset, writable)?;
        }
        Ok(())
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        self.touch();
        debug!(role = ?self.role, "unmap {address:#x} + {size:#x}");
        if let Role::Firmware(personality) = self.role {
            let mut platform = self.platform.lock();
            let memory = platform.firmware_mut(personality).memory();
            if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
                memory.clear();
            } else {
                memory.unmap(address, size);
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.touch();
        let mut platform = self.platform.lock();
        match self.role {
            Role::Endpoint { device, function } => {
                if let Some(device) = platform.devices.get_mut(device) {
                    device.reset(function);
                }
            }
            Role::Firmware(personality) => platform.reset_firmware(personality),
        }
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        self.touch();
        if index != VFIO_PCI_MSIX_IRQ_INDEX {
            return Ok(());
        }
        let vectors = self.vectors.iter_mut().skip(start as usize);
        if flags & VFIO_IRQ_SET_DATA_EVENTFD != 0 {
            let mut fds = fds.into_iter();
            for vector in vectors.take(count as usize) {
                *vector = fds.next();
            }
        } else if count == 0 {
            vectors.for_each(|vector| *vector = None);
        }
        Ok(())
    }
}
