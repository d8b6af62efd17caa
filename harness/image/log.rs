//! Reading what PlatformIO, the compiler and the linker print.
//!
//! The exit status alone says whether an image came out; the log says how large it is, and why it did not.
//! Understood are clang and LLD (the virtual board's) and GCC and GNU ld (the chip's).

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::contradiction::Evidence;
use super::{Diagnostic, Usage};
use crate::event::Event;
use crate::tools::process::Pipe;

/// What a build's log said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Log {
    /// The last size lines; none if the build did not get that far.
    pub flash: Option<Usage>,
    pub ram: Option<Usage>,
    /// Each once, in the order of file, line and column: several compilers run at a time, so that the order of
    /// the lines is chance, and a header's warning comes once for each file that includes it.
    pub errors: BTreeSet<Diagnostic>,
    pub warnings: BTreeSet<Diagnostic>,
    /// What the build tool itself complained about.
    pub complaint: Option<String>,
    /// The folder that paths are made relative to.
    folder: PathBuf,
    /// What the errors say about a checkout.
    pub evidence: Evidence,
    /// The error of which more lines may come: the linker's references, the compiler's macros.
    open: Option<Diagnostic>,
    /// The files of the macros in whose expansion it is.
    macros: Vec<String>,
}

impl Log {
    /// An empty log of a build in `folder`, the root of the firmware tree.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// Reads the next line of either pipe; returns the step that it announces, if it does.
    pub(super) fn read(&mut self, pipe: Pipe, line: &str) -> Option<Event> {
        match pipe {
            Pipe::Stdout => self.read_progress(line),
            Pipe::Stderr => {
                self.read_message(line);
                None
            }
        }
    }

    /// To be called after the last line.
    pub(super) fn close(&mut self) {
        let macros = std::mem::take(&mut self.macros);
        if let Some(error) = self.open.take() {
            self.evidence.add(&error, &macros);
            self.errors.insert(error);
        }
    }

    fn read_progress(&mut self, line: &str) -> Option<Event> {
        if let Some((memory, usage)) = size_line(line) {
            *(if memory == "RAM" { &mut self.ram } else { &mut self.flash }) = Some(usage);
            return None;
        }
        let (action, object) = line.split_once(' ')?;
        if !matches!(action, "Compiling" | "Archiving" | "Indexing" | "Linking" | "Building") {
            return None;
        }
        let file = object.strip_prefix(".pio/build/")?.split_once('/')?.1;
        let file = file.strip_prefix("src/").unwrap_or(file);
        Some(Event::CompileStep { action: action.to_owned(), file: file.to_owned() })
    }

    fn read_message(&mut self, line: &str) {
        if let Some(reference) = line.strip_prefix(">>> ") {
            self.add_reference(reference);
            return;
        }
        if let Some((place, name)) = expanded_macro(line) {
            self.add_macro(place, name);
            return;
        }
        if is_excerpt(line) {
            return;
        }
        self.close();
        if let Some((place, severity, message)) = split_message(line) {
            let (file, line, column) = self.place(place);
            let diagnostic =
                Diagnostic { file, line, column, message: message.to_owned(), pattern: None, node: None };
            match severity {
                Severity::Warning => _ = self.warnings.insert(diagnostic),
                // The linker names the place in the lines that follow, the compiler the macros.
                Severity::Error => self.open = Some(diagnostic),
            }
        } else if let Some(diagnostic) = self.gnu_linker_error(line).or_else(|| too_large(line)) {
            self.open = Some(diagnostic);
        } else if let Some(complaint) = complaint(line) {
            self.complaint.get_or_insert(complaint);
        }
    }

    /// `referenced by tide.hpp:12 (generated/tide.hpp:12)` or `referenced by tide.cpp`, behind LLD's `>>> `.
    fn add_reference(&mut self, reference: &str) {
        let Some(place) = reference.strip_prefix("referenced by ") else { return };
        let place = place.split_once(" (").map_or(place, |(_, full)| full.trim_end_matches(')'));
        let (file, line, column) = self.place(place);
        if let Some(open) = self.open.as_mut().filter(|open| is_linker(&open.file)) {
            (open.file, open.line, open.column) = (file, line, column);
        }
    }

    /// An error in the expansion of a macro cannot be understood without what the macro is.
    fn add_macro(&mut self, place: &str, name: &str) {
        let (file, line, _) = self.place(place);
        let Some(open) = self.open.as_mut() else { return };
        let lead = match open.message.strip_suffix(')').filter(|_| !self.macros.is_empty()) {
            Some(message) => format!("{message}, "),
            None => format!("{} (in the macro ", open.message),
        };
        open.message = format!("{lead}{name} of {file}:{line})");
        self.macros.push(file);
    }

