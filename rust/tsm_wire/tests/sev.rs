// SPDX-License-Identifier: GPL-2.0

//! The structures of the SEV command set against bytes written out from the public definitions: each
//! field has a value of its own, and stands where the C structure, which is packed, has it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use tsm_wire::sev::{
    buffer::BufferHeader, dev::*, fence::*, guest_message::*, object, object::*, platform::*,
    snp::*, tdi::*, Command, Sla, SpdmCtrl, Status, COMMAND_MAX,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a C structure, field after field.
#[derive(Default)]
struct Written(Vec<u8>);

impl Written {
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn fill(mut self, value: u8, count: usize) -> Self {
        self.0.resize(self.0.len() + count, value);
        self
    }

    /// `struct spdm_ctrl`
    fn ctrl(self) -> Self {
        self.u64(0x1000).u64(0x2001).u64(0x3000).u64(0x4001)
    }

    #[track_caller]
    fn is<T: FromBytes + IntoBytes + Immutable + KnownLayout>(self, value: T) {
        assert_eq!(value.as_bytes(), self.0);
        assert_eq!(T::read_from_bytes(&self.0).unwrap().as_bytes(), self.0);
    }
}

fn written() -> Written {
    Written::default()
}

const CTRL: SpdmCtrl = SpdmCtrl {
    req: Sla(0x1000),
    resp: Sla(0x2001),
    scratch: Sla(0x3000),
    output: Sla(0x4001),
};
const DEV: Sla = Sla(0x5001);
const TDI: Sla = Sla(0x6000);

#[test]
fn buffers() {
    written()
        .u32(0x2000)
        .u32(0x60)
        .u32(1)
        .fill(0, 4)
        .fill(0xa1, 16)
        .fill(0xa2, 16)
        .fill(0, 16)
        .is(BufferHeader {
            capacity_sz: 0x2000,
            payload_sz: 0x60,
            flags: 1,
            iv: [0xa1; 16],
            authtag: [0xa2; 16],
            ..Default::default()
        });
    written().ctrl().is(CTRL);
}

#[test]
fn objects() {
    let head = |id| object::ObjectHeader {
        id,
        length: 0x1234_5678,
        minor: 7,
        major: 1,
    };
    let start = |id| written().u32(id).u32(0x1234_5678).u8(7).u8(1);
    start(2).u8(2).fill(0, 5).is(object::MessageHeader {
        object: head(2),
        data_type: 2,
        reserved: [0; 5],
    });
    start(6)
        .fill(0, 6)
        .u16(0x0102)
        .u8(3)
        .u8(1)
        .fill(0, 12)
        .is(EvidenceHeader {
            object: head(6),
            device_id: 0x0102,
            segment_id: 3,
            r#type: 1,
            ..Default::default()
        });
    assert_eq!(
        [padded(0), padded(1), padded(32), padded(33)],
        [0, 32, 32, 64]
    );
}

#[test]
fn platform() {
    written().u32(16).fill(0, 4).u64(0x7000).is(TioStatus {
        length: 16,
        status_paddr: 0x7000,
        ..Default::default()
    });
    written().u32(16).fill(0, 12).is(TioInit {
        length: 16,
        ..Default::default()
    });
    let mut words = written().u32(64).u32(3);
    for word in 1..=11 {
        words = words.u32(word);
    }
    words.fill(0, 12).is(TioStatusData {
        length: 64,
        flags: FLAG_ENABLED | FLAG_INIT_DONE,
        spdm_req_size_min: 1,
        spdm_req_size_max: 2,
        spdm_scratch_size_min: 3,
        spdm_scratch_size_max: 4,
        spdm_out_size_min: 5,
        spdm_out_size_max: 6,
        spdm_rsp_size_min: 7,
        spdm_rsp_size_max: 8,
        devctx_size: 9,
        tdictx_size: 10,
        tio_crypto_alg: 11,
        reserved2: [0; 12],
    });
}

