//! An ext4 in a file, whose power can be cut.

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Command,
};

/// Size of the image. It is sparse.
const BYTES: u64 = 192 << 20;

/// `EXT4_IOC_SHUTDOWN`, and the flag that leaves the journal as it is on disk.
const SHUTDOWN: u64 = 0x8004_587d;
const NOLOGFLUSH: u32 = 2;

nix::ioctl_write_ptr_bad!(
    /// Stops a file system.
    shut_down,
    SHUTDOWN,
    u32
);

/// A mounted image; unmounted when it is dropped.
pub(crate) struct Image {
    file: PathBuf,
    mount_point: PathBuf,
}

impl Image {
    /// Makes and mounts one in `dir`. An error says why that is not possible here.
    pub(crate) fn make(dir: &Path) -> Result<Self, String> {
        let image = Self { file: dir.join("ext4.img"), mount_point: dir.join("mounted") };
        let make = || {
            fs::create_dir(&image.mount_point)?;
            File::create(&image.file)?.set_len(BYTES)
        };
        make().map_err(|error| format!("no image in {}: {error}", dir.display()))?;
        run("mkfs.ext4", &["-q", "-F", text(&image.file)])?;
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mount_point
    }

    /// What is not on disk now never gets there.
    pub(crate) fn cut_power(&self) -> Result<(), String> {
        let root = File::open(&self.mount_point).map_err(|error| error.to_string())?;
        #[allow(unsafe_code, reason = "an ioctl; the descriptor is open and the flag lives through the call")]
        let result = unsafe { shut_down(root.as_raw_fd(), &NOLOGFLUSH) };
        result.map(drop).map_err(|error| format!("EXT4_IOC_SHUTDOWN: {error}"))
    }

    /// As a machine that starts again: what was in the page cache is gone.
    pub(crate) fn restart(&self) -> Result<(), String> {
        run("umount", &[text(&self.mount_point)])?;
        self.mount()
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-t", "ext4", "-o", "loop", text(&self.file), text(&self.mount_point)])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Best effort: there is nobody left to tell.
        let _ = Command::new("umount").arg("--quiet").arg(&self.mount_point).output();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
