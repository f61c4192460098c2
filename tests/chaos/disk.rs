//! A small disk of one nats-server, which can be filled up. Only root can mount one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

/// How large the disk is, in MiB: far more than a run of an hour stores.
const SIZE_MIB: u64 = 1_024;
/// How much is written at a time, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// A disk in memory, mounted for this run. Dropping it takes the mount away.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts it at a directory, which is made.
    pub(crate) async fn mount(at: &Path) -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "only root can mount a small disk");
        std::fs::create_dir_all(at)?;
        let size = format!("size={SIZE_MIB}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "cuepoint-chaos"]).arg(at).output().await?;
        let said = String::from_utf8_lossy(&mounted.stderr);
        ensure!(mounted.status.success(), "{}", said.lines().next().unwrap_or("mount says nothing"));
        Ok(Self(at.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the space there is.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut file = std::fs::File::create(self.ballast()).context("the ballast cannot be made")?;
        let chunk = vec![0; CHUNK_BYTES];
        for _ in 0..=SIZE_MIB {
            if let Err(error) = file.write_all(&chunk) {
                ensure!(error.kind() == std::io::ErrorKind::StorageFull, "the ballast cannot be written: {error}");
                return Ok(());
            }
        }
        bail!("the disk holds more than it should")
    }

    /// Gives it back.
    pub(crate) fn free(&self) -> std::io::Result<()> {
        std::fs::remove_file(self.ballast())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still uses it keeps it until it ends; nobody else sees it any more.
        let unmounted = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !unmounted.as_ref().is_ok_and(std::process::ExitStatus::success) {
            tracing::error!(at = %self.0.display(), "the small disk is still mounted: {unmounted:?}");
        }
    }
}