#[test]
fn device() {
    written()
        .u32(32)
        .fill(0, 4)
        .u64(DEV.0)
        .u16(0x0108)
        .u16(0x0203)
        .u8(4)
        .fill(0, 11)
        .is(DevCreate {
            length: 32,
            dev_ctx_sla: DEV,
            device_id: 0x0108,
            root_port_id: 0x0203,
            segment_id: 4,
            ..Default::default()
        });
    written()
        .u32(80)
        .fill(0, 4)
        .ctrl()
        .fill(0, 8)
        .u64(DEV.0)
        .u8(1)
        .u8(2)
        .fill(0, 6)
        .u8(5)
        .fill(0xff, 7)
        .fill(0, 8)
        .is(DevConnect {
            length: 80,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
            tc_mask: 1,
            cert_slot: 2,
            ide_stream_id: [5, 255, 255, 255, 255, 255, 255, 255],
            ..Default::default()
        });
    written()
        .u32(48)
        .u32(1)
        .ctrl()
        .u64(DEV.0)
        .is(DevDisconnect {
            length: 48,
            flags: DISCONNECT_FORCE,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
        });
    written()
        .u32(80)
        .u32(1)
        .ctrl()
        .u64(DEV.0)
        .fill(0x5a, 32)
        .is(DevMeasurements {
            length: 80,
            flags: MEASUREMENTS_RAW,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
            meas_nonce: [0x5a; 32],
        });
    written()
        .u32(48)
        .u32(0)
        .ctrl()
        .u64(DEV.0)
        .is(DevCertificates {
            length: 48,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
            ..Default::default()
        });
    written().u32(16).u32(0).u64(DEV.0).is(DevReclaim {
        length: 16,
        dev_ctx_sla: DEV,
        ..Default::default()
    });
    written()
        .u32(32)
        .u32(0)
        .u64(DEV.0)
        .u64(0x9000)
        .u64(0)
        .is(DevStatus {
            length: 32,
            dev_ctx_sla: DEV,
            status_paddr: 0x9000,
            ..Default::default()
        });
}

#[test]
fn device_status() {
    written()
        .u32(160)
        .u8(1)
        .u8(0)
        .u8(3)
        .u8(2)
        .u16(0x0108)
        .u8(4)
        .u8(1)
        .u16(0xdc)
        .u16(0)
        .fill(0x11, 12)
        .u8(2)
        .fill(0, 3)
        .fill(0x22, 8)
        .fill(0, 8)
        .fill(0x33, 48)
        .fill(0x44, 48)
        .u32(5)
        .u32(6)
        .u8(1)
        .u8(1)
        .u8(2)
        .u8(1)
        .u8(0)
        .fill(0, 3)
        .is(DevStatusData {
            length: 160,
            ctx_state: 1,
            reserved1: 0,
            p1_flags: REQUEST_PENDING | REQUEST_PENDING_TDI,
            certs_slot: 2,
            device_id: 0x0108,
            segment_id: 4,
            tc_mask: 1,
            request_pending_command: u64::from(Command::TioTdiBind) as u16,
            reserved2: 0,
            request_pending_interface_id: [0x11; 12],
            p2_flags: 2,
            reserved3: [0; 3],
            ide_stream_id: [0x22; 8],
            reserved4: [0; 8],
            certs_digest: [0x33; 48],
            meas_digest: [0x44; 48],
            tdi_count: 5,
            bound_tdi_count: 6,
            algos: SpdmAlgorithms {
                dhe: 1,
                aead: 1,
                asym: 2,
                hash: HASH_SHA_384,
                key_sched: 0,
                reserved: [0; 3],
            },
        });
}

#[test]
fn interface() {
    written()
        .u32(48)
        .u32(0)
        .u64(DEV.0)
        .u64(TDI.0)
        .u32(0x0108)
        .fill(0, 8)
        .fill(0, 12)
        .is(TdiCreate {
            length: 48,
            dev_ctx_sla: DEV,
            tdi_ctx_sla: TDI,
            interface_id: InterfaceId {
                function_id: 0x0108,
                reserved: [0; 8],
            },
            ..Default::default()
        });
    written()
        .u32(32)
        .u32(0)
        .u64(DEV.0)
        .u64(TDI.0)
        .u64(0)
        .is(TdiReclaim {
            length: 32,
            dev_ctx_sla: DEV,
            tdi_ctx_sla: TDI,
            ..Default::default()
        });
    let names = |length, flags| {
        let words = written().u32(length).u32(flags).ctrl();
        words.u64(DEV.0).u64(TDI.0)
    };
    names(80, 0)
        .u64(0x8000)
        .u16(0x0010)
        .u16(0x1d)
        .u16(1)
        .fill(0, 10)
        .is(TdiBind {
            length: 80,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
            tdi_ctx_sla: TDI,
            gctx_paddr: 0x8000,
            guest_device_id: 0x10,
            tdisp_lock_if_flags: LOCK_NO_FW_UPDATE
                | LOCK_MSIX
                | LOCK_BIND_P2P
                | LOCK_ALL_REQUEST_REDIRECT,
            run_flags: RUN,
            ..Default::default()
        });
    names(64, 1).u64(0x8000).is(TdiUnbind {
        length: 64,
        flags: UNBIND_FORCE,
        spdm_ctrl: CTRL,
        dev_ctx_sla: DEV,
        tdi_ctx_sla: TDI,
        gctx_paddr: 0x8000,
    });
    names(64, 0).u64(0x8000).is(TdiReport {
        length: 64,
        spdm_ctrl: CTRL,
        dev_ctx_sla: DEV,
        tdi_ctx_sla: TDI,
        gctx_paddr: 0x8000,
        ..Default::default()
    });
    names(64, 0).u64(0x9000).is(TdiStatus {
        length: 64,
        spdm_ctrl: CTRL,
        dev_ctx_sla: DEV,
        tdi_ctx_sla: TDI,
        status_paddr: 0x9000,
        ..Default::default()
    });
    written().u32(16).u8(2).fill(0, 11).is(TdiStatusData {
        length: 16,
        tdisp_state: 2,
        ..Default::default()
    });
    names(80, 0)
        .u64(0x8000)
        .u64(0xa000)
        .u64(0xb000)
        .is(TioGuestRequest {
            length: 80,
            spdm_ctrl: CTRL,
            dev_ctx_sla: DEV,
            tdi_ctx_sla: TDI,
            gctx_paddr: 0x8000,
            req_paddr: 0xa000,
            res_paddr: 0xb000,
            ..Default::default()
        });
}

