//! A small file system of its own, so that a disk can be full.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// An ext4 in a file, mounted through a loop device; unmounted when it is dropped. Needs root.
#[derive(Debug)]
pub struct SmallVolume {
    mount_point: PathBuf,
}

impl SmallVolume {
    /// Makes one of so many bytes in `directory`, and mounts it there.
    ///
    /// # Errors
    /// Why that is not possible here.
    pub fn mount(directory: &Path, bytes: u64) -> Result<Self, String> {
        let (image, mount_point) = (directory.join("volume.img"), directory.join("volume"));
        let make = || {
            fs::create_dir(&mount_point)?;
            File::create(&image)?.set_len(bytes)
        };
        make().map_err(|error| format!("no image in {}: {error}", directory.display()))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(&image).arg(&mount_point))?;
        Ok(Self { mount_point })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        // Lazily: whoever still has a file there may be about to end. There is nobody left to tell of an error.
        let _ = Command::new("umount").args(["--quiet", "--lazy"]).arg(&self.mount_point).output();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
