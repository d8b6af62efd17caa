//! Two profiles of one pattern beside each other: which functions got more instructions, and which fewer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Function, Profile};
use crate::capture::Plan;
use crate::image::{CHECKOUT, GENERATED};

/// How much of a change, by its size, must lie within a function that is said to hold it. More than all of it is as bad as
/// less: then something else makes up for a part. That a change of the picture changes what is done with it elsewhere must
/// not hide where it comes from.
const MOST_OF_IT: std::ops::RangeInclusive<f64> = 2.0 / 3.0..=4.0 / 3.0;

/// How the functions of a pattern changed from one firmware to another, over all frames of the plan together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProfileDifference {
    /// What both ran.
    pub plan: Plan,
    /// Instructions of all frames.
    pub base: u64,
    pub head: u64,
    /// The innermost function within which, all that it calls included, the change lies, to a third of its size: of those in
    /// files that were changed, else of all of the firmware under test.
    pub within: Option<String>,
    /// Those whose own instructions changed, the largest change first. Their changes add up to `head - base`.
    pub functions: Vec<FunctionChange>,
}

/// How one function changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FunctionChange {
    pub name: String,
    /// As in [`Function::file`], in the head if it is there.
    pub file: String,
    /// Instructions of its own code; absent on a side where it is never executed.
    pub base: Option<u64>,
    pub head: Option<u64>,
    /// Of its own code.
    pub change: i64,
    /// With all that it calls.
    pub change_with_calls: i64,
}

/// Puts two profiles of one plan beside each other. Pure.
///
/// A function is known by its name, and by its file too where several have that name. `changed` are the files of the checkout
/// that differ, if that is known.
pub fn difference(base: &Profile, head: &Profile, changed: &BTreeSet<String>) -> ProfileDifference {
    let pairs = pairs(base, head);
    let mut functions: Vec<FunctionChange> = pairs.iter().filter_map(|pair| pair.change()).collect();
    functions.sort_by(|a, b| {
        let key = |f: &FunctionChange| (Reverse(f.change.unsigned_abs()), Reverse(f.change_with_calls));
        key(a).cmp(&key(b)).then_with(|| (&a.name, &a.file).cmp(&(&b.name, &b.file)))
    });
    ProfileDifference {
        plan: head.plan.clone(),
        base: base.instructions,
        head: head.instructions,
        within: within(&pairs, less(head.instructions, base.instructions), changed),
        functions,
    }
}

/// A function as it is on each side.
#[derive(Clone, Copy)]
struct Pair<'a> {
    base: Option<&'a Function>,
    head: Option<&'a Function>,
}

fn pairs<'a>(base: &'a Profile, head: &'a Profile) -> Vec<Pair<'a>> {
    let ambiguous: BTreeSet<&str> = [base, head].iter().flat_map(|profile| twice(profile)).collect();
    let mut pairs: BTreeMap<(&str, &str), Pair<'_>> = BTreeMap::new();
    let key = |function: &'a Function| {
        let name = function.name.as_str();
        (name, if ambiguous.contains(name) { function.file.as_str() } else { "" })
    };
    let absent = Pair { base: None, head: None };
    for function in &base.functions {
        pairs.entry(key(function)).or_insert(absent).base = Some(function);
    }
    for function in &head.functions {
        pairs.entry(key(function)).or_insert(absent).head = Some(function);
    }
    pairs.into_values().collect()
}

/// The names that several functions have.
fn twice(profile: &Profile) -> impl Iterator<Item = &str> {
    let mut seen = BTreeSet::new();
    profile.functions.iter().map(|function| function.name.as_str()).filter(move |name| !seen.insert(*name))
}

impl<'a> Pair<'a> {
    /// None if its own code takes as many instructions as before.
    fn change(&self) -> Option<FunctionChange> {
        let own = |side: Option<&Function>| side.map(|function| function.own);
        let (base, head) = (own(self.base), own(self.head));
        let change = less(head.unwrap_or(0), base.unwrap_or(0));
        let function = self.function()?;
        (change != 0).then(|| FunctionChange {
            name: function.name.clone(),
            file: function.file.clone(),
            base,
            head,
            change,
            change_with_calls: self.with_calls(),
        })
    }

    fn with_calls(&self) -> i64 {
        let total = |side: Option<&Function>| side.map_or(0, |function| function.total);
        less(total(self.head), total(self.base))
    }

    /// The head's, if it is there.
    fn function(&self) -> Option<&'a Function> {
        self.head.or(self.base)
    }
}