#[test]
fn fence() {
    written()
        .u32(32)
        .u32(0)
        .u64(DEV.0)
        .u64(0x8000)
        .u64(0)
        .is(AsidFenceClear {
            length: 32,
            dev_ctx_sla: DEV,
            gctx_paddr: 0x8000,
            ..Default::default()
        });
    written()
        .u32(32)
        .u32(0)
        .u64(DEV.0)
        .u32(0x17)
        .u64(0x9000)
        .u32(0)
        .is(AsidFenceStatus {
            length: 32,
            dev_ctx_sla: DEV,
            asid: 0x17,
            status_pa: 0x9000,
            ..Default::default()
        });
    assert_eq!(
        [Fence::NONE.0, Fence::ERROR.0, Fence::DEFAULT.0],
        [0, 0b1101, 0b11]
    );
    assert!(!Fence(1 << 4).is_up() && Fence(1 << 3).is_up());
}

#[test]
fn guest() {
    written().u64(0x8000).is(Address { address: 0x8000 });
    written().u64(0x8000).u32(0x17).is(Activate {
        gctx_paddr: 0x8000,
        asid: 0x17,
    });
    written()
        .u64(0x8000)
        .u64(0x3_0000)
        .u64(0)
        .u32(0)
        .u32(0)
        .fill(0, 16)
        .is(LaunchStart {
            gctx_paddr: 0x8000,
            policy: POLICY_RESERVED_ONE | POLICY_SMT,
            ..Default::default()
        });
    written()
        .u64(0x8000)
        .u64(1)
        .u64(2)
        .u64(4)
        .fill(9, 32)
        .is(LaunchFinish {
            gctx_paddr: 0x8000,
            id_block_paddr: 1,
            id_auth_paddr: 2,
            flags: 4,
            host_data: [9; 32],
        });
    written()
        .fill(0xaa, 32)
        .u64(5)
        .fill(0, 8)
        .u8(1)
        .u8(1)
        .u16(96)
        .u8(19)
        .u8(1)
        .u16(16)
        .u32(0)
        .u8(3)
        .fill(0, 35)
        .is(tsm_wire::sev::guest_message::MessageHeader {
            authtag: [0xaa; 32],
            msg_seqno: 5,
            rsvd1: [0; 8],
            algo: 1,
            hdr_version: 1,
            hdr_sz: 96,
            msg_type: 19,
            msg_version: 1,
            msg_sz: 16,
            rsvd2: 0,
            msg_vmpck: 3,
            rsvd3: [0; 35],
        });
}

/// Length of a message is of the header as it came, which may lie.
#[test]
fn message_length() {
    let header = |hdr_sz, msg_sz| tsm_wire::sev::guest_message::MessageHeader {
        hdr_sz,
        msg_sz,
        ..FromBytes::read_from_bytes(&[0; 96]).unwrap()
    };
    assert_eq!(header(96, 16).message_len(), Some(112));
    assert_eq!(header(96, 4000).message_len(), Some(4096));
    assert_eq!(header(96, 4001).message_len(), None);
    assert_eq!(header(95, 0).message_len(), None);
    assert_eq!(header(u16::MAX, u16::MAX).message_len(), None);
}

/// `enum sev_cmd`, and the numbers of the public tree behind it.
#[test]
fn numbers() {
    let numbers: Vec<u64> = Command::ALL.iter().map(|&command| command.into()).collect();
    let table = [
        0x84, 0x90, 0x91, 0x93, 0xa0, 0xa2, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
        0xd8, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2,
    ];
    assert_eq!(numbers, table);
    assert_eq!(Status::from_x0(0x32), Ok(Status::SpdmRequest));
    assert_eq!(Status::from_x0(0x31), Ok(Status::ExpandBufferLengthRequest));
    assert_eq!(Status::from_x0(0x1a), Ok(Status::InvalidPageState));
    assert_eq!(Status::from_x0(0x3c), Ok(Status::InvalidTdiState));
    assert!(Status::from_x0(0x1_0000).is_err());
    assert!(size_of::<DevConnect>() <= COMMAND_MAX && size_of::<TioGuestRequest>() <= COMMAND_MAX);
}
