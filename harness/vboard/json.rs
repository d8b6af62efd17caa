//! JSON as the K1 firmware's library (ArduinoJson 6.21.5) writes and reads it.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A float with the firmware's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Float(pub f32);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(spell(f64::from(self.0))).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Integer part and up to 9 decimals, one fewer for each integer digit beyond the first, rounded half up, without
/// trailing zeros; from 1e7 and up to 1e-5 with an exponent; `null` for what is not finite.
fn spell(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let magnitude = value.abs();
    let exponent = if magnitude >= 1e7 || (magnitude > 0.0 && magnitude <= 1e-5) {
        magnitude.log10().floor() as i32
    } else {
        0
    };
    let (mut whole, mut decimals, mut places) = split(magnitude / 10_f64.powi(exponent));
    let mut exponent = exponent;
    if exponent != 0 && whole >= 10 {
        (whole, exponent) = (1, exponent + 1);
    }
    while places > 0 && decimals % 10 == 0 {
        decimals /= 10;
        places -= 1;
    }
    let point = if places > 0 { format!(".{decimals:0places$}") } else { String::new() };
    let power = if exponent == 0 { String::new() } else { format!("e{exponent}") };
    format!("{sign}{whole}{point}{power}")
}

/// Integer part, decimals as a whole number, and how many digits those are.
fn split(value: f64) -> (u64, u64, usize) {
    let whole = value.trunc() as u64;
    let places = 10_usize.saturating_sub(whole.max(1).to_string().len());
    let scale = 10_u64.pow(places as u32);
    let decimals = ((value - value.trunc()) * scale as f64 + 0.5).floor() as u64;
    if decimals >= scale { (whole + 1, 0, places) } else { (whole, decimals, places) }
}

/// A JSON value taken as an 8-bit integer: out of range 0, decimals cut, numeric strings read, `true` 1.
pub fn to_u8(value: &Value) -> u8 {
    match value {
        Value::Bool(truth) => u8::from(*truth),
        Value::Number(number) => number.as_f64().map_or(0, in_u8),
        Value::String(text) => text.trim().parse().map_or(0, in_u8),
        _ => 0,
    }
}

/// A JSON value taken as a float: numeric strings read, `true` 1, all else 0.
pub fn to_float(value: &Value) -> f32 {
    let number = match value {
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::String(text) => text.trim().parse().unwrap_or(0.0),
        _ => 0.0,
    };
    if number.is_finite() { number as f32 } else { 0.0 }
}

fn in_u8(number: f64) -> u8 {
    if (0.0..256.0).contains(&number) { number as u8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(0.33, "0.330000013")]
    #[case(0.2, "0.200000003")]
    #[case(0.05, "0.050000001")]
    #[case(0.25, "0.25")]
    #[case(1.0, "1")]
    #[case(0.0, "0")]
    #[case(-160.0, "-160")]
    #[case(166.6667, "166.6667023")]
    #[case(5302.18, "5302.180176")]
    #[case(12345.67, "12345.66992")]
    #[case(1e-5, "9.999999747e-6")]
    #[case(1e7, "1e7")]
    #[case(f32::NAN, "null")]
    #[case(f32::INFINITY, "null")]
    fn floats_are_spelled_as_the_firmware_does(#[case] value: f32, #[case] spelling: &str) {
        assert_eq!(serde_json::to_string(&Float(value)).unwrap(), spelling);
    }

    #[rstest]
    #[case(json!(300), 0)]
    #[case(json!(256), 0)]
    #[case(json!(-1), 0)]
    #[case(json!(255), 255)]
    #[case(json!("5"), 5)]
    #[case(json!(3.7), 3)]
    #[case(json!(1e3), 0)]
    #[case(json!(true), 1)]
    #[case(json!(null), 0)]
    #[case(json!("abc"), 0)]
    fn integers_are_read_as_the_firmware_does(#[case] value: Value, #[case] integer: u8) {
        assert_eq!(to_u8(&value), integer);
    }

    proptest! {
        #[test]
        fn any_float_is_valid_json_and_nearly_itself(value in any::<f32>()) {
            let spelling = serde_json::to_string(&Float(value)).unwrap();
            let read: Option<f64> = serde_json::from_str(&spelling).unwrap();
            match read {
                Some(read) => prop_assert!((read - f64::from(value)).abs() <= f64::from(value).abs() * 1e-4 + 1e-9, "{spelling}"),
                None => prop_assert!(!value.is_finite()),
            }
        }
    }
}
