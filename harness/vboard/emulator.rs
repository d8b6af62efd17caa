//! Starting QEMU: the emulated RAM as a file, and the command line.
//!
//! The host plays the boot loader: it puts the image's segments into the RAM file and lets the CPU begin at the
//! entry, so that the flash keeps the layout of a real board and no boot stage has to be emulated.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::image_format::{EspImage, Segment};
use super::mailbox;

/// The memory of one boot.
#[derive(Debug)]
pub struct Memory {
    /// Removed when dropped; the emulator and `ram` keep the file that they have opened.
    pub folder: tempfile::TempDir,
    pub ram: File,
    /// Of the file, in `folder`.
    pub path: PathBuf,
}

/// Why the emulator could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PowerOnError {
    #[error("cannot make the emulator's memory file")]
    Memory(#[source] io::Error),
    #[error("cannot start the emulator {program}")]
    Emulator { program: PathBuf, source: io::Error },
    #[error("the image wants {length} bytes at {address:#x}, where this board has no memory for programs")]
    OutOfMemory { address: u32, length: usize },
}

/// Makes the memory with the image's segments in it; the file lies in memory where the system offers that.
///
/// # Errors
///
/// [`PowerOnError::OutOfMemory`] or [`PowerOnError::Memory`].
pub fn memory(image: &EspImage<'_>) -> Result<Memory, PowerOnError> {
    check(image)?;
    memory_in(Path::new("/dev/shm"), &image.segments)
        .or_else(|_| memory_in(&std::env::temp_dir(), &image.segments))
        .map_err(PowerOnError::Memory)
}

fn memory_in(place: &Path, segments: &[Segment<'_>]) -> io::Result<Memory> {
    let folder = tempfile::Builder::new().prefix("k1-hil-").tempdir_in(place)?;
    let path = folder.path().join("ram");
    let ram = File::options().read(true).write(true).create_new(true).open(&path)?;
    ram.set_len(u64::from(mailbox::RAM_SIZE))?;
    for segment in segments {
        ram.write_all_at(segment.data, u64::from(segment.address - mailbox::RAM_BASE))?;
    }
    Ok(Memory { folder, ram, path })
}

/// The command that runs the memory at `ram` from `entry` on.
///
/// `shift=2`: 4 ns of virtual time per instruction. `sleep=off`: a sleeping CPU skips to its next timer.
pub fn command(qemu: &Path, ram: &Path, entry: u32) -> Command {
    let mut command = Command::new(qemu);
    // A comma ends an option's value unless it is doubled.
    let ram = ram.to_string_lossy().replace(',', ",,");
    command
        .args(["-M", "virt,memory-backend=ram0", "-m", "16M", "-object"])
        .arg(format!("memory-backend-file,id=ram0,size=16M,share=on,mem-path={ram}"))
        .args(["-cpu", "rv32,d=off", "-icount", "shift=2,align=off,sleep=off"])
        .args(["-bios", "none", "-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-chardev", "stdio,id=uart,signal=off", "-serial", "chardev:uart"])
        .args(["-device", &format!("loader,addr={entry:#x},cpu-num=0")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Checks that each segment lies between the beginning of RAM and what belongs to the harness.
///
/// # Errors
///
/// [`PowerOnError::OutOfMemory`].
pub fn check(image: &EspImage<'_>) -> Result<(), PowerOnError> {
    let fits = |segment: &Segment<'_>| {
        let end = u64::from(segment.address) + segment.data.len() as u64;
        segment.address >= mailbox::RAM_BASE && end <= u64::from(mailbox::RECORDING_ADDRESS)
    };
    match image.segments.iter().find(|segment| !fits(segment)) {
        Some(Segment { address, data }) => {
            Err(PowerOnError::OutOfMemory { address: *address, length: data.len() })
        }
        None => Ok(()),
    }
}
