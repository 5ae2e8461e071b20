// SPDX-License-Identifier: GPL-2.0

//! The PSP, whatever a host commands, puts into its buffers and makes of the messages that it is to
//! carry: it writes to no page but the firmware's, counts what there is, refuses without changing
//! anything, and locks or starts no TDI on the word of anybody but the device.

use super::host::{bar_address, passed_on, Host, RID};
use super::memory::{page, Owner, PAGE};
use super::psp_host::COMMAND_PAGE;
use crate::spdm::is_padded;
use crate::{seeds, Input};
use snp::{Guest, Vmpck};
use spdm::{Carriage, Packet};
use tdisp::State;
use tsm_emu::config_space::COMMAND;
use tsm_emu::firmware::psp::Psp;
use tsm_emu::firmware::tsm::Tsm;
use tsm_wire::sev::rmp::PageState;
use tsm_wire::sev::{BufferHeader, Command, Sla, SpdmCtrl, Status};
use zerocopy::{FromZeros, IntoBytes};

/// Most events of an input.
const EVENTS: usize = 40;
/// More messages than any conversation has.
const MESSAGES: usize = 128;
/// Requester ID of function 0 in the guest.
const GUEST_RID: u16 = 0x18;
/// Bytes of a command's buffer at most.
const COMMAND_MAX: usize = 128;

/// Pages that things are made of in a good order.
const DATA: u8 = 1;
const REQUEST: u8 = 2;
const RESPONSE: u8 = 3;
const SCRATCH_LIST: u8 = 4;
const SCRATCH: [u8; 2] = [5, 6];
const OUTPUT_LIST: u8 = 7;
const OUTPUT: [u8; 4] = [8, 9, 10, 11];
const DEVICE_LIST: u8 = 12;
const DEVICE: [u8; 2] = [13, 14];
const TDI: u8 = 15;
const GUEST: u8 = 16;
const MESSAGE: u8 = 17;

struct Rig {
    host: Host<Psp>,
    /// An answer was changed on its way.
    tampered: bool,
    /// The device was changed.
    touched: bool,
}

/// How much is made in a good order, then events.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rig = Rig {
        host: Host::new(Some(Owner::Firmware)),
        tampered: false,
        touched: false,
    };
    rig.lay_out();
    rig.rise(usize::from(input.byte()) % (LIFE.len() + 1));
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
}

/// Commands in a good order.
const LIFE: [Command; 12] = [
    Command::TioInit,
    Command::TioDevCreate,
    Command::TioDevConnect,
    Command::SnpGctxCreate,
    Command::SnpLaunchStart,
    Command::SnpActivate,
    Command::SnpLaunchFinish,
    Command::TioTdiCreate,
    Command::TioTdiBind,
    Command::TioTdiReport,
    Command::TioTdiStatus,
    Command::TioDevMeasurements,
];

/// From each height what comes next, ends, and messages that are changed or lost.
pub fn seeds() -> Vec<Vec<u8>> {
    let number = |command: Command| {
        let position = Command::ALL.iter().position(|other| *other == command);
        position.unwrap() as u8
    };
    let talk =
        |command, script: &[u8]| [&[0, number(command), 0][..], &seeds::bytes(script)].concat();
    let from = |height: u8, events: &[Vec<u8>]| [vec![height], events.concat()].concat();
    let mut all: Vec<_> = (0..=LIFE.len() as u8).map(|height| vec![height]).collect();
    for (height, command) in (0..).zip(LIFE) {
        all.push(from(height, &[talk(command, &[])]));
        all.push(from(
            height,
            &[talk(command, &[0, 11, 40, 0, 1]), talk(command, &[])],
        ));
        all.push(from(height, &[talk(command, &[12]), talk(command, &[])]));
        all.push(from(
            height,
            &[talk(command, &[0, 15]), talk(Command::TioDevStatus, &[])],
        ));
    }
    for command in [
        Command::TioTdiUnbind,
        Command::TioDevDisconnect,
        Command::TioDevCertificates,
        Command::TioAsidFenceClear,
        Command::TioAsidFenceStatus,
        Command::SnpDecommission,
    ] {
        all.push(from(10, &[talk(command, &[])]));
    }
    // A start, and guests' messages.
    all.push(from(10, &[vec![0, number(Command::TioTdiBind), 1, 0, 0]]));
    let message = |kind: u8, payload: &[u8]| [&[6, kind][..], &seeds::bytes(payload)].concat();
    let rid = GUEST_RID.to_le_bytes();
    for (kind, length) in [(19, 16), (21, 48), (23, 16), (25, 80)] {
        let mut payload = vec![0; length];
        payload[..2].copy_from_slice(&rid);
        all.push(from(10, &[message(kind, &payload)]));
    }
    // Taken apart.
    let end = [
        Command::TioTdiUnbind,
        Command::TioTdiReclaim,
        Command::TioDevDisconnect,
        Command::TioDevReclaim,
        Command::SnpDecommission,
    ];
    all.push(from(10, &end.map(|command| talk(command, &[]))));
    all
}

