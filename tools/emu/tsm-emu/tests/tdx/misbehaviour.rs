// SPDX-License-Identifier: GPL-2.0

//! Devices that misbehave, firmware that does, and how a host gets out of it.

use crate::host::STREAM;
use crate::vmm::{Vmm, FUNCTION, SPDM};
use std::time::Duration;
use tdisp::{ErrorCode, State};
use tsm_wire::detail::{Detail, DetailClass, TransportFault};
use tsm_wire::mailbox::Personality;
use tsm_wire::tdx::devif::{TdispCode, TD_FLAG};
use tsm_wire::tdx::ide::{IdeKmObject, KmParameters};
use tsm_wire::tdx::status::{Operand, Status};
use tsm_wire::tdx::{Leaf, StandIn};

const FUNCTION_U64: u64 = FUNCTION as u64;

/// Everything goes, whatever there is.
fn clean_up(vmm: &mut Vmm) {
    let _ = vmm.stop();
    let _ = vmm.call(Leaf::IdeStreamBlock, &[0, STREAM.into()]);
    let _ = vmm.no_dma();
    let _ = vmm.unbind();
    let _ = vmm.call(Leaf::IdeStreamDelete, &[0, STREAM.into()]);
    vmm.disconnect().unwrap();
    assert_eq!(vmm.counts(), [0, 0, 1, 2]);
    // And comes back.
    vmm.connect().unwrap();
    vmm.make_stream().unwrap();
    vmm.key().unwrap();
    vmm.host.stream_control(STREAM, true);
    assert_eq!(vmm.host.stream_status(), [2, 2]);
}

#[test]
fn no_answer_to_a_lock() {
    let mut vmm = Vmm::bound();
    vmm.dma().unwrap();
    vmm.host.set("doe-no-answer", "1");
    let out = vmm.lock();
    assert_eq!(
        out.unwrap_err(),
        Status::DevifTdispInvalidMessage.of(Operand::Rdx)
    );
    // A message is missing in the session.
    let out = vmm.lock();
    assert_eq!(out.unwrap_err(), Status::SpdmInvalidState.of(Operand::Rcx));
    clean_up(&mut vmm);
}

#[test]
fn no_answer_to_a_guest() {
    let mut vmm = Vmm::running();
    vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x85])
        .unwrap();
    vmm.host.set("doe-no-answer", "1");
    let out = vmm.ask_for_guest();
    assert_eq!(
        out.unwrap_err(),
        Status::DevifTdispInvalidMessage.of(Operand::Rdx)
    );
    // Nobody vouches for the device any more.
    let out = vmm.guest(StandIn::DevifRequest, &[FUNCTION_U64, 0x85]);
    assert_eq!(out.unwrap_err(), Status::DevifInvalidState.of(Operand::Rcx));
    clean_up(&mut vmm);
}

#[test]
fn no_answer_to_keys() {
    for lost in 1..=12 {
        let mut vmm = Vmm::connected();
        vmm.make_stream().unwrap();
        let messages = [IdeKmObject::KeyProg, IdeKmObject::KSetGo]
            .into_iter()
            .flat_map(|object| KmParameters::of_key_set(0).map(move |key| (object, key)));
        for (number, (object, parameters)) in messages.enumerate() {
            if number + 1 == lost {
                vmm.host.set("doe-no-answer", "1");
            }
            let out = vmm.key_message(object, parameters);
            let expected = match (number + 1).cmp(&lost) {
                std::cmp::Ordering::Less => {
                    out.unwrap();
                    continue;
                }
                std::cmp::Ordering::Equal => Status::IdeStreamIdekmInvalidResponse.of(Operand::R8),
                std::cmp::Ordering::Greater => Status::SpdmInvalidState.of(Operand::Rdx),
            };
            assert_eq!(out.unwrap_err(), expected);
        }
        clean_up(&mut vmm);
    }
}

