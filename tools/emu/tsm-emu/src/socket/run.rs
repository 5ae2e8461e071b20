// SPDX-License-Identifier: GPL-2.0

//! The commands that speak to another implementation, from beginning to end.

use super::connection::{Connection, ConnectionError};
use super::dialogue::Dialogue;
use super::host::Host;
use super::requester::{tour, Part, TourError};
use super::{responder, FrameError};
use crate::capture::Capture;
use crate::device::{Device, FUNCTIONS};
use crate::identity::{Identity, IdentityError, Length};
use spdm::{Requester, Trust};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use thiserror::Error;

/// Why a command did not do what it is for.
#[derive(Debug, Error)]
pub enum RunError {
    /// A file or socket.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The device has no certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The device has no mailbox.
    #[error("the device has no mailbox")]
    NoMailbox,
    /// The socket protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The responder does not do all of it.
    #[error(transparent)]
    Tour(#[from] TourError),
}

/// `spdm-responder`: serves the device at an address until a requester shuts it down. Its root
/// certificate is written to `root`, in DER.
pub fn respond(address: &str, root: &Path, capture: Option<&Path>) -> Result<(), RunError> {
    let identity = Identity::generate(Length::default())?;
    std::fs::write(root, identity.root())?;
    let mut device = Device::new(identity, 0, FUNCTIONS);
    if let Some(path) = capture {
        device.record_to(Arc::new(Mutex::new(Capture::create(path, 1)?)));
    }
    let mut host = Host::new(device).ok_or(RunError::NoMailbox)?;
    let listener = TcpListener::bind(address)?;
    println!("ready {}", listener.local_addr()?);
    responder::serve(&listener, &mut |object| host.exchange(object))?;
    Ok(())
}

/// `spdm-requester`: goes through all it can do with the responder at an address, whose certificates
/// have to lead to `root`, in DER. Prints what was done, line by line.
pub fn request(
    address: &str,
    root: &Path,
    part: Part,
    capture: Option<&Path>,
) -> Result<(), RunError> {
    let trust = Trust {
        roots: vec![std::fs::read(root)?],
        now: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    };
    let requester = Requester::new(trust, Box::new(crate::entropy::SystemEntropy));
    let capture = capture.map(|path| Capture::create(path, 1)).transpose()?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut connection = Connection::open(stream)?;
    for (vendor, kind) in connection.discover()? {
        println!("protocol {vendor:04x}:{kind:02x}");
    }
    let mut dialogue = Dialogue::new(connection, requester, capture);
    let outcome = tour(&mut dialogue, part, &mut |done| println!("{done}"));
    // However it went, the responder shall not wait for more.
    let closed = dialogue.into_connection().close(true);
    outcome?;
    closed?;
    Ok(())
}