    /// `…/ld: generated/tide.cpp:12: undefined reference to …`, `…/ld: region … overflowed by … bytes`.
    fn gnu_linker_error(&self, line: &str) -> Option<Diagnostic> {
        let at = ["undefined reference to `", "multiple definition of `", "region `", "section `"]
            .iter()
            .find_map(|mark| line.find(&format!(": {mark}")))?;
        let (place, message) = (&line[..at], &line[at + 2..]);
        let place = place.rsplit_once("ld: ").map_or(place, |(_, place)| place);
        let (file, line, column) = self.place(place);
        let file = if file.ends_with("ld") { "ld".to_owned() } else { file };
        Some(Diagnostic { file, line, column, message: message.to_owned(), pattern: None, node: None })
    }

    /// Splits `FILE:LINE:COLUMN`, of which the numbers may be absent, and makes the file relative.
    fn place(&self, place: &str) -> (String, u32, u32) {
        let mut file = place;
        let mut numbers = [0; 2];
        let mut count = 0;
        while let Some((rest, number)) = file.rsplit_once(':')
            && count < 2
            && let Ok(number) = number.parse::<u32>()
        {
            file = rest;
            numbers[count] = number;
            count += 1;
        }
        let (line, column) = if count == 2 { (numbers[1], numbers[0]) } else { (numbers[0], 0) };
        (self.relative(file), line, column)
    }

