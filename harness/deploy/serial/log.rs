//! What a board's log proves after a reset, where nothing better can be asked.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use espflash::connection::Port;

use crate::board::serial::{SerialPort, USUAL_BAUD};
use crate::digest::Sha;

/// How long a read waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// A longer line is none.
const LINE: usize = 4096;

/// What firmware of this project's core says first; the first 16 digits of its ELF's SHA-256 follow.
const CORE: &str = " elf ";
/// What ESP-IDF says where its log is on; some of the digits follow.
const IDF: &str = "ELF file SHA256:";
/// What the K1 firmware says last, with and without a network.
const READY: [&str; 2] = ["Web server started on port 80", "Ready!"];
const PANIC: &str = "Guru Meditation Error";

/// How far a log proves which image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It names the image's ELF.
    Image(String),
    /// Firmware came up; it does not say which.
    Started(String),
    /// It names another ELF.
    OtherImage(String),
    Panic(String),
    /// None of these came.
    None,
}

/// Reads the log until it proves something, for at most `limit`, or until `is_over`. A port that vanishes is opened again.
pub(super) fn read(
    port: &SerialPort,
    serial: Port,
    elf_sha256: Sha,
    limit: Duration,
    is_over: &dyn Fn() -> bool,
) -> Evidence {
    let begun = Instant::now();
    let (mut serial, mut line, mut buffer) = (Some(serial), Vec::new(), [0; 1024]);
    if let Some(serial) = &mut serial {
        let _ = serialport::SerialPort::set_timeout(serial, PATIENCE); // it cannot fail
    }
    while begun.elapsed() < limit && !is_over() {
        let Some(open) = &mut serial else {
            serial = port.open(USUAL_BAUD, PATIENCE).ok();
            if serial.is_none() {
                std::thread::sleep(PATIENCE); // until it comes back to the bus
            }
            continue;
        };
        let length = match open.read(&mut buffer) {
            Ok(length) if length > 0 => length,
            Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => continue,
            Ok(_) | Err(_) => {
                serial = None;
                continue;
            }
        };
        for &byte in &buffer[..length] {
            if byte == b'\n' {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                match judge(&text, elf_sha256) {
                    Evidence::None => line.clear(),
                    evidence => return evidence,
                }
            } else if line.len() < LINE {
                line.push(byte);
            }
        }
    }
    Evidence::None
}

/// What one line proves.
fn judge(line: &str, elf_sha256: Sha) -> Evidence {
    let named = line.split_once(CORE).or_else(|| line.split_once(IDF)).map(|(_, digits)| digits.trim());
    // ESP-IDF prints as many digits as it is configured to, and dots behind them.
    let digits = named.map(|named| named.trim_end_matches('.'));
    if let Some(digits) = digits
        && digits.len() >= 8
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        let is_ours = elf_sha256.to_string().starts_with(&digits.to_lowercase());
        let text = line.to_owned();
        return if is_ours { Evidence::Image(text) } else { Evidence::OtherImage(text) };
    }
    if line.contains(PANIC) {
        return Evidence::Panic(line.to_owned());
    }
    if READY.iter().any(|ready| line.contains(ready)) {
        return Evidence::Started(line.to_owned());
    }
    Evidence::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::of_the_core("k1-hil-core 0.2.0 protocol 2 elf {16}", Evidence::Image)]
    #[case::of_esp_idf("I (215) cpu_start: ELF file SHA256:  {8}...", Evidence::Image)]
    #[case::another("k1-hil-core 0.2.0 protocol 2 elf 0123456789abcdef", Evidence::OtherImage)]
    #[case::ready("[00:00:02.310] INFO  [E] Web server started on port 80", Evidence::Started)]
    #[case::panic("Guru Meditation Error: Core  1 panic'ed (LoadProhibited).", Evidence::Panic)]
    #[case::no_digits("an elf and a dwarf", |_| Evidence::None)]
    #[case::anything_else("entry 0x403c98d4", |_| Evidence::None)]
    fn a_line_proves_what_it_says(#[case] line: &str, #[case] expected: fn(String) -> Evidence) {
        let sha = Sha::of("elf");
        let digits = sha.to_string();
        let line = line.replace("{16}", &digits[..16]).replace("{8}", &digits[..8]);
        assert_eq!(judge(&line, sha), expected(line.clone()));
    }
}
