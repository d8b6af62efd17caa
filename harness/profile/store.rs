//! Profiles that were made before.
//!
//! ```text
//! CACHE/profiles/<elf>-<plan>.json    written whole
//! ```
//!
//! A profile is a function of the program and the plan, and its names are one of the debug information; the hash of the
//! ELF stands for both.

use std::path::{Path, PathBuf};

use super::Profile;
use crate::capture::Plan;
use crate::digest::Sha;
use crate::stored::{self, StoredError};

/// Raised when a profile of the same program and plan would be another one, or has another form.
pub(super) const FORMAT: u32 = 2;

/// None if there is none, or it cannot be read.
pub(super) fn read(cache: &Path, elf: Sha, plan: &Plan) -> Option<Profile> {
    let profile: Profile = stored::read(&path(cache, elf, plan)?, "a profile", FORMAT).ok()?;
    // Its recording may have lain elsewhere.
    Some(Profile { plan: plan.clone(), ..profile })
}

/// # Errors
///
/// [`StoredError::Unwritable`].
pub(super) fn write(cache: &Path, elf: Sha, profile: &Profile) -> Result<(), StoredError> {
    match path(cache, elf, &profile.plan) {
        Some(path) => stored::write_json(&path, profile),
        None => Ok(()),
    }
}

/// None if the plan cannot be written as JSON, which does not happen.
fn path(cache: &Path, elf: Sha, plan: &Plan) -> Option<PathBuf> {
    let key = Sha::of(serde_json::to_vec(&(FORMAT, plan.identity())).ok()?);
    Some(cache.join("profiles").join(format!("{elf}-{}.json", key.short())))
}
