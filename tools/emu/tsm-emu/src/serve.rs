// SPDX-License-Identifier: GPL-2.0

//! Sockets and threads: one of each for a function, since a vfio-user server serves one client at a
//! time, and one for the control socket.

use crate::backend::{Backend, Role};
use crate::capture::Capture;
use crate::config_space::express::Topology;
use crate::identity::{IdentityError, Length};
use crate::platform::{identities, Platform, Shared, DEVICES, FUNCTIONS_OF};
use crate::{control, platform};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use thiserror::Error;
use tracing::{info, warn};
use tsm_wire::mailbox::Personality;
use vfio_user::Server;

/// Why nothing is served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A socket could not be made.
    #[error("{path}: {error}")]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A vfio-user socket could not be made.
    #[error("{path}: {error}")]
    Server {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        error: vfio_user::Error,
    },
    /// The file to record to could not be made.
    #[error("{path}: {error}")]
    Capture {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A device has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system refused something else.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Every client that there was is gone.
    ClientsGone,
    /// A signal came.
    Signal,
}

/// The sockets, which go when this does.
struct Sockets(Vec<PathBuf>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Serves a platform on sockets in a directory until its QEMU is gone or a signal comes. Prints
/// `ready` when the sockets are there. What the devices are sent and answer is recorded to `capture`.
pub fn serve(
    directory: &Path,
    topology: Topology,
    chain: Length,
    capture: Option<&Path>,
) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let mut platform = Platform::in_topology(identities(chain)?, topology);
    if let Some(path) = capture {
        let capture = Capture::create(path, DEVICES).map_err(|error| {
            let path = path.to_owned();
            ServeError::Capture { path, error }
        })?;
        let capture = Arc::new(Mutex::new(capture));
        for device in &mut platform.devices {
            device.record_to(capture.clone());
        }
    }
    let platform = Shared::new(platform);
    let roles = roles();
    let connected: Vec<_> = roles
        .iter()
        .map(|_| Arc::new(AtomicBool::new(false)))
        .collect();
    let (end, ended) = mpsc::channel();

    let mut sockets = Sockets(Vec::new());
    let mut servers = Vec::new();
    for ((name, role), flag) in roles.iter().zip(&connected) {
        let path = vacant(directory, name)?;
        let server =
            Server::new(&path, true, role.interrupts(), role.regions()).map_err(|error| {
                let path = path.clone();
                ServeError::Server { path, error }
            })?;
        sockets.0.push(path);
        servers.push((
            server,
            Backend::new(platform.clone(), *role, flag.clone()),
            flag.clone(),
        ));
    }
    let path = vacant(directory, "control.sock")?;
    let listener = UnixListener::bind(&path).map_err(|error| {
        let path = path.clone();
        ServeError::Socket { path, error }
    })?;
    sockets.0.push(path);

    for (server, backend, flag) in servers {
        let (end, connected) = (end.clone(), connected.clone());
        thread::spawn(move || serve_function(&server, backend, &flag, &connected, &end));
    }
    let shared: platform::Shared = platform.clone();
    thread::spawn(move || control::serve(&shared, &listener));
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = end.send(End::Signal);
        }
    });

    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    // Whichever it is: the threads that still wait end with the process.
    if let Ok(why) = ended.recv() {
        info!(?why, "end");
    }
    Ok(())
}

/// Every function, with the name of its socket: `rmm.sock`, `psp.sock`, `tdx.sock`, and `pfN.sock`
/// with the functions of the devices counted through.
fn roles() -> Vec<(String, Role)> {
    let firmware = Personality::ALL.map(|personality| {
        let name = match personality {
            Personality::Rmm => "rmm.sock",
            Personality::Psp => "psp.sock",
            Personality::Tdx => "tdx.sock",
        };
        (name.to_owned(), Role::Firmware(personality))
    });
    let endpoints = FUNCTIONS_OF
        .into_iter()
        .enumerate()
        .flat_map(|(device, functions)| {
            (0..functions).map(move |function| Role::Endpoint { device, function })
        })
        .enumerate()
        .map(|(n, role)| (format!("pf{n}.sock"), role));
    firmware.into_iter().chain(endpoints).collect()
}

/// Serves one client of a function after the other.
fn serve_function(
    server: &Server,
    mut backend: Backend,
    flag: &AtomicBool,
    connected: &[Arc<AtomicBool>],
    end: &Sender<End>,
) {
    loop {
        let outcome = server.run(&mut backend);
        let served = flag.load(Ordering::SeqCst);
        if let Err(error) = &outcome {
            warn!(%error, "vfio-user");
        }
        backend.disconnected();
        let others = connected.iter().any(|flag| flag.load(Ordering::SeqCst));
        if served && !others {
            let _ = end.send(End::ClientsGone);
        }
        if let Err(vfio_user::Error::SocketAccept(_)) = outcome {
            return;
        }
    }
}

/// Path of a socket that can be made: one that a dead server left behind is taken away.
fn vacant(directory: &Path, name: &str) -> Result<PathBuf, ServeError> {
    let path = directory.join(name);
    let stale = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if stale {
        fs::remove_file(&path).map_err(|error| ServeError::Socket {
            path: path.clone(),
            error,
        })?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_for_each_function() {
        let roles = roles();
        let names: Vec<&str> = roles.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "rmm.sock", "psp.sock", "tdx.sock", "pf0.sock", "pf1.sock", "pf2.sock", "pf3.sock",
                "pf4.sock"
            ]
        );
        let last = Role::Endpoint {
            device: 2,
            function: 0,
        };
        assert_eq!(roles[7].1, last);
    }
}
