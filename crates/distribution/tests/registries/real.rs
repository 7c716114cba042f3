//! Debian's registry: a running one, for the tests of this crate and of the whole engine.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// `alice` with the password `s3cret`.
const ACCOUNTS: &str = "alice:$2y$05$YUCUt3NZtPdLse0ccluCgO6G4duCgqUWjNpIcGOopufgBRSGeFIQS\n";

/// A running registry with its files.
pub struct Debian {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub host: String,
    /// What it stores, and whatever else its configuration names.
    pub root: tempfile::TempDir,
}

impl Debian {
    /// For everybody.
    pub fn plain() -> Debian {
        Debian::start(tempfile::tempdir().unwrap(), "", "")
    }

    /// For `alice` only.
    pub fn with_accounts() -> Debian {
        let root = tempfile::tempdir().unwrap();
        let accounts = root.path().join("accounts");
        std::fs::write(&accounts, ACCOUNTS).unwrap();
        let more = format!("auth:\n  htpasswd: {{realm: r, path: {}}}\n", accounts.display());
        Debian::start(root, &more, "")
    }

    /// With more in its configuration: at the end, and below `http`.
    pub fn start(root: tempfile::TempDir, more: &str, http: &str) -> Debian {
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
             http:\n  addr: 127.0.0.1:0\n{http}{more}",
            root.path().join("data").display()
        );
        let path = root.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed by scripts/needs.sh");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u16>().ok()
        });
        // It goes on writing; somebody must read.
        std::thread::spawn(move || lines.for_each(drop));
        let host = format!("127.0.0.1:{}", port.expect("the registry says where it listens"));
        Debian { child, host, root }
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
