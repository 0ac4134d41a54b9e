//! Installs the PostgreSQL server that tests start, where it is missing.

use std::{path::Path, process::Command};

/// Finds `postgres` below Debian's directory for it, or installs the package (as root, with `apt-get`).
pub fn ensure_installed() -> Result<(), String> {
    if is_installed() {
        return Ok(());
    }
    eprintln!("xtask: installing postgresql, whose server the tests start");
    // Only the binaries are wanted: Debian's package would otherwise create and start a cluster of its own.
    let quiet = "mkdir -p /etc/postgresql-common && \
                 grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf || \
                 echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf";
    let install = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql";
    for step in [quiet, "apt-get update", install] {
        let status = Command::new("sh").args(["-c", step]).status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(format!("`{step}` ended with {status}; install PostgreSQL's server yourself"));
            }
            Err(error) => return Err(format!("`{step}` could not be started: {error}")),
        }
    }
    if is_installed() {
        Ok(())
    } else {
        Err("installed postgresql, but found no `postgres` binary".to_owned())
    }
}

fn is_installed() -> bool {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return false };
    versions.flatten().any(|version| Path::new(&version.path()).join("bin/postgres").exists())
}
