//! Under which name clients find the port.
//!
//! A pseudo terminal has the name that the kernel gives it, as a USB port has. Like a USB port it can get another one
//! while the board lives, and a link that stays leads to it: what `/dev/serial/by-id` is for real ports.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where the port is found.
#[derive(Debug)]
pub struct Place {
    device: Mutex<PathBuf>,
    link: Option<PathBuf>,
}

impl Place {
    /// The port `device`, to which `link` leads from now on, if one is wanted. A link that is there is replaced.
    ///
    /// # Errors
    ///
    /// The error of the operating system; something that is no link is not replaced.
    pub fn new(device: &Path, link: Option<PathBuf>) -> io::Result<Self> {
        // So that it means the same in another working folder.
        let link = link.map(std::path::absolute).transpose()?;
        if let Some(link) = &link
            && std::fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink())
        {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} is no link", link.display()),
            ));
        }
        let place = Self { device: Mutex::new(device.to_owned()), link };
        place.show(device)?;
        Ok(place)
    }

    /// What clients open: the link, or without one the name that the kernel gave.
    pub fn path(&self) -> PathBuf {
        self.link.clone().unwrap_or_else(|| self.device().clone())
    }

    /// The port is `device` now.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn show(&self, device: &Path) -> io::Result<()> {
        device.clone_into(&mut self.device());
        let Some(link) = &self.link else { return Ok(()) };
        // In one step: nobody finds no port, and nobody finds a wrong one.
        let mut new = link.clone().into_os_string();
        new.push(format!(".{}", std::process::id()));
        std::os::unix::fs::symlink(device, &new)?;
        std::fs::rename(&new, link)
    }

    /// There is no port any more.
    pub fn hide(&self) {
        if let Some(link) = &self.link {
            let _ = std::fs::remove_file(link); // somebody may have removed it
        }
    }

    fn device(&self) -> MutexGuard<'_, PathBuf> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hide();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_follows_the_port_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("board");
        let target = || std::fs::read_link(&link).ok();
        let place = Place::new(Path::new("/dev/pts/3"), Some(link.clone())).unwrap();
        assert_eq!((place.path(), target()), (link.clone(), Some("/dev/pts/3".into())));
        place.show(Path::new("/dev/pts/4")).unwrap();
        assert_eq!(target(), Some("/dev/pts/4".into()));
        place.hide();
        assert_eq!(target(), None);
        place.show(Path::new("/dev/pts/5")).unwrap();
        drop(place);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_not_taken_for_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("board");
        std::fs::write(&file, "notes").unwrap();
        let refused = Place::new(Path::new("/dev/pts/3"), Some(file.clone())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "notes");
    }
}