fn sla(list: u8, pages: &[u8]) -> (Sla, Vec<u8>) {
    let entries = pages.iter().map(|number| Sla::page(page(*number)).unwrap());
    let bytes = entries
        .chain([Sla::END])
        .flat_map(|sla| sla.0.to_le_bytes());
    (Sla::list(page(list)).unwrap(), bytes.collect())
}

fn buffers() -> SpdmCtrl {
    SpdmCtrl {
        req: Sla::page(page(REQUEST)).unwrap(),
        resp: Sla::page(page(RESPONSE)).unwrap(),
        scratch: sla(SCRATCH_LIST, &SCRATCH).0,
        output: sla(OUTPUT_LIST, &OUTPUT).0,
    }
}

/// The buffer of a command that is good for something; `flag` is whatever it has of that sort.
fn parameters(command: Command, flag: bool) -> Vec<u8> {
    let device = sla(DEVICE_LIST, &DEVICE).0 .0;
    let tdi = page(TDI);
    let (guest, data) = (page(GUEST), page(DATA));
    let control = buffers();
    let words = |length: u32, flags: u32, control: &[u8], rest: &[u64]| {
        let head = u64::from(length) | u64::from(flags) << 32;
        let rest: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
        [&head.to_le_bytes(), control, &rest].concat()
    };
    let talks = |length, flags, rest: &[u64]| words(length, flags, control.as_bytes(), rest);
    let plain = |length, rest: &[u64]| words(length, 0, &[], rest);
    let flags = u32::from(flag);
    match command {
        Command::SnpDfFlush => vec![0; 8],
        Command::SnpDecommission | Command::SnpGctxCreate => guest.to_le_bytes().to_vec(),
        Command::SnpPageReclaim => data.to_le_bytes().to_vec(),
        Command::SnpActivate => [&guest.to_le_bytes()[..], &[1, 0, 0, 0]].concat(),
        Command::SnpLaunchStart => {
            let words = [guest, 1 << 17, 0, u64::from(flag), 0, 0];
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
        Command::SnpLaunchFinish => {
            let mut bytes = guest.to_le_bytes().to_vec();
            bytes.resize(64, 0);
            bytes
        }
        Command::TioStatus => plain(16, &[data]),
        Command::TioInit => plain(16, &[0]),
        Command::TioDevCreate => plain(32, &[device, RID.into(), 0]),
        Command::TioDevReclaim => plain(16, &[device]),
        Command::TioDevConnect => talks(80, 0, &[0, device, 0, u64::MAX, 0]),
        Command::TioDevDisconnect => talks(48, flags, &[device]),
        Command::TioDevStatus => plain(32, &[device, data, 0]),
        Command::TioDevMeasurements => talks(80, flags, &[device, 1, 2, 3, 4]),
        Command::TioDevCertificates => talks(48, 0, &[device]),
        Command::TioTdiCreate => plain(48, &[device, tdi, RID.into(), 0, 0]),
        Command::TioTdiReclaim => plain(32, &[device, tdi, 0]),
        Command::TioTdiBind => {
            let names = u64::from(GUEST_RID) | u64::from(flag) << 32;
            talks(80, 0, &[device, tdi, guest, names, 0])
        }
        Command::TioTdiUnbind => talks(64, flags, &[device, tdi, guest]),
        Command::TioTdiReport => talks(64, 0, &[device, tdi, guest]),
        Command::TioTdiStatus => talks(64, 0, &[device, tdi, data]),
        Command::TioGuestRequest => talks(80, 0, &[device, tdi, guest, page(MESSAGE), data]),
        Command::TioAsidFenceClear => plain(32, &[device, guest, 0]),
        // The address is not aligned in it.
        Command::TioAsidFenceStatus => plain(32, &[device, 1 | data << 32, data >> 32]),
    }
}

impl Rig {
    /// Buffers and pages as a host makes them that means well.
    fn lay_out(&mut self) {
        for (list, pages) in [
            (SCRATCH_LIST, &SCRATCH[..]),
            (OUTPUT_LIST, &OUTPUT),
            (DEVICE_LIST, &DEVICE),
        ] {
            let (_, bytes) = sla(list, pages);
            self.host.memory.poke(page(list), &bytes);
        }
        let owned = [DATA, REQUEST, TDI, GUEST].into_iter();
        let owned = owned.chain(SCRATCH).chain(OUTPUT).chain(DEVICE);
        for number in owned {
            let state = PageState::Firmware.raw();
            self.host.update(page(number), 0, state);
        }
    }

    /// Makes things in a good order, up to some height.
    fn rise(&mut self, height: usize) {
        let honest = &mut Input::new(&[]);
        for command in LIFE.into_iter().take(height) {
            let bytes = parameters(command, false);
            assert_eq!(
                self.talk(command, &bytes, honest),
                Status::Success,
                "{command:?}"
            );
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 8 {
            0 => {
                let command = input.pick(Command::ALL);
                let bytes = parameters(command, input.flag());
                let script = &mut Input::new(input.bytes());
                self.talk(command, &bytes, script);
            }
            1 => {
                let command = input.pick(Command::ALL);
                let mut bytes = parameters(command, input.flag());
                let at = usize::from(input.byte()) % bytes.len();
                let with = input.take(8);
                let end = bytes.len().min(at + with.len());
                bytes[at..end].copy_from_slice(&with[..end - at]);
                self.talk(command, &bytes, input);
            }
            2 => {
                let x = [(); 5].map(|()| input.double());
                // What is a command, or changes pages, has its own events.
                if Command::try_from(x[0]).is_err() && x[0] >> 63 == 0 {
                    self.host.raw(x);
                }
            }
            3 => {
                let at = page(input.byte()) + u64::from(input.half()) % PAGE;
                self.host.memory.poke(at, input.bytes());
            }
            4 => {
                let state = match input.byte() % 4 {
                    0 => PageState::Shared.raw(),
                    1 => PageState::Firmware.raw(),
                    2 => PageState::Guest(1).raw(),
                    _ => input.double(),
                };
                let at = match input.byte() % 2 {
                    0 => page(input.byte().max(COMMAND_PAGE + 1)),
                    _ => bar_address(0, 2) + u64::from(input.byte() % 6) * PAGE,
                };
                if at != page(COMMAND_PAGE) {
                    self.host.update(at, u64::from(input.byte()) * PAGE, state);
                }
            }
            5 => self.touch(input),
            6 => self.guest_message(input),
            _ => {
                let at = page(input.byte());
                let (status, _) = self
                    .host
                    .command(Command::SnpPageReclaim.into(), &at.to_le_bytes());
                let mut owners = self.host.memory.owners.borrow_mut();
                let firmware = owners.get(&at) == Some(&Owner::Firmware);
                assert_eq!(status == Status::Success, firmware);
                if firmware {
                    owners.remove(&at);
                }
            }
        }
    }

    fn touch(&mut self, input: &mut Input<'_>) {
        self.touched = true;
        let function = usize::from(input.byte() % 3);
        match input.byte() % 4 {
            0 => self.host.device().reset(function),
            1 => self.host.write_config(function, COMMAND, &[0, 0]),
            _ => self.host.mischief(input),
        }
    }

    /// A message of the guest's that is authentic, whatever it says.
    fn guest_message(&mut self, input: &mut Input<'_>) {
        let kind = input.byte();
        let payload = input.bytes();
        let Some(key) = self.host.firmware.guest_key(0) else {
            return;
        };
        let guest = Guest::new(Vmpck::new(key), 0, u64::from(input.byte()) * 2);
        let payload = if payload.is_empty() { &[0] } else { payload };
        let Ok(message) = guest.request_raw(kind, 1, &payload[..payload.len().min(256)]) else {
            return;
        };
        self.host.memory.poke(page(MESSAGE), &message);
        let bytes = parameters(Command::TioGuestRequest, false);
        self.talk(Command::TioGuestRequest, &bytes, input);
    }

    /// Gives a command until it is over, or somebody gives up.
    fn talk(&mut self, command: Command, parameters: &[u8], input: &mut Input<'_>) -> Status {
        for count in 0.. {
            assert!(count < MESSAGES, "no end");
            let status = self.give(command, parameters);
            if status != Status::SpdmRequest || !self.deliver(input) {
                return status;
            }
        }
        unreachable!()
    }

    fn give(&mut self, command: Command, parameters: &[u8]) -> Status {
        let mut bytes = parameters.to_vec();
        bytes.resize(COMMAND_MAX, 0);
        let before = self.host.counts();
        let (status, _) = self.host.command(command.into(), &bytes);
        let after = self.host.counts();
        if status == Status::Success {
            self.succeeded(command, &bytes, before, after);
        } else {
            assert_eq!(before, after, "{command:?}: {status:?}");
        }
        assert_eq!(after[3], self.host.memory.owners.borrow().len());
        status
    }

    fn succeeded(&mut self, command: Command, bytes: &[u8], before: [usize; 4], after: [usize; 4]) {
        let change = |index: usize| after[index] as isize - before[index] as isize;
        let changes = [change(0), change(1), change(2)];
        let expected = match command {
            Command::TioDevCreate => [1, 0, 0],
            Command::TioDevReclaim => [-1, 0, 0],
            Command::TioTdiCreate => [0, 1, 0],
            Command::TioTdiReclaim => [0, -1, 0],
            Command::SnpGctxCreate => [0, 0, 1],
            Command::SnpDecommission => [0, 0, -1],
            _ => [0, 0, 0],
        };
        assert_eq!(changes, expected, "{command:?}");
        let at = match command {
            Command::SnpGctxCreate | Command::SnpDecommission => 0,
            Command::TioDevCreate | Command::TioDevReclaim => 8,
            Command::TioTdiCreate | Command::TioTdiReclaim => 16,
            Command::SnpPageReclaim => {
                let at = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                let owner = self.host.memory.owners.borrow_mut().remove(&at);
                assert_eq!(owner, Some(Owner::Firmware));
                return;
            }
            Command::TioTdiBind => {
                let run = bytes[68] & 1 != 0;
                let wanted = if run { State::Run } else { State::Locked };
                if !self.touched && !self.tampered {
                    assert_eq!(self.host.device_state(RID), wanted);
                }
                return;
            }
            _ => return,
        };
        let name = Sla(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
        let (from, to) = match expected.iter().sum::<isize>() {
            1 => (Owner::Firmware, Owner::Context),
            _ => (Owner::Context, Owner::Firmware),
        };
        // The list is the host's, who may have changed it since a context was made.
        let pages = self.named(name);
        let mut owners = self.host.memory.owners.borrow_mut();
        if to == Owner::Context {
            for page in pages {
                assert_eq!(owners.insert(page, to), Some(from), "{page:#x}");
            }
        } else {
            for page in pages.into_iter().filter(|page| page % PAGE == 0) {
                if owners.get(&page) == Some(&from) {
                    owners.insert(page, to);
                }
            }
        }
    }

    /// The pages that a name means.
    fn named(&self, name: Sla) -> Vec<u64> {
        if !name.is_list() {
            return vec![name.address()];
        }
        let bytes = self.host.memory.peek(name.address(), PAGE as usize);
        let entries = bytes
            .chunks(8)
            .map(|word| Sla(u64::from_le_bytes(word.try_into().unwrap())));
        entries
            .take_while(|sla| *sla != Sla::END)
            .map(Sla::address)
            .collect()
    }

    /// What becomes of the message in the request buffer. Returns whether the command is given again.
    fn deliver(&mut self, input: &mut Input<'_>) -> bool {
        let buffer = self.host.memory.peek(page(REQUEST), PAGE as usize);
        let length = u32::from_le_bytes(buffer[68..72].try_into().unwrap()) as usize;
        if buffer[64] != 1 || !(80..=PAGE as usize).contains(&(64 + length)) {
            // It is in another buffer.
            return false;
        }
        let carriage = if buffer[74] == 2 {
            Carriage::Secured
        } else {
            Carriage::Plain
        };
        let bytes = buffer[80..64 + length].to_vec();
        let honest = self.host.carry(&Packet { carriage, bytes });
        let Some(mut answer) = passed_on(honest.clone(), input) else {
            return false;
        };
        answer.truncate(PAGE as usize - 80 - 31);
        self.tampered |= !is_padded(&answer, &honest);
        let length = match answer.len() {
            0 => 16,
            length => (16 + length).next_multiple_of(32),
        };
        let mut header = BufferHeader::new_zeroed();
        header.capacity_sz = PAGE as u32;
        header.payload_sz = length as u32;
        let mut object = vec![2, 0, 0, 0];
        object.extend((length as u32).to_le_bytes());
        object.extend([0, 1, buffer[74], 0, 0, 0, 0, 0]);
        object.extend(answer);
        object.resize(length, 0);
        let bytes = [header.as_bytes(), &object].concat();
        self.host.memory.poke(page(RESPONSE), &bytes);
        true
    }
}
