//! The functions of a change for people.

use super::functions::Functions;
use super::text::{code, columns, escaped};
use crate::profile::{FunctionChange, path};
use crate::verdict::words::{counted, signed_thousands, thousands};

/// Functions shown of a pattern.
const MOST: usize = 6;

/// A function's change: before, after, change, change with calls.
type Cells = [String; 4];

const HEAD: [&str; 4] = ["before", "after", "change", "with calls"];

/// The functions for a terminal: a sentence, then a table.
pub(super) fn table(pattern: &str, functions: &Functions) -> String {
    let (shown, others) = shown(functions);
    let mut rows: Vec<((), [String; 5])> = vec![((), row(HEAD.map(str::to_owned), "function".to_owned()))];
    rows.extend(shown.iter().map(|function| ((), row(cells(function), named(function)))));
    rows.extend(others.map(|(count, change)| {
        ((), row([String::new(), String::new(), change, String::new()], format!("{count} more")))
    }));
    let table = columns(&rows, &[false, false, false, false, true], |(), _, padded| padded.to_owned());
    let indented: String = table.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}\n{indented}", sentence(pattern, functions, |name| name))
}

/// The functions as Markdown.
pub(super) fn markdown(pattern: &str, functions: &Functions) -> String {
    let (shown, others) = shown(functions);
    let mut text = format!(
        "{}\n\n| function | before | after | change | with calls |\n|---|--:|--:|--:|--:|\n",
        sentence(&code(pattern), functions, |name| code(&name))
    );
    for function in shown {
        let [before, after, change, with_calls] = cells(function);
        let file = if function.file.is_empty() {
            String::new()
        } else {
            format!(" {}", escaped(path(&function.file)))
        };
        text +=
            &format!("| {}{file} | {before} | {after} | {change} | {with_calls} |\n", code(&function.name));
    }
    if let Some((count, change)) = others {
        text += &format!("| {count} more | | | {change} | |\n");
    }
    text
}

/// `tide, frame 12: 35,021 → 35,829 instructions (+808), in draw_tide(…)`.
fn sentence(pattern: &str, functions: &Functions, quoted: impl Fn(String) -> String) -> String {
    let Functions { frame, difference } = functions;
    let change = difference.head.cast_signed() - difference.base.cast_signed();
    let within = difference.within.clone().map(|name| format!(", in {}", quoted(name))).unwrap_or_default();
    format!(
        "{pattern}, frame {frame}: {} → {} instructions ({}){within}",
        thousands(difference.base),
        thousands(difference.head),
        signed_thousands(change),
    )
}

/// The largest changes; and how many others there are, with their sum.
fn shown(functions: &Functions) -> (&[FunctionChange], Option<(String, String)>) {
    let all = functions.difference.functions.as_slice();
    // A line that says "1 more" says less than the one that it stands for.
    let count = if all.len() == MOST + 1 { all.len() } else { all.len().min(MOST) };
    let (shown, others) = all.split_at(count);
    let sum: i64 = others.iter().map(|function| function.change).sum();
    let told = (counted(others.len() as u64, "function"), signed_thousands(sum));
    (shown, (!others.is_empty()).then_some(told))
}

fn cells(function: &FunctionChange) -> Cells {
    let amount = |count: Option<u64>, absent: &str| count.map_or_else(|| absent.to_owned(), thousands);
    [
        amount(function.base, "new"),
        amount(function.head, "gone"),
        signed_thousands(function.change),
        signed_thousands(function.change_with_calls),
    ]
}

fn row([before, after, change, with_calls]: Cells, function: String) -> [String; 5] {
    [before, after, change, with_calls, function]
}

fn named(function: &FunctionChange) -> String {
    match function.file.as_str() {
        "" => function.name.clone(),
        file => format!("{}  {}", function.name, path(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Plan;
    use crate::profile::ProfileDifference;

    fn functions(others: u64) -> Functions {
        let change =
            |name: &str, file: &str, base: Option<u64>, head: Option<u64>, with_calls| FunctionChange {
                name: name.to_owned(),
                file: file.to_owned(),
                base,
                head,
                change: head.unwrap_or(0).cast_signed() - base.unwrap_or(0).cast_signed(),
                change_with_calls: with_calls,
            };
        let mut functions = vec![
            change("draw_tide(A<B> const&)", "checkout/src/tide_*.hpp", Some(1200), Some(2300), 1500),
            change("wave|(float)", "core/math/trigonometry.cpp", None, Some(400), 400),
            change("old()", "", Some(100), None, -100),
        ];
        let more = |i: u64| change(&format!("f{i}()"), "core/f.h", Some(i), Some(i + 1), 1);
        functions.extend((0..others).map(more));
        let within = Some("draw_tide(A<B> const&)".to_owned());
        let (plan, head) = (Plan::of("tide"), 36_421 + others);
        Functions { frame: 12, difference: ProfileDifference { plan, base: 35_021, head, within, functions } }
    }

    #[test]
    fn for_a_terminal() {
        insta::assert_snapshot!(table("tide", &functions(6)));
    }

    #[test]
    fn as_markdown_in_which_nothing_of_the_firmware_is_markup() {
        insta::assert_snapshot!(markdown("tide", &functions(6)));
    }

    #[test]
    fn one_more_is_shown_and_not_counted() {
        assert!(!table("tide", &functions(4)).contains("more"));
        assert!(table("tide", &functions(5)).contains("2 functions more"));
    }
}