/// A caller has what those have that it calls, so of all that hold the change the one that takes least is innermost.
fn within(pairs: &[Pair<'_>], change: i64, changed: &BTreeSet<String>) -> Option<String> {
    let holds =
        |pair: &&Pair<'_>| change != 0 && MOST_OF_IT.contains(&(pair.with_calls() as f64 / change as f64));
    let holding: Vec<&Function> = pairs.iter().filter(holds).filter_map(Pair::function).collect();
    let innermost = |is_candidate: &dyn Fn(&str) -> bool| {
        let candidates = holding.iter().filter(|function| is_candidate(&function.file));
        candidates.min_by_key(|function| (function.total, Reverse(function.own), &function.name))
    };
    // Who calls a function with other arguments changed, and the function did not.
    innermost(&|file| file.strip_prefix(CHECKOUT).is_some_and(|path| changed.contains(path)))
        // What this program brings is the same on both sides: a sine takes more instructions because somebody calls it
        // more often.
        .or_else(|| innermost(&|file| file.starts_with(CHECKOUT) || file.starts_with(GENERATED)))
        .map(|function| function.name.clone())
}

/// `a - b`; counts of instructions are far below the limits.
fn less(a: u64, b: u64) -> i64 {
    a.cast_signed().wrapping_sub(b.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn function(name: &str, file: &str, own: u64, total: u64) -> Function {
        let (name, file) = (name.to_owned(), file.to_owned());
        Function { name, file, own, total, lines: Vec::new() }
    }

    fn profile(functions: Vec<Function>) -> Profile {
        let instructions = functions.iter().map(|function| function.own).sum();
        Profile {
            format: super::super::store::FORMAT,
            plan: Plan::of("tide"),
            elf_sha256: crate::digest::Sha::of(""),
            frames: vec![instructions],
            instructions,
            functions,
            stacks: Vec::new(),
        }
    }

    fn nothing() -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn told(found: &ProfileDifference) -> Vec<(&str, Option<u64>, Option<u64>, i64)> {
        found.functions.iter().map(|f| (f.name.as_str(), f.base, f.head, f.change)).collect()
    }

    #[test]
    fn the_innermost_function_that_holds_the_change_is_named() {
        let base = [("frame", 10, 150), ("draw", 40, 140), ("wave", 60, 100), ("sin", 40, 40)];
        let head = [("frame", 10, 250), ("draw", 50, 240), ("wave", 60, 170), ("sin", 130, 130)];
        let file = |name: &str| if name == "sin" { "core/sin.cpp" } else { "checkout/a.cpp" };
        let of = |list: &[(&str, u64, u64)]| {
            profile(list.iter().map(|(name, own, total)| function(name, file(name), *own, *total)).collect())
        };
        let found = difference(&of(&base), &of(&head), &nothing());
        assert_eq!((found.base, found.head, found.within.as_deref()), (150, 250, Some("wave")));
        assert_eq!(told(&found), [("sin", Some(40), Some(130), 90), ("draw", Some(40), Some(50), 10)]);
        assert_eq!(found.functions[1].change_with_calls, 100);
        assert_eq!(difference(&of(&base), &of(&base), &nothing()).within, None);
    }

    #[test]
    fn a_function_in_a_file_that_was_changed_comes_before_one_that_it_calls_with_other_arguments() {
        let of = |palette: u64| {
            profile(vec![
                function("draw", "checkout/src/draw.hpp", 10, 10 + palette),
                function("palette", "checkout/src/palette.cpp", palette, palette),
            ])
        };
        let within = |changed: &str| {
            let changed = BTreeSet::from([changed.to_owned()]);
            difference(&of(50), &of(90), &changed).within
        };
        assert_eq!(within("src/draw.hpp").as_deref(), Some("draw"));
        assert_eq!(within("src/palette.cpp").as_deref(), Some("palette"));
        assert_eq!(within("src/other.cpp").as_deref(), Some("palette"));
    }

    #[test]
    fn a_function_that_took_the_place_of_another_does_not_hold_the_change() {
        let base = profile(vec![
            function("draw", "checkout/a.cpp", 10, 110),
            function("old", "checkout/a.cpp", 100, 100),
        ]);
        let head = profile(vec![
            function("draw", "checkout/a.cpp", 10, 160),
            function("new", "checkout/a.cpp", 150, 150),
        ]);
        let found = difference(&base, &head, &nothing());
        assert_eq!(found.within.as_deref(), Some("draw"));
        assert_eq!(told(&found), [("new", None, Some(150), 150), ("old", Some(100), None, -100)]);
    }

    #[test]
    fn a_file_that_was_renamed_is_no_change_but_two_functions_of_one_name_are_two() {
        let base = profile(vec![function("clip", "old.hpp", 5, 5)]);
        let head = profile(vec![function("clip", "new.hpp", 5, 5)]);
        assert_eq!(told(&difference(&base, &head, &nothing())), []);
        let head = profile(vec![function("clip", "old.hpp", 7, 7), function("clip", "b.hpp", 1, 1)]);
        assert_eq!(
            told(&difference(&base, &head, &nothing())),
            [("clip", Some(5), Some(7), 2), ("clip", None, Some(1), 1)]
        );
    }

    proptest! {
        #[test]
        fn the_changes_add_up_and_go_the_other_way_backwards(
            base in prop::collection::btree_map("[a-d]", 0_u64..1000, 0..4),
            head in prop::collection::btree_map("[a-d]", 0_u64..1000, 0..4),
        ) {
            let of = |owns: &BTreeMap<String, u64>| {
                profile(owns.iter().map(|(name, own)| function(name, "a.cpp", *own, *own)).collect())
            };
            let (there, back) = (
                difference(&of(&base), &of(&head), &nothing()),
                difference(&of(&head), &of(&base), &nothing()),
            );
            let sum: i64 = there.functions.iter().map(|function| function.change).sum();
            prop_assert_eq!(sum, less(there.head, there.base));
            let mirrored: BTreeMap<&str, i64> =
                back.functions.iter().map(|f| (f.name.as_str(), -f.change)).collect();
            let forwards: BTreeMap<&str, i64> =
                there.functions.iter().map(|f| (f.name.as_str(), f.change)).collect();
            prop_assert_eq!(forwards, mirrored);
        }
    }
}
