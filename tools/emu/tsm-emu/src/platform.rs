// SPDX-License-Identifier: GPL-2.0

//! The device and the firmware together, as one machine has them.

use crate::config_space::express::Topology;
use crate::device::{Device, FUNCTIONS};
use crate::firmware::{Firmware, References};
use crate::identity::Identity;
use crate::knobs::Knobs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A machine's worth of emulation.
#[derive(Debug)]
pub struct Platform {
    /// The device.
    pub device: Device,
    /// The TSM firmware.
    pub firmware: Firmware,
    /// How both misbehave.
    pub knobs: Knobs,
}

impl Platform {
    /// Just powered on; the device has this identity, and the firmware trusts its root.
    pub fn new(identity: Identity) -> Self {
        let roots = vec![identity.root().to_vec()];
        let device = Device::new(identity);
        let measurements = device.reference_values();
        Self {
            device,
            firmware: Firmware::new(References {
                roots,
                measurements,
            }),
            knobs: Knobs::default(),
        }
    }

    /// The same, with the device in this place.
    pub fn in_topology(mut self, topology: Topology) -> Self {
        self.device = self.device.in_topology(topology);
        self
    }

    /// Writes configuration space of a function of the device.
    pub fn write_device_config(
        &mut self,
        function: usize,
        offset: usize,
        data: &[u8],
        now: Instant,
    ) {
        self.device
            .write_config(function, offset, data, &mut self.knobs.exchange, now);
    }

    /// Writes the firmware's mailbox.
    pub fn write_mailbox(&mut self, offset: usize, data: &[u8], now: Instant) {
        self.firmware
            .write_mailbox(offset, data, &self.device, &mut self.knobs.firmware, now);
    }

    /// How the IDE stream between the root port and the device is.
    fn stream(&self) -> &'static str {
        let port = self.device.port();
        let root_port = self.firmware.root_port();
        match port.keys().streams().next() {
            Some(stream) if root_port.agrees_with(port, stream) => "secure",
            Some(_) => "insecure",
            None => "none",
        }
    }

    /// What there is to say about it, as JSON.
    pub fn state(&self) -> String {
        let tdis: Vec<String> = (0..FUNCTIONS)
            .map(|function| (self.device.state(function) as u8).to_string())
            .collect();
        let counts = self.firmware.counts();
        format!(
            "{{\"tdi\":[{}],\"session\":{},\"stream\":\"{}\",\"doe\":{},\"rmi\":{},\"pdevs\":{},\"vdevs\":{},\"realms\":{},\"granules\":{}}}",
            tdis.join(","),
            self.device.session().unwrap_or(0),
            self.stream(),
            self.device.exchanges(),
            counts.calls,
            counts.pdevs,
            counts.vdevs,
            counts.realms,
            counts.granules,
        )
    }
}

/// A platform that several functions share.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Platform>>);

impl Shared {
    /// Shares it.
    pub fn new(platform: Platform) -> Self {
        Self(Arc::new(Mutex::new(platform)))
    }

    /// The platform, for the time of one access. A thread that died in its midst left nothing that
    /// the next access could not live with: every access checks what it finds.
    pub fn lock(&self) -> MutexGuard<'_, Platform> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