#[test]
fn no_answer_to_the_agent() {
    let failed = Detail {
        class: DetailClass::Transport,
        value: TransportFault::NoAnswer as u16,
    };
    let mut vmm = Vmm::new();
    vmm.host.set("doe-no-answer", "1");
    assert_eq!(vmm.connect(), Err(Status::tpa_failed(failed)));
    vmm.call(Leaf::SpdmDelete, &[0, SPDM]).unwrap();
    vmm.connect().unwrap();
    vmm.host.set("doe-no-answer", "1");
    let out = vmm.provision(StandIn::TpaMeasure, [0, 0]);
    assert_eq!(out, Err(Status::tpa_failed(failed)));
    let out = vmm.provision(StandIn::TpaMeasure, [0, 0]);
    assert_eq!(out, Err(Status::SpdmInvalidState.of(Operand::Rdx)));
    // It can be opened anew.
    let out = vmm.provision(StandIn::TpaConnect, [FUNCTION_U64, 0]);
    out.unwrap();
    vmm.host.set("doe-no-answer", "1");
    let out = vmm.provision(StandIn::TpaDisconnect, [0, 0]);
    assert_eq!(out, Err(Status::tpa_failed(failed)));
    vmm.call(Leaf::SpdmDelete, &[0, SPDM]).unwrap();
}

#[test]
fn mangled_answers() {
    for knob in ["doe-short", "doe-oversize", "doe-wrong-type"] {
        let mut vmm = Vmm::running();
        vmm.host.set(knob, "1");
        let out = vmm.ask(TdispCode::GetState).unwrap_err();
        let status = Status::from_rax(out).unwrap();
        let expected = [Status::SpdmInvalidState, Status::DevifTdispInvalidMessage];
        assert!(expected.contains(&status), "{knob} {status:?}");
        let out = vmm.ask(TdispCode::GetState).unwrap_err();
        assert_eq!(Status::from_rax(out), Ok(Status::SpdmInvalidState));
        clean_up(&mut vmm);
    }
}

/// Answers that are no messages, and answers of an earlier request.
#[test]
fn wrong_answers() {
    let mut vmm = Vmm::locked();
    let function = FUNCTION_U64;
    let (request, answer) = (vmm.request, vmm.answer);
    vmm.call(Leaf::DevifRequest, &[function, 0x85, request])
        .unwrap();
    vmm.carry();
    let old = vmm.host.read(answer, 256);
    vmm.call(Leaf::DevifResponse, &[function, answer, 0])
        .unwrap();
    vmm.call(Leaf::DevifRequest, &[function, 0x85, request])
        .unwrap();
    vmm.host.write(answer, &old);
    let out = vmm.call(Leaf::DevifResponse, &[function, answer, 0]);
    assert_eq!(out, Err(Status::SpdmInvalidState.of(Operand::Rdx)));
    clean_up(&mut vmm);
}

#[test]
fn tdi_error() {
    let mut vmm = Vmm::running();
    vmm.host.set("tdi-error", "1");
    assert_eq!(vmm.host.device_state(0), State::Error);
    let out = vmm.guest_asks(TdispCode::GetReport).unwrap();
    assert_eq!(out.code(), TdispCode::Error as u64);
    assert_eq!(out.error(), ErrorCode::InvalidInterfaceState as u32);
    let state = vmm.ask(TdispCode::GetState).unwrap();
    assert_eq!(state.state(), 3);
    let out = vmm.lock().unwrap_err();
    assert_eq!(out, Status::DevifTdispErrorState.of(Operand::Rcx));
    // Stopping helps.
    vmm.stop().unwrap();
    assert_eq!(vmm.host.device_state(0), State::Unlocked);
    vmm.no_dma().unwrap();
    vmm.unbind().unwrap();
    vmm.disconnect().unwrap();
}

#[test]
fn lock_that_is_refused() {
    let mut vmm = Vmm::bound();
    let refused = ErrorCode::InvalidDeviceConfiguration;
    vmm.host
        .write_config(0, tsm_emu::config_space::bar(2), &[0; 4]);
    let out = vmm.lock().unwrap();
    assert_eq!(out.code(), TdispCode::Error as u64);
    assert_eq!(out.error(), refused as u32);
    // It is unlocked yet.
    vmm.unbind().unwrap();
}

