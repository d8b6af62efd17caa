//! Finding the commit that made a pattern slower or changed its picture, by measuring.
//!
//! The commits between good and bad along first parents are halved until two neighbours differ. If the later one is a
//! merge, the search goes on in what it merged. A commit without numbers is passed over and named: if such commits lie
//! just before the one that was found, any of them may be the one.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::CompareError;
use super::diff::{Finding, finding_of, other_frames};
use super::functions::Functions;
use super::lab::{Lab, known_patterns, revision};
use super::revision::{Measured, Numbers, Revision, Run};
use crate::error::Error;
use crate::event::OnEvent;
use crate::source::{Commit, Repository};
use crate::verdict::{Change, Comparison, Likeness, exact_changes};

/// Merges of merges of merges.
const MOST_MERGES: usize = 16;

/// What a bisection found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bisection {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub pattern: String,
    pub good: Revision,
    pub bad: Revision,
    /// What was looked for.
    pub fault: Fault,
    /// The first bad commit: its numbers are there.
    pub first_bad: Commit,
    /// The last good one before it.
    pub last_good: Revision,
    /// Commits between the two, which could not be measured: one of them may be the first bad one.
    pub suspects: Vec<Passed>,
    /// All that could not be measured.
    pub passed_over: Vec<Passed>,
    /// How many commits were measured, both ends included.
    pub measured: usize,
    pub before: Run,
    pub after: Numbers,
    /// From the last good to the first bad; empty if the latter fails.
    pub changes: Vec<Change>,
    pub other_frames: u32,
    /// Where it got slower, if it did.
    pub functions: Option<Functions>,
}

/// What makes a commit bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It hangs or crashes.
    Fails,
    /// It is slower than the good one by more than the smallest effect.
    Slower,
    /// It draws something else than the good one.
    OtherPicture,
}

/// A commit that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Passed {
    pub commit: Commit,
    pub reason: String,
}

/// Splits `GOOD..BAD`.
///
/// # Errors
///
/// [`CompareError::NotARange`].
pub fn range(text: &str) -> Result<(&str, &str), CompareError> {
    match text.split_once("..") {
        Some((good, bad)) if !good.is_empty() && !bad.is_empty() && !bad.starts_with('.') => Ok((good, bad)),
        _ => Err(CompareError::NotARange { text: text.to_owned() }),
    }
}

