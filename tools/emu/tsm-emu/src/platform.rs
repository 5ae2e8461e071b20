// SPDX-License-Identifier: GPL-2.0

//! The devices and the firmware together, as one machine has them.

use crate::config_space::express::Topology;
use crate::device::{Device, FUNCTIONS};
use crate::firmware::references::{Reference, References};
use crate::firmware::root_ports::RootPorts;
use crate::firmware::tsm::Counts;
use crate::firmware::{Firmware, Surroundings};
use crate::identity::{Identity, IdentityError, Length};
use crate::knobs::Knobs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tsm_wire::mailbox::{Personality, ROOT_PORTS};

/// How many devices there are: one below each root port.
pub const DEVICES: usize = ROOT_PORTS;

/// How many functions each device has.
pub const FUNCTIONS_OF: [usize; DEVICES] = [FUNCTIONS, 1, 1];

/// A machine's worth of emulation.
#[derive(Debug)]
pub struct Platform {
    /// The devices, by number.
    pub devices: Vec<Device>,
    /// The root ports above them, by number.
    pub root_ports: RootPorts,
    /// Firmware, in the order of [`Personality::ALL`].
    pub firmwares: [Firmware; Personality::ALL.len()],
    /// What firmware compares devices with.
    pub references: References,
    /// How all of them misbehave.
    pub knobs: Knobs,
}

impl Platform {
    /// Just powered on; each device has one of these identities, and all firmware trusts their
    /// roots.
    pub fn new(identities: [Identity; DEVICES]) -> Self {
        Self::in_topology(identities, Topology::default())
    }

    /// The same, with the devices in this place.
    pub fn in_topology(identities: [Identity; DEVICES], topology: Topology) -> Self {
        let devices = identities.into_iter().zip(FUNCTIONS_OF).enumerate();
        let mut platform = Self {
            devices: devices
                .map(|(number, (identity, functions))| {
                    Device::new(identity, number, functions).in_topology(topology)
                })
                .collect(),
            root_ports: RootPorts::default(),
            firmwares: Personality::ALL.map(Firmware::new),
            references: References::default(),
            knobs: Knobs::default(),
        };
        platform.publish_references();
        platform
    }

    /// The vendors of the devices say what is to be trusted.
    pub(crate) fn publish_references(&mut self) {
        let references = self.devices.iter().map(|device| Reference {
            root: device.root().to_vec(),
            measurements: device.reference_values(),
        });
        self.references = References(references.collect());
    }

    /// Firmware.
    pub fn firmware(&self, personality: Personality) -> &Firmware {
        let [rmm, psp, tdx] = &self.firmwares;
        match personality {
            Personality::Rmm => rmm,
            Personality::Psp => psp,
            Personality::Tdx => tdx,
        }
    }

    /// Firmware, to be changed.
    pub fn firmware_mut(&mut self, personality: Personality) -> &mut Firmware {
        let [rmm, psp, tdx] = &mut self.firmwares;
        match personality {
            Personality::Rmm => rmm,
            Personality::Psp => psp,
            Personality::Tdx => tdx,
        }
    }

    /// Writes configuration space of a function of a device. Only the first device misbehaves.
    pub fn write_device_config(
        &mut self,
        device: usize,
        function: usize,
        offset: usize,
        data: &[u8],
        now: Instant,
    ) {
        let mut honest = Default::default();
        let knobs = match device {
            0 => &mut self.knobs.exchange,
            _ => &mut honest,
        };
        if let Some(device) = self.devices.get_mut(device) {
            device.write_config(function, offset, data, knobs, now);
        }
    }

    /// Reads BAR 0 of firmware: its mailbox, and in that of the RMM the windows of the root ports.
    pub fn read_mailbox(&self, personality: Personality, offset: usize, data: &mut [u8]) {
        if personality == Personality::Rmm && RootPorts::has_window(offset) {
            self.root_ports.read(offset, data);
        } else {
            self.firmware(personality).read_mailbox(offset, data);
        }
    }

    /// Writes it.
    pub fn write_mailbox(
        &mut self,
        personality: Personality,
        offset: usize,
        data: &[u8],
        now: Instant,
    ) {
        if personality == Personality::Rmm && RootPorts::has_window(offset) {
            self.root_ports.write(offset, data);
            return;
        }
        let [rmm, psp, tdx] = &mut self.firmwares;
        let firmware = match personality {
            Personality::Rmm => rmm,
            Personality::Psp => psp,
            Personality::Tdx => tdx,
        };
        let surroundings = Surroundings {
            devices: &self.devices,
            root_ports: &mut self.root_ports,
            references: &self.references,
            knobs: &mut self.knobs.firmware,
        };
        firmware.write_mailbox(offset, data, surroundings, now);
    }

    /// Conventional reset of firmware's function. With that of the RMM the root ports are reset,
    /// whose windows it has.
    pub fn reset_firmware(&mut self, personality: Personality) {
        self.firmware_mut(personality).reset();
        if personality == Personality::Rmm {
            self.root_ports.reset();
        }
    }

    /// How much there is of everything, over all firmware.
    pub fn counts(&self) -> Counts {
        let each = self.firmwares.iter().map(Firmware::counts);
        each.fold(Counts::default(), |sum, counts| sum + counts)
    }

    /// How the IDE stream between a device and its root port is.
    fn stream(&self, number: usize) -> &'static str {
        let ends = (self.devices.get(number), self.root_ports.get(number));
        let (Some(device), Some(root_port)) = ends else {
            return "none";
        };
        let port = device.port();
        match port.keys().streams().next() {
            Some(stream) if root_port.agrees_with(port, stream) => "secure",
            Some(_) => "insecure",
            None => "none",
        }
    }

    /// What there is to say about it, as JSON.
    pub fn state(&self) -> String {
        let tdis: Vec<String> = self
            .devices
            .iter()
            .flat_map(|device| device.states())
            .map(|state| (state as u8).to_string())
            .collect();
        let sessions: Vec<u32> = self
            .devices
            .iter()
            .map(|device| device.session().unwrap_or(0))
            .collect();
        let streams: Vec<&str> = (0..DEVICES).map(|number| self.stream(number)).collect();
        let exchanges: u64 = self.devices.iter().map(Device::exchanges).sum();
        let calls: u64 = self.firmwares.iter().map(Firmware::calls).sum();
        let counts = self.counts();
        format!(
            "{{\"tdi\":[{}],\"session\":{},\"sessions\":{sessions:?},\"stream\":\"{}\",\"streams\":{streams:?},\"doe\":{exchanges},\"calls\":{calls},\"connections\":{},\"tdis\":{},\"vms\":{},\"pages\":{}}}",
            tdis.join(","),
            sessions.first().unwrap_or(&0),
            self.stream(0),
            counts.connections,
            counts.tdis,
            counts.vms,
            counts.pages,
        )
    }

    /// The key of a guest that talks to firmware: of the VM that was made `age` VMs before the newest.
    pub fn guest_key(&self, age: usize) -> Option<String> {
        let key = self
            .firmwares
            .iter()
            .find_map(|firmware| firmware.guest_key(age))?;
        Some(key.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// New identities, one for each device.
pub fn identities(length: Length) -> Result<[Identity; DEVICES], IdentityError> {
    Ok([
        Identity::generate(length)?,
        Identity::generate(length)?,
        Identity::generate(length)?,
    ])
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
