//! One line of a board's log: what it says, what K1's logger put around that, and which addresses it names.

use serde::Serialize;

/// A line of K1's logger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Time since boot, without whole days: the logger's hours begin anew after 24.
    pub uptime_ms: u32,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG`.
    pub level: String,
    /// One letter or digit: `A` audio, `L` LED, `E` web …
    pub tag: char,
    pub message: String,
}

/// An address in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) address: u32,
    /// Where to look for it: a return address lies behind the call that it is about.
    pub(super) code: u32,
}

impl LogLine {
    /// Reads `[HH:MM:SS.mmm] LEVEL [T] message`; none if the line has another form, as one has in which two tasks wrote at
    /// once.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (time, rest) = text.strip_prefix('[')?.split_once("] ")?;
        let (level, rest) = rest.split_at_checked(5)?;
        let level = level.trim_end();
        let rest = rest.strip_prefix(" [")?;
        let (tag, message) = rest.split_once("] ").or_else(|| Some((rest.strip_suffix(']')?, "")))?;
        let mut tags = tag.chars();
        let (tag, None) = (tags.next()?, tags.next()) else { return None };
        let is_level = ["ERROR", "WARN", "INFO", "DEBUG"].contains(&level);
        let line =
            Self { uptime_ms: millis(time)?, level: level.to_owned(), tag, message: message.to_owned() };
        is_level.then_some(line)
    }
}

/// `HH:MM:SS.mmm`
fn millis(time: &str) -> Option<u32> {
    let number = |from: usize, length: usize| {
        let digits = time.get(from..from + length)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
    };
    let separators = [(2, b':'), (5, b':'), (8, b'.')];
    let has_form = time.len() == 12 && separators.iter().all(|&(at, byte)| time.as_bytes()[at] == byte);
    has_form
        .then(|| Some(((number(0, 2)? * 60 + number(3, 2)?) * 60 + number(6, 2)?) * 1000 + number(9, 3)?))?
}

/// Removes what colours the text (`ESC [ … m`), and a line end.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.trim_end_matches(['\r', '\n']);
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        rest = match after[end..].strip_prefix('m') {
            Some(rest) => rest,
            None => {
                plain.push_str("\x1b["); // something else than a colour
                after
            }
        };
    }
    plain + rest
}

/// The addresses of code that a line of a panic names. The forms are those of ESP-IDF's panic handler on Xtensa
/// (`Backtrace: 0xPC:0xSP …`, registers) and RISC-V (`MEPC`, `RA`), and of this project's core (`pc … ra …`).
pub(super) fn addresses(line: &str) -> Vec<Named> {
    let at = |address| Named { address, code: address };
    // Before the return address, so that it is found in the call.
    let behind = |address: u32| Named { address, code: address.saturating_sub(1) };
    if let Some(pairs) = line.strip_prefix("Backtrace:") {
        return pairs.split_whitespace().filter_map(|pair| hex(pair.split(':').next()?)).map(at).collect();
    }
    if let Some((_, address)) = line.split_once("called at PC ") {
        return address.split_whitespace().next().and_then(hex).map(at).into_iter().collect();
    }
    if line.starts_with("panic: ") {
        let word = |name: &str| {
            let (_, rest) = line.split_once(&format!(" {name} "))?;
            u32::from_str_radix(rest.split_whitespace().next()?, 16).ok()
        };
        return word("pc").map(at).into_iter().chain(word("ra").map(behind)).collect();
    }
    // `PC      : 0x…  PS      : 0x…`: names, colons and numbers.
    let words: Vec<&str> = line.split_whitespace().collect();
    let registers = words.windows(3).filter(|words| words[1] == ":");
    registers
        .filter_map(|words| {
            let address = hex(words[2])?;
            match words[0] {
                "PC" | "MEPC" => Some(at(address)),
                "RA" => Some(behind(address)),
                _ => None,
            }
        })
        .collect()
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_line_of_the_logger_is_taken_apart() {
        let text = "\x1b[90m[01:02:03.004]\x1b[0m \x1b[93mWARN \x1b[0m \x1b[96m[W]\x1b[0m link [2] lost\r\n";
        let read = LogLine::read(&plain(text)).unwrap();
        let expected = LogLine {
            uptime_ms: 3_723_004,
            level: "WARN".to_owned(),
            tag: 'W',
            message: "link [2] lost".to_owned(),
        };
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case::of_the_rom("ESP-ROM:esp32s3-20210327")]
    #[case::of_esp_idf("I (215) cpu_start: Pro cpu up.")]
    #[case::two_at_once("[01:02:03.0[01:02:03.004] INFO  [A] text")]
    #[case::another_level("[01:02:03.004] TRACE [A] text")]
    #[case::another_time("[01:02:03,004] INFO  [A] text")]
    #[case::two_letters("[01:02:03.004] INFO  [AB] text")]
    #[case::cut("[01:02:03.004] INF")]
    fn any_other_line_is_just_text(#[case] text: &str) {
        assert_eq!(LogLine::read(text), None);
    }

    #[rstest]
    #[case::xtensa("Backtrace: 0x42012ab4:0x3fcebd10 0x4200a1f1:0x3fcebd40", &[0x4201_2AB4, 0x4200_A1F1])]
    #[case::corrupted("Backtrace: 0x42012ab4:0x3fcebd10 |<-CORRUPTED", &[0x4201_2AB4])]
    #[case::registers("PC      : 0x42012ab4  PS      : 0x00060330  A0      : 0x8200a1f4", &[0x4201_2AB4])]
    #[case::abort("abort() was called at PC 0x42012ab4 on core 1", &[0x4201_2AB4])]
    #[case::risc_v("MEPC    : 0x42000a24  RA      : 0x42000a20  SP      : 0x3fc90ff0", &[0x4200_0A24, 0x4200_0A1F])]
    #[case::core("panic: trap cause 00000005 pc 80001234 value 90000000 ra 80002000 sp 80d00000", &[0x8000_1234, 0x8000_1FFF])]
    #[case::heap("free heap : 0x00012345", &[])]
    #[case::text("PC: off", &[])]
    fn addresses_of_code_are_found_in_panics(#[case] line: &str, #[case] expected: &[u32]) {
        let found: Vec<u32> = addresses(line).into_iter().map(|named| named.code).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(text in "\\PC{0,80}|(\x1b|\\[|\\]|[0-9:.;m ]|INFO){0,40}") {
            let plain = plain(&text);
            let _ = (LogLine::read(&plain), addresses(&plain));
        }
    }
}