    /// `core/../generated/tide.hpp` and `/build/folder/generated/tide.hpp` are both `generated/tide.hpp`.
    fn relative(&self, file: &str) -> String {
        let path = Path::new(file);
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        let mut clean = PathBuf::new();
        for component in path.components() {
            let goes_up = component == Component::ParentDir && clean.file_name().is_some();
            if goes_up {
                clean.pop();
            } else if component != Component::CurDir {
                clean.push(component);
            }
        }
        clean.to_string_lossy().into_owned()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Severity {
    Warning,
    Error,
}

/// `core/a.cpp:3:10: fatal error: 'b.h' file not found` → place, severity, message.
fn split_message(line: &str) -> Option<(&str, Severity, &str)> {
    let marks = [
        (": fatal error: ", Severity::Error),
        (": error: ", Severity::Error),
        (": warning: ", Severity::Warning),
    ];
    let (at, mark, severity) = marks
        .into_iter()
        .filter_map(|(mark, severity)| Some((line.find(mark)?, mark, severity)))
        .min_by_key(|m| m.0)?;
    let (place, message) = (&line[..at], &line[at + mark.len()..]);
    // GCC's driver only repeats that its linker failed.
    (place != "collect2").then_some((place, severity, message))
}

/// `src/led.h:88:20: note: expanded from macro 'NUM_LEDS'` → place and macro.
fn expanded_macro(line: &str) -> Option<(&str, &str)> {
    let (place, rest) = line.split_once(": note: expanded from macro '")?;
    Some((place, rest.split_once('\'')?.0))
}

/// A line of source, or marks below one: `  118 |     int x`, `      |         ^`.
fn is_excerpt(line: &str) -> bool {
    let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(' ') && (rest.starts_with(" |") || rest.starts_with('|'))
}

fn is_linker(place: &str) -> bool {
    Path::new(place).file_name().is_some_and(|name| name == "ld.lld" || name == "lld")
}

/// `Error: The program size (N bytes) is greater than maximum allowed (M bytes)`
fn too_large(line: &str) -> Option<Diagnostic> {
    let message = line.strip_prefix("Error: ").filter(|rest| rest.starts_with("The program size"))?;
    Some(Diagnostic {
        file: "firmware.bin".to_owned(),
        line: 0,
        column: 0,
        message: format!("t{}", &message[1..]),
        pattern: None,
        node: None,
    })
}

/// `RAM:   [==        ]  15.2% (used 49808 bytes from 327680 bytes)`
fn size_line(line: &str) -> Option<(&str, Usage)> {
    let (memory, rest) = line.split_once(':').filter(|(memory, _)| matches!(*memory, "RAM" | "Flash"))?;
    let numbers = rest.split_once("(used ")?.1.strip_suffix(" bytes)")?;
    let (used, of) = numbers.split_once(" bytes from ")?;
    Some((memory, Usage { used: used.parse().ok()?, of: of.parse().ok()? }))
}

/// What PlatformIO or SCons says about a fault that is no compiler's.
fn complaint(line: &str) -> Option<String> {
    let name = line.split_once(": ").map_or(line, |(name, _)| name).trim_end_matches(':');
    let is_exception = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
        && (name.ends_with("Error") || name.ends_with("Exception"));
    (is_exception || line.starts_with("*** ")).then(|| line.trim_start_matches("*** ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(stdout: &str, stderr: &str) -> (Log, Vec<Event>) {
        let mut log = Log::new(Path::new("/home/user/build"));
        let steps = stdout.lines().filter_map(|line| log.read(Pipe::Stdout, line)).collect();
        stderr.lines().for_each(|line| assert_eq!(log.read(Pipe::Stderr, line), None));
        log.close();
        (log, steps)
    }

    #[rstest]
    #[case("two-units-same-warning")]
    #[case("errors-in-generated")]
    #[case("missing-header")]
    #[case("undefined-symbol")]
    #[case("ram-region-overflow")]
    #[case("program-too-large")]
    #[case("data-too-large")]
    #[case("fault-in-build-script")]
    fn a_recorded_log_is_understood(#[case] name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/logs");
        let file = |pipe| std::fs::read_to_string(folder.join(format!("{name}.{pipe}.txt"))).unwrap();
        let (log, steps) = read(&file("stdout"), &file("stderr"));
        insta::assert_debug_snapshot!(name, (log, steps));
    }

    #[rstest]
    #[case("/home/user/build/generated/a.hpp:7:3: error: no\n", "generated/a.hpp", 7, 3, "no")]
    #[case("core/../generated/a.hpp:7:3: fatal error: x: error: y\n", "generated/a.hpp", 7, 3, "x: error: y")]
    #[case("../../elsewhere/b.h:1:2: error: no\n", "../../elsewhere/b.h", 1, 2, "no")]
    #[case("link.ld:12: error: no\n", "link.ld", 12, 0, "no")]
    #[case("clang: error: unsupported option\n", "clang", 0, 0, "unsupported option")]
    #[case(
        "ld.lld: error: undefined symbol: f\n>>> referenced by a.hpp:12 (generated/a.hpp:12)\n>>>               x.o:(g)\n>>> referenced by b.hpp:1 (generated/b.hpp:1)\n",
        "generated/a.hpp",
        12,
        0,
        "undefined symbol: f"
    )]
    #[case(
        "checkout/src/a.h:7:3: error: expected ')'\n    7 |     const int TWO = 2;\n      |               ^\ncheckout/src/b.h:3:1: note: expanded from macro 'TWO'\n    3 | #define TWO LEDS\n      |             ^\ncheckout/src/b.h:2:1: note: expanded from macro 'LEDS'\ncheckout/src/a.h:7:3: note: to match this '('\ncheckout/src/b.h:2:1: note: expanded from macro 'LEDS'\n",
        "checkout/src/a.h",
        7,
        3,
        "expected ')' (in the macro TWO of checkout/src/b.h:3, LEDS of checkout/src/b.h:2)"
    )]
    #[case(
        "/t/bin/ld: generated/a.cpp:12: undefined reference to `f'\ncollect2: error: ld returned 1 exit status\n",
        "generated/a.cpp",
        12,
        0,
        "undefined reference to `f'"
    )]
    #[case(
        "/t/bin/xtensa-ld: region `dram0_0_seg' overflowed by 8 bytes\n",
        "ld",
        0,
        0,
        "region `dram0_0_seg' overflowed by 8 bytes"
    )]
    fn an_error_has_its_place(
        #[case] stderr: &str,
        #[case] file: &str,
        #[case] line: u32,
        #[case] column: u32,
        #[case] message: &str,
    ) {
        let (log, _) = read("", stderr);
        let found: Vec<_> =
            log.errors.iter().map(|e| (e.file.as_str(), e.line, e.column, e.message.as_str())).collect();
        assert_eq!(found, [(file, line, column, message)]);
    }

    #[test]
    fn the_last_size_line_wins_and_broken_ones_are_passed_over() {
        let stdout = "Flash: [====      ]  40.0% (used 40 bytes from 100 bytes)\n\
            Flash: [==        ]  20.0% (used 40 bytes from 200 bytes)\n\
            Flash: [==        ]  20.0% (used -4 bytes from 200 bytes)\nRAM: none\n";
        let (log, _) = read(stdout, "");
        assert_eq!(log.flash, Some(Usage { used: 40, of: 200 }));
        assert_eq!(log.ram, None);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_strange(line in "(>>> referenced by |ld.lld: error: |RAM: |Error: The program size|Compiling )?\\PC{0,60}") {
            read(&line, &line);
        }
    }
}
