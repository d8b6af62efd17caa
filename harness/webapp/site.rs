//! A folder from which a web application is served, one release of it at a time.
//!
//! ```text
//! ROOT/releases/NAME/…   every release that was put up, whole
//! ROOT/current           a link to the one that is served
//! ```
//!
//! The link is replaced by renaming another over it, so whoever reads the site sees the old release or the new one.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{WebappError, unusable};
use crate::stored::is_name;
use crate::tools::lock;

/// How many releases stay beside the one that is served.
const KEPT: usize = 5;

/// Where a web application is put up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The folder `ROOT`; the web server's root is `ROOT/current`.
    pub root: PathBuf,
    /// Where the web server serves it.
    pub url: String,
}

/// What a site serves now, and what it served before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub name: String,
    pub before: Option<String>,
}

impl Site {
    /// Puts up the files below `folder` as the release `name`; the same release again changes nothing.
    ///
    /// # Errors
    ///
    /// [`WebappError::NoRelease`] if `name` is no name for a folder; [`WebappError::Unusable`].
    pub async fn put(&self, folder: &Path, name: &str) -> Result<Release, WebappError> {
        self.check(name)?;
        let releases = self.root.join("releases");
        std::fs::create_dir_all(&releases).map_err(unusable(&releases))?;
        let _held = lock::lock(&self.root.join("lock"), || ()).await.map_err(unusable(&self.root))?;
        let release = releases.join(name);
        if !release.is_dir() {
            let part = tempfile::Builder::new()
                .prefix(".part-")
                .tempdir_in(&releases)
                .map_err(unusable(&releases))?;
            copy(folder, part.path()).map_err(unusable(folder))?;
            std::fs::rename(part.path(), &release).map_err(unusable(&release))?;
            let _ = part.keep(); // it has its place now, under another name
        }
        let before = self.serve(name)?;
        self.forget(name, before.as_deref())?;
        Ok(Release { name: name.to_owned(), before })
    }

    /// Serves the release `name` again.
    ///
    /// # Errors
    ///
    /// [`WebappError::NoRelease`] if it was never put up, or is gone; [`WebappError::Unusable`].
    pub async fn roll_back(&self, name: &str) -> Result<Release, WebappError> {
        self.check(name)?;
        if !self.root.join("releases").join(name).is_dir() {
            return Err(self.no_release(name));
        }
        let _held = lock::lock(&self.root.join("lock"), || ()).await.map_err(unusable(&self.root))?;
        let before = self.serve(name)?;
        Ok(Release { name: name.to_owned(), before })
    }

    /// The release that is served; none if there is none yet.
    pub fn current(&self) -> Option<String> {
        let link = std::fs::read_link(self.root.join("current")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    fn serve(&self, name: &str) -> Result<Option<String>, WebappError> {
        let before = self.current();
        if before.as_deref() != Some(name) {
            let next = self.root.join(".next");
            match std::fs::remove_file(&next) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&next)(error)),
                _ => {}
            }
            std::os::unix::fs::symlink(Path::new("releases").join(name), &next).map_err(unusable(&next))?;
            let current = self.root.join("current");
            std::fs::rename(&next, &current).map_err(unusable(&current))?;
        }
        Ok(before.filter(|before| before != name))
    }

    /// Removes the oldest releases, but neither `served` nor `before`.
    fn forget(&self, served: &str, before: Option<&str>) -> Result<(), WebappError> {
        let releases = self.root.join("releases");
        let entries = std::fs::read_dir(&releases).map_err(unusable(&releases))?;
        let mut old: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kept = name == served || Some(name.as_str()) == before || name.starts_with('.');
                (!kept).then(|| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))?
            })
            .collect();
        old.sort();
        let surplus = old.len().saturating_sub(KEPT);
        for (_, path) in old.into_iter().take(surplus) {
            std::fs::remove_dir_all(&path).map_err(unusable(&path))?;
        }
        Ok(())
    }

    fn check(&self, name: &str) -> Result<(), WebappError> {
        if is_name(name) { Ok(()) } else { Err(self.no_release(name)) }
    }

    fn no_release(&self, name: &str) -> WebappError {
        WebappError::NoRelease { path: self.root.clone(), release: name.to_owned() }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(site: &Site) -> String {
        std::fs::read_to_string(site.root.join("current/index.html")).unwrap()
    }

    #[tokio::test]
    async fn releases_replace_each_other_and_come_back() {
        let (root, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let site = Site { root: root.path().to_owned(), url: "http://localhost/".to_owned() };
        let mut before = None;
        for number in 0..9 {
            std::fs::write(files.path().join("index.html"), number.to_string()).unwrap();
            let name = format!("r{number}");
            let release = site.put(files.path(), &name).await.unwrap();
            assert_eq!(release, Release { name: name.clone(), before });
            assert_eq!(site.put(files.path(), &name).await.unwrap().before, None);
            assert_eq!(served(&site), number.to_string());
            before = Some(name);
        }
        assert_eq!(site.roll_back("r7").await.unwrap().before.as_deref(), Some("r8"));
        assert_eq!(served(&site), "7");

        let gone = site.roll_back("r0").await.unwrap_err();
        assert!(gone.to_string().ends_with("has no release r0"), "{gone}");
        assert!(site.put(files.path(), "../r").await.is_err());
    }
}
