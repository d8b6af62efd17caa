//! How numbers are said to people.

use crate::board::Cpu;

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A difference of ticks: `+1,850`, `-12`, `0`.
pub(crate) fn signed_thousands(number: i64) -> String {
    let sign = match number {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", thousands(number.unsigned_abs()))
}

/// A change in percent; small ones get the digits that tell them from none: `+2.00 %`, `-0.0040 %`.
pub(crate) fn signed_percent(percent: f64) -> String {
    if percent == 0.0 {
        "0 %".to_owned()
    } else if percent.abs() < 0.1 {
        format!("{percent:+.4} %")
    } else {
        format!("{percent:+.2} %")
    }
}

/// A number without the zeros at its end: `30`, `33.333`.
pub(crate) fn plain(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Ticks as a time: `92.5 µs`, `4.800 ms`.
pub(crate) fn time(ticks: f64, tick_hz: u32) -> String {
    let us = ticks * 1e6 / f64::from(tick_hz.max(1));
    if us < 1000.0 { format!("{us:.1} µs") } else { format!("{:.3} ms", us / 1000.0) }
}

/// What a tick of `cpu` counts, for one and for several: on an emulated CPU a tick is an instruction.
pub(crate) fn ticks_of(cpu: Cpu, count: u64) -> &'static str {
    match (cpu, count) {
        (Cpu::Emulated, 1) => "instruction",
        (Cpu::Emulated, _) => "instructions",
        (Cpu::Chip, 1) => "tick",
        (Cpu::Chip, _) => "ticks",
    }
}

/// `1 frame`, `2 frames`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [0, 12, 999, 1000, 92500, 1234567].map(thousands),
            ["0", "12", "999", "1,000", "92,500", "1,234,567"]
        );
        assert_eq!(
            [0, 1850, -12, i64::MIN].map(signed_thousands),
            ["0", "+1,850", "-12", "-9,223,372,036,854,775,808"]
        );
        assert_eq!([0.0, 2.0, -0.004, 0.1].map(signed_percent), ["0 %", "+2.00 %", "-0.0040 %", "+0.10 %"]);
        assert_eq!([30.0, 33.3333, 0.5, 100.0].map(plain), ["30", "33.333", "0.5", "100"]);
        assert_eq!(time(23125.0, 250_000_000), "92.5 µs");
        assert_eq!(time(1_200_000.0, 250_000_000), "4.800 ms");
    }
}
