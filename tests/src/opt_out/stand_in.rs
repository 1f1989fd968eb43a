//! The NHS's own stand-in for MESH, and behind it a stub of the service that answers about opt-outs.

use std::fs::{File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::http::Client;
use crate::node::neighbourhood::{Site, wait_for};
use crate::node::ports::free_address;
use crate::setting::{python_program, root};

/// Mailboxes that the stand-in comes with.
pub const MAILBOX: &str = "X26ABC1";
pub const SERVICE: &str = "X26ABC2";
pub const PASSWORD: &str = "password";
pub const SHARED_KEY: &str = "TestKey";
pub const WORKFLOW: &str = "SPINE_NTT_UPHOLDING";

/// Both processes. Dropping it ends them.
pub struct StandIn {
    address: SocketAddr,
    scheme: &'static str,
    folder: PathBuf,
    children: Vec<Child>,
}

impl StandIn {
    /// Starts both, and waits until MESH answers. What they write goes into files in `folder`.
    pub fn start(folder: &Path) -> StandIn {
        let mut stand_in = StandIn::mesh_only(folder);
        stand_in.opted_out(&[]);
        let url = stand_in.url();
        let stub = root().join("tests/clients/opt_out_service_stub.py");
        let mut command = Command::new(python_program("python"));
        command
            .arg(stub)
            .args([&url, SERVICE, WORKFLOW])
            .arg(stand_in.list());
        stand_in.spawn(command, "stub.txt");
        stand_in
    }

    /// MESH alone: nobody answers.
    pub fn mesh_only(folder: &Path) -> StandIn {
        let stand_in = StandIn::mesh(folder, "http", &[]);
        wait_for("the stand-in of MESH", 30, || {
            let mut client = Client::new(stand_in.address);
            let answer = client.get("/health").ok();
            answer.filter(|answer| answer.status == 200)
        });
        stand_in
    }

    /// MESH alone, over TLS to those only who show a certificate that `authority` signed.
    pub fn over_mutual_tls(
        folder: &Path,
        [certificate, key]: &[PathBuf; 2],
        authority: &Path,
    ) -> StandIn {
        let path = |path: &Path| path.display().to_string();
        let arguments = [
            "--ssl-certfile",
            &path(certificate),
            "--ssl-keyfile",
            &path(key),
            "--ssl-ca-certs",
            &path(authority),
            // Required, in the words of Python's ssl module.
            "--ssl-cert-reqs",
            "2",
        ];
        let stand_in = StandIn::mesh(folder, "https", &arguments);
        wait_for("the stand-in of MESH", 30, || {
            TcpStream::connect(stand_in.address).ok()
        });
        stand_in
    }

    fn mesh(folder: &Path, scheme: &'static str, more: &[&str]) -> StandIn {
        let mut stand_in = StandIn {
            address: free_address(),
            scheme,
            folder: folder.to_path_buf(),
            children: Vec::new(),
        };
        let port = stand_in.address.port().to_string();
        let mut command = Command::new(python_program("python"));
        command
            .args(["-m", "uvicorn", "mesh_sandbox.api:app", "--workers", "1"])
            .args(["--host", "127.0.0.1", "--port", &port])
            .args(more)
            .env("AUTH_MODE", "full")
            .env("SHARED_KEY", SHARED_KEY)
            .env("STORE_MODE", "memory");
        stand_in.spawn(command, "mesh.txt");
        stand_in
    }

    fn spawn(&mut self, mut command: Command, log: &str) {
        let log = File::create(self.folder.join(log)).unwrap();
        let child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.children.push(child.unwrap());
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    fn list(&self) -> PathBuf {
        self.folder.join("opted-out.txt")
    }

    /// Who has opted out from now on.
    pub fn opted_out(&self, numbers: &[&str]) {
        let new = self.folder.join("opted-out.new");
        std::fs::write(&new, numbers.join("\n")).unwrap();
        // In one go: the stub reads it meanwhile.
        std::fs::rename(new, self.list()).unwrap();
    }

    /// What the stub wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("stub.txt")).unwrap_or_default()
    }

    /// Adds the settings and the secrets to a node that does not run.
    pub fn set_up(&self, site: &Site) {
        for (name, text) in [("mesh-password", PASSWORD), ("mesh-shared-key", SHARED_KEY)] {
            let path = site.folder.join("keys").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        let path = site.folder.join("handover.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        let more = format!(
            "\n[mesh]\nbase_url = \"{}\"\nmailbox = \"{MAILBOX}\"\npassword = \"keys/mesh-password\"\n\
             shared_key = \"keys/mesh-shared-key\"\n\n[opt_out]\nmailbox = \"{SERVICE}\"\n",
            self.url()
        );
        std::fs::write(path, settings + &more).unwrap();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