#[test]
fn conventional_reset() {
    let mut vmm = Vmm::running();
    vmm.host.device().reset(2);
    let out = vmm.ask(TdispCode::GetState).unwrap_err();
    assert!(!Status::is_success(out));
    clean_up(&mut vmm);
}

#[test]
fn blocked_stream() {
    let mut vmm = Vmm::running();
    vmm.call(Leaf::IdeStreamBlock, &[0, STREAM.into()]).unwrap();
    assert_ne!(vmm.host.stream_status()[0], 2);
    vmm.no_dma().unwrap();
    // Removed without the device's word.
    vmm.unbind().unwrap();
    assert_eq!(vmm.counts()[1], 0);
    clean_up(&mut vmm);
}

#[test]
fn busy() {
    let mut vmm = Vmm::bound();
    vmm.host.set("fw-busy-ms", "100");
    assert_eq!(vmm.lock().unwrap_err(), Status::SysBusy.raw());
    vmm.host.now += Duration::from_millis(100);
    vmm.lock().unwrap();
}

#[test]
fn firmware_without_answer() {
    let mut vmm = Vmm::bound();
    vmm.host.set("fw-no-answer", "1");
    let x0 = Leaf::SysRd as u64;
    assert_eq!(vmm.host.ring_on(Personality::Tdx, x0, &[]), None);
}

/// Every leaf, before and after it did its work.
#[test]
fn injected() {
    let mut vmm = Vmm::running();
    let address = vmm.host.bar(0, 2);
    vmm.mmio_tables(address).unwrap();
    for leaf in Leaf::ALL {
        vmm.host.set("fw-error-before", &(*leaf as u64).to_string());
        let out = vmm.call(*leaf, &[]);
        assert_eq!(out, Err(Status::SysNotReady.raw()), "{leaf:?}");
    }
    for call in StandIn::ALL {
        vmm.host.set("fw-error-before", &(*call as u64).to_string());
        let out = vmm.call(*call, &[]);
        assert_eq!(out, Err(Status::SysNotReady.raw()), "{call:?}");
    }
    // Nothing came of it.
    vmm.stop().unwrap();
    let after = |vmm: &mut Vmm, leaf: Leaf| {
        vmm.host.set("fw-error-after", &(leaf as u64).to_string());
    };
    let failed = Status::SysStateIncorrect.raw();
    after(&mut vmm, Leaf::DmarBlock);
    assert_eq!(vmm.no_dma(), Err(failed));
    let index = tsm_wire::tdx::dmar::pasid_entry(0, FUNCTION);
    let out = vmm.call(Leaf::DmarBlock, &[index]);
    assert_eq!(out, Err(Status::DmarInvalidMappingState.of(Operand::Rcx)));
    vmm.host.set("fw-error-after", "140");
    assert_eq!(vmm.lock().unwrap_err(), failed);
    assert_eq!(vmm.host.device_state(0), State::Locked);
    // It knows.
    assert_eq!(
        vmm.unbind().unwrap_err(),
        Status::DevifInvalidState.of(Operand::Rcx)
    );
    vmm.stop().unwrap();
    after(&mut vmm, Leaf::IdeStreamBlock);
    let out = vmm.call(Leaf::IdeStreamBlock, &[0, STREAM.into()]);
    assert_eq!(out, Err(failed));
    assert_ne!(vmm.host.stream_status()[0], 2);
}

/// Before: nothing happened, and the answer is still good.
#[test]
fn injected_before_an_answer() {
    let mut vmm = Vmm::bound();
    let (request, answer) = (vmm.request, vmm.answer);
    vmm.call(Leaf::DevifRequest, &[FUNCTION_U64, 0x83, request])
        .unwrap();
    vmm.carry();
    vmm.host.set("fw-error-before", "140");
    let response = [FUNCTION_U64, answer, 0];
    let out = vmm.call(Leaf::DevifResponse, &response);
    assert_eq!(out, Err(Status::SysNotReady.raw()));
    vmm.call(Leaf::DevifResponse, &response).unwrap();
    let out = vmm.call(Leaf::DevifResponse, &[FUNCTION_U64, answer | TD_FLAG, 0]);
    assert!(out.is_err());
}
