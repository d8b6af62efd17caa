//! The numbers of programs that were measured before.
//!
//! ```text
//! CACHE/measurements/<program>-<plan>.json    written whole; what two writers learn at once, one of them may forget
//! ```
//!
//! Only numbers of an emulated CPU are kept: they are a function of the program and the plan. The program is what is
//! executed ([`crate::image::Image::program_sha256`]), so a commit that only moves lines or edits comments has the
//! numbers of the one before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::revision::Numbers;
use crate::capture::Plan;
use crate::digest::Sha;
use crate::stored::{self, StoredError};

/// Raised when the same program and plan would give other numbers, or other numbers are kept.
const FORMAT: u32 = 2;

/// What is known of one program under one plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    format: u32,
    /// All patterns of the program, in registry order.
    pub patterns: Vec<String>,
    pub numbers: BTreeMap<String, Numbers>,
}

impl Known {
    pub(super) fn new(patterns: Vec<String>) -> Self {
        Self { format: FORMAT, patterns, numbers: BTreeMap::new() }
    }

    /// What is known; none if nothing is, or it cannot be read.
    pub(super) fn read(cache: &Path, program: Sha, plan: &Plan, deadline_ns: u64) -> Option<Self> {
        stored::read(&path(cache, program, plan, deadline_ns)?, "measured numbers", FORMAT).ok()
    }

    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub(super) fn write(
        &self,
        cache: &Path,
        program: Sha,
        plan: &Plan,
        deadline_ns: u64,
    ) -> Result<(), StoredError> {
        match path(cache, program, plan, deadline_ns) {
            Some(path) => stored::write_json(&path, self),
            None => Ok(()),
        }
    }
}

/// None if the plan cannot be written as JSON, which does not happen.
fn path(cache: &Path, program: Sha, plan: &Plan, deadline_ns: u64) -> Option<PathBuf> {
    let (plan, stimulus) = Plan { pattern: String::new(), ..plan.clone() }.identity();
    let key = Sha::of(serde_json::to_vec(&(FORMAT, plan, stimulus, deadline_ns)).ok()?);
    Some(cache.join("measurements").join(format!("{program}-{}.json", key.short())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_again_under_the_same_program_plan_and_deadline_only() {
        let cache = tempfile::tempdir().unwrap();
        let (cache, program) = (cache.path(), Sha::of("program"));
        let mut known = Known::new(vec!["a".to_owned(), "b".to_owned()]);
        known.numbers.insert("a".to_owned(), Numbers::Failed("it hung".to_owned()));
        let plan = Plan::of("a");
        known.write(cache, program, &plan, 7).unwrap();

        assert_eq!(Known::read(cache, program, &Plan::of("b"), 7), Some(known));
        assert_eq!(Known::read(cache, Sha::of("other"), &plan, 7), None);
        assert_eq!(Known::read(cache, program, &Plan { frames: 9, ..plan.clone() }, 7), None);
        assert_eq!(Known::read(cache, program, &plan, 8), None);
    }

    #[test]
    fn a_recording_may_move_and_another_one_has_other_numbers() {
        let cache = tempfile::tempdir().unwrap();
        let (cache, program) = (cache.path(), Sha::of("program"));
        let hearing = |path: &str, sha256| {
            let name = crate::audio::RecordingName { path: path.into(), sha256, seconds: 1.0 };
            Plan { stimulus: crate::capture::Stimulus::Recording(name), ..Plan::of("a") }
        };
        let known = Known::new(vec!["a".to_owned()]);
        known.write(cache, program, &hearing("here/a.wav", Sha::of("a")), 7).unwrap();

        assert_eq!(Known::read(cache, program, &hearing("there/b.wav", Sha::of("a")), 7), Some(known));
        assert_eq!(Known::read(cache, program, &hearing("here/a.wav", Sha::of("b")), 7), None);
        assert_eq!(Known::read(cache, program, &Plan::of("a"), 7), None);
    }
}