impl Lab<'_> {
    /// Finds the first commit after `good`, up to `bad`, that made `pattern` slower, changed its picture or made it
    /// fail, whichever of these `bad` shows first in this order: fails, slower, other picture.
    ///
    /// # Errors
    ///
    /// [`CompareError::NoNumbers`] if an end cannot be measured, [`CompareError::NothingToFind`] if `bad` is not worse,
    /// [`CheckoutError::NotAncestor`](crate::source::CheckoutError::NotAncestor), those of [`Lab::measure`], and those of profiling.
    pub async fn bisect(
        &mut self,
        good: &str,
        bad: &str,
        pattern: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Bisection, Error> {
        let repository = Repository::open(&self.checkout, self.toolbox).await?;
        let ends = [revision(&repository, good).await?, revision(&repository, bad).await?];
        let [Some(from), Some(to)] = ends.each_ref().map(|end| end.commit.clone()) else {
            return Err(CompareError::NotARange { text: format!("{good}..{bad}") }.into());
        };
        let chain = repository.between(&from, &to).await?;
        let counted_before = self.count(vec![pattern.to_owned()]);
        let found = self.search(&repository, ends, chain, pattern, on_event).await;
        self.count(counted_before);
        found
    }

    async fn search(
        &mut self,
        repository: &Repository,
        [good, bad]: [Revision; 2],
        chain: Vec<Commit>,
        pattern: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Bisection, Error> {
        let measured = self.measure(&[good.clone(), bad.clone()], on_event).await?;
        let comparison = self.session.comparison.clone();
        let (reference, fault) = ends(&measured, pattern, &comparison)?;
        let mut search = Search {
            lab: self,
            pattern,
            reference,
            fault,
            passed_over: Vec::new(),
            measured: measured.len(),
            on_event,
        };
        let mut place = search.along(&chain, &good).await?;
        for _ in 0..MOST_MERGES {
            match search.inside_merge(repository, &place).await? {
                Some(deeper) => place = deeper,
                None => break,
            }
        }
        let Search { passed_over, measured, .. } = search;
        let both = [place.last_good.clone(), Revision::of(&place.first_bad.id, place.first_bad.clone())];
        let numbers = self.measure(&both, on_event).await?; // known by now
        let (before, after) = match numbers.as_slice() {
            [then, now] => (then.numbers(pattern).and_then(Numbers::run), now.numbers(pattern)),
            _ => (None, None),
        };
        let (Some(before), Some(after)) = (before.cloned(), after.cloned()) else {
            return Err(no_numbers(&numbers, pattern).into());
        };
        let run = after.run();
        let mut found = Bisection {
            format: 1,
            pattern: pattern.to_owned(),
            good,
            bad,
            fault,
            first_bad: place.first_bad,
            last_good: place.last_good,
            suspects: place.suspects,
            passed_over,
            measured,
            changes: run
                .map(|run| exact_changes(&before.statistics, &run.statistics, &comparison))
                .unwrap_or_default(),
            other_frames: run.map_or(0, |run| other_frames(&before, run).0),
            before,
            after,
            functions: None,
        };
        if let (Fault::Slower, [then, now]) = (fault, numbers.as_slice()) {
            self.name_functions_of(&mut found, [then, now], on_event).await?;
        }
        Ok(found)
    }
}

/// The numbers of the good end, and what is wrong with the bad one.
fn ends(measured: &[Measured], pattern: &str, comparison: &Comparison) -> Result<(Run, Fault), CompareError> {
    let [good, bad] = measured else { return Err(no_numbers(measured, pattern)) };
    let (Some(Numbers::Ran(reference)), Some(numbers)) = (good.numbers(pattern), bad.numbers(pattern)) else {
        return Err(no_numbers(measured, pattern));
    };
    match fault_of(reference, numbers, comparison) {
        Some(fault) => Ok((*reference.clone(), fault)),
        None => Err(CompareError::NothingToFind {
            good: good.revision.short().to_owned(),
            bad: bad.revision.short().to_owned(),
            pattern: pattern.to_owned(),
            min_effect_percent: comparison.min_effect_percent,
        }),
    }
}

fn fault_of(reference: &Run, numbers: &Numbers, comparison: &Comparison) -> Option<Fault> {
    let Numbers::Ran(run) = numbers else { return Some(Fault::Fails) };
    let changes = exact_changes(&reference.statistics, &run.statistics, comparison);
    if finding_of(&changes, Likeness::Same) == Finding::Slower {
        Some(Fault::Slower)
    } else {
        (other_frames(reference, run).0 > 0).then_some(Fault::OtherPicture)
    }
}

fn no_numbers(measured: &[Measured], pattern: &str) -> CompareError {
    let is_nowhere = measured.iter().all(|m| m.refusal().is_none() && m.numbers(pattern).is_none());
    let lacking = measured.iter().find(|m| m.numbers(pattern).and_then(Numbers::run).is_none());
    match lacking {
        Some(lacking) if !is_nowhere => CompareError::NoNumbers {
            revision: lacking.revision.short().to_owned(),
            pattern: pattern.to_owned(),
            reason: lacking.lack(pattern),
        },
        _ => CompareError::NoPattern { pattern: pattern.to_owned(), known: known_patterns(measured) },
    }
}

/// Two neighbours, apart from what lies between them and cannot be measured.
struct Place {
    last_good: Revision,
    first_bad: Commit,
    suspects: Vec<Passed>,
}

struct Search<'s, 'l> {
    lab: &'s mut Lab<'l>,
    pattern: &'s str,
    reference: Run,
    fault: Fault,
    passed_over: Vec<Passed>,
    measured: usize,
    on_event: OnEvent<'s>,
}

impl Search<'_, '_> {
    /// Halves `chain`, whose last commit is bad and which begins after `good`.
    async fn along(&mut self, chain: &[Commit], good: &Revision) -> Result<Place, Error> {
        // Behind the last good one, up to the first bad one.
        let mut open = 0..chain.len().saturating_sub(1);
        let mut passed: BTreeSet<usize> = BTreeSet::new();
        while let Some(at) = middle(&open, &passed) {
            match self.is_bad(&chain[at]).await? {
                Some(true) => open.end = at,
                Some(false) => open.start = at + 1,
                None => _ = passed.insert(at),
            }
        }
        let is_suspect = |passed: &&Passed| chain[open.clone()].contains(&passed.commit);
        let last_good = match open.start.checked_sub(1) {
            Some(at) => Revision::of(&chain[at].id, chain[at].clone()),
            None => good.clone(),
        };
        Ok(Place {
            last_good,
            first_bad: chain[open.end].clone(),
            suspects: self.passed_over.iter().filter(is_suspect).cloned().collect(),
        })
    }

    /// If the first bad commit of `place` is a merge of something that is bad by itself: the place in there.
    async fn inside_merge(&mut self, repository: &Repository, place: &Place) -> Result<Option<Place>, Error> {
        let Some((first, others)) = place.first_bad.parents.split_first() else { return Ok(None) };
        if !place.suspects.is_empty() {
            return Ok(None);
        }
        for other in others {
            let Some(base) = repository.common_ancestor(first, other).await? else { continue };
            let tip = repository.commit(other).await?;
            let chain = repository.between(&base, &tip).await?;
            if chain.is_empty() || self.is_bad(&tip).await? != Some(true) {
                continue;
            }
            if self.is_bad(&base).await? == Some(false) {
                return self.along(&chain, &Revision::of(&base.id, base.clone())).await.map(Some);
            }
        }
        Ok(None)
    }

    /// None if it cannot be said.
    async fn is_bad(&mut self, commit: &Commit) -> Result<Option<bool>, Error> {
        let revision = Revision::of(&commit.id, commit.clone());
        let measured = self.lab.measure(&[revision], self.on_event).await?;
        self.measured += 1;
        let numbers = measured.first().and_then(|measured| measured.numbers(self.pattern));
        let judged = match (numbers, self.fault) {
            (Some(Numbers::Failed(_)), Fault::Fails) => Some(true),
            (Some(numbers @ Numbers::Ran(_)), fault) => {
                let found = fault_of(&self.reference, numbers, &self.lab.session.comparison);
                Some(match fault {
                    Fault::OtherPicture => other_picture(&self.reference, numbers),
                    fault => found == Some(fault),
                })
            }
            _ => None,
        };
        if judged.is_none() {
            let reason = measured.first().map(|measured| measured.lack(self.pattern)).unwrap_or_default();
            self.passed_over.push(Passed { commit: commit.clone(), reason });
        }
        Ok(judged)
    }
}

/// Whether it draws something else, slower or not.
fn other_picture(reference: &Run, numbers: &Numbers) -> bool {
    numbers.run().is_some_and(|run| other_frames(reference, run).0 > 0)
}

/// The place nearest to the middle of `open` that was not passed over; of two the earlier one.
fn middle(open: &Range<usize>, passed: &BTreeSet<usize>) -> Option<usize> {
    let middle = open.start + open.len() / 2;
    open.clone().filter(|at| !passed.contains(at)).min_by_key(|at| at.abs_diff(middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0..0, &[], None)]
    #[case(0..1, &[], Some(0))]
    #[case(0..8, &[], Some(4))]
    #[case(0..8, &[4], Some(3))]
    #[case(0..8, &[4, 3], Some(5))]
    #[case(2..4, &[2, 3], None)]
    fn the_next_to_measure_is_nearest_to_the_middle(
        #[case] open: Range<usize>,
        #[case] passed: &[usize],
        #[case] next: Option<usize>,
    ) {
        assert_eq!(middle(&open, &passed.iter().copied().collect()), next);
    }

    #[rstest]
    #[case("a..b", Some(("a", "b")))]
    #[case("HEAD~3..main", Some(("HEAD~3", "main")))]
    #[case("a...b", None)]
    #[case("a..", None)]
    #[case("..b", None)]
    #[case("a", None)]
    fn a_range_has_two_ends(#[case] text: &str, #[case] ends: Option<(&str, &str)>) {
        assert_eq!(range(text).ok(), ends);
    }
}
