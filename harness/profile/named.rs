//! Samples by function, line and stack.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::recorder::Sample;
use super::symbols::{Place, Symbols};
use super::{Function, Line, ProfileError, Stack};

#[derive(Default)]
struct Count {
    own: u64,
    total: u64,
}

/// A function's name and file.
type Key<'a> = (&'a str, &'a str);

/// The samples by function, most own instructions first, and by stack.
///
/// # Errors
///
/// [`ProfileError::Unfit`] if the debug information cannot be read.
pub(super) fn named(
    samples: &[Sample],
    symbols: &mut Symbols,
) -> Result<(Vec<Function>, Vec<Stack>), ProfileError> {
    let mut known: HashMap<u32, Rc<[Place]>> = HashMap::new();
    for address in samples.iter().flat_map(|sample| sample.calls.iter().chain([&sample.address])) {
        if !known.contains_key(address) {
            known.insert(*address, symbols.at(*address)?);
        }
    }
    let places = |address: &u32| known.get(address).map_or(&[][..], |places| places);
    let stacks: Vec<(Vec<&Place>, u64)> = samples
        .iter()
        .map(|sample| {
            let calls = sample.calls.iter().chain([&sample.address]);
            (calls.flat_map(places).collect(), sample.count)
        })
        .collect();
    Ok((functions(&stacks), by_name(&stacks)))
}

fn functions(stacks: &[(Vec<&Place>, u64)]) -> Vec<Function> {
    let homes = homes(stacks);
    let mut functions: BTreeMap<Key<'_>, Count> = BTreeMap::new();
    let mut lines: BTreeMap<(Key<'_>, &str, u32), Count> = BTreeMap::new();
    for (stack, count) in stacks {
        let mut seen_functions = HashSet::new();
        let mut seen_lines = HashSet::new();
        for (depth, place) in stack.iter().enumerate() {
            let key = (place.function.as_str(), home(place, &homes));
            let line = (key, place.file.as_str(), place.line);
            let own = if depth + 1 == stack.len() { *count } else { 0 };
            for (counts, is_first) in [
                (functions.entry(key).or_default(), seen_functions.insert(key)),
                (lines.entry(line).or_default(), seen_lines.insert(line)),
            ] {
                counts.own += own;
                counts.total += if is_first { *count } else { 0 };
            }
        }
    }
    let mut found: BTreeMap<Key<'_>, Function> = functions
        .into_iter()
        .map(|(key, Count { own, total })| {
            let (name, file) = (key.0.to_owned(), key.1.to_owned());
            (key, Function { name, file, own, total, lines: Vec::new() })
        })
        .collect();
    for ((key, file, line), Count { own, total }) in lines {
        if let Some(function) = found.get_mut(&key) {
            function.lines.push(Line { file: file.to_owned(), line, own, total });
        }
    }
    let mut found: Vec<Function> = found.into_values().collect();
    found.sort_by_key(|function| std::cmp::Reverse(function.own));
    for function in &mut found {
        function.lines.sort_by_key(|line| std::cmp::Reverse((line.own, line.total)));
    }
    found
}

/// The file in which each function has most of its code. Two functions may have one name, so a function is known by its
/// file too; but the compiler names a file of any of them, or none, for code that it made for several lines at once.
fn homes<'a>(stacks: &[(Vec<&'a Place>, u64)]) -> HashMap<&'a str, &'a str> {
    let mut files: HashMap<&str, BTreeMap<&str, u64>> = HashMap::new();
    for (stack, count) in stacks {
        for place in stack.iter().filter(|place| place.line > 0) {
            *files.entry(&place.function).or_default().entry(&place.file).or_insert(0) += count;
        }
    }
    let most = |files: BTreeMap<&'a str, u64>| files.into_iter().max_by_key(|(_, count)| *count);
    files.into_iter().filter_map(|(name, files)| Some((name, most(files)?.0))).collect()
}

fn home<'a>(place: &'a Place, homes: &HashMap<&'a str, &'a str>) -> &'a str {
    match place.line {
        0 => homes.get(place.function.as_str()).copied().unwrap_or(&place.file),
        _ => &place.file,
    }
}

fn by_name(stacks: &[(Vec<&Place>, u64)]) -> Vec<Stack> {
    let mut found: BTreeMap<Vec<&str>, u64> = BTreeMap::new();
    for (stack, count) in stacks {
        *found.entry(stack.iter().map(|place| place.function.as_str()).collect()).or_insert(0) += count;
    }
    let stack = |(names, instructions): (Vec<&str>, u64)| Stack {
        functions: names.into_iter().map(str::to_owned).collect(),
        instructions,
    };
    found.into_iter().map(stack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, file: &str, line: u32) -> Place {
        Place { function: function.to_owned(), file: file.to_owned(), line }
    }

    fn told(functions: &[Function]) -> Vec<(&str, &str, u64, u64)> {
        functions.iter().map(|f| (f.name.as_str(), f.file.as_str(), f.own, f.total)).collect()
    }

    #[test]
    fn functions_of_one_name_in_two_files_are_two_and_lineless_code_belongs_to_the_larger() {
        let draw = place("draw", "a.cpp", 1);
        let (one, other) = (place("clip", "a.cpp", 9), place("clip", "b.cpp", 9));
        let (lineless, elsewhere) = (place("clip", "b.cpp", 0), place("draw", "x.h", 0));
        let stacks = [
            (vec![&draw, &one], 4),
            (vec![&draw, &other], 2),
            (vec![&draw, &lineless], 1),
            (vec![&elsewhere], 8),
        ];
        assert_eq!(
            told(&functions(&stacks)),
            [("draw", "a.cpp", 8, 15), ("clip", "a.cpp", 5, 5), ("clip", "b.cpp", 2, 2)]
        );
    }

    #[test]
    fn a_line_has_what_it_called_and_recursion_counts_once() {
        let (call, deep) = (place("f", "a.cpp", 1), place("f", "a.cpp", 2));
        let functions = functions(&[(vec![&call, &call, &deep], 5), (vec![&call], 1)]);
        assert_eq!(told(&functions), [("f", "a.cpp", 6, 6)]);
        let lines: Vec<_> = functions[0].lines.iter().map(|l| (l.line, l.own, l.total)).collect();
        assert_eq!(lines, [(2, 5, 5), (1, 1, 6)]);
    }
}
