//! The parameters of the patterns: names, ranges, defaults, and their JSON on the K1 routes.
//!
//! Source: K1.node1, `PatternParameters` and `/api/params`.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::json::{Float, to_float, to_u8};

/// How many there are.
pub const COUNT: usize = 23;

/// One value for each field, in the order of the firmware.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    values: [f32; COUNT],
}

struct Field {
    name: &'static str,
    low: f32,
    high: f32,
    initial: f32,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Float,
    /// A float that is shown as a truth value.
    Switch,
    /// A whole number; out of range it becomes 0.
    Index,
    /// Applied but not shown.
    Hidden,
}

const fn field(name: &'static str, low: f32, high: f32, initial: f32, kind: Kind) -> Field {
    Field { name, low, high, initial, kind }
}

const FIELDS: [Field; COUNT] = [
    field("brightness", 0.0, 1.0, 1.0, Kind::Float),
    field("softness", 0.0, 1.0, 0.25, Kind::Float),
    field("color", 0.0, 1.0, 0.33, Kind::Float),
    field("color_range", 0.0, 1.0, 0.0, Kind::Float),
    field("saturation", 0.0, 1.0, 0.75, Kind::Float),
    field("warmth", 0.0, 1.0, 0.0, Kind::Float),
    field("background", 0.0, 1.0, 0.0, Kind::Float),
    field("dithering", 0.0, 1.0, 1.0, Kind::Float),
    field("mirror_mode", 0.0, 1.0, 1.0, Kind::Switch),
    field("led_offset", -160.0, 160.0, 0.0, Kind::Float),
    field("speed", 0.0, 1.0, 0.5, Kind::Float),
    field("palette_id", 0.0, 32.0, 0.0, Kind::Index),
    field("custom_param_1", 0.0, 1.0, 0.5, Kind::Hidden),
    field("custom_param_2", 0.0, 1.0, 0.5, Kind::Hidden),
    field("custom_param_3", 0.0, 1.0, 0.5, Kind::Hidden),
    field("beat_threshold", 0.0, 1.0, 0.2, Kind::Float),
    field("beat_squash_power", 0.2, 1.0, 0.5, Kind::Float),
    field("audio_responsiveness", 0.0, 1.0, 0.5, Kind::Float),
    field("audio_sensitivity", 0.1, 4.0, 1.0, Kind::Float),
    field("bass_treble_balance", -1.0, 1.0, 0.0, Kind::Float),
    field("color_reactivity", 0.0, 1.0, 0.5, Kind::Float),
    field("brightness_floor", 0.0, 0.3, 0.05, Kind::Float),
    field("frame_min_period_ms", 4.0, 20.0, 6.0, Kind::Float),
];

impl Default for Params {
    fn default() -> Self {
        Self { values: FIELDS.map(|field| field.initial) }
    }
}

impl Params {
    /// Takes over the fields that `changes` names, each brought into its range; unknown keys are ignored.
    pub fn apply(&mut self, changes: &Map<String, Value>) {
        for (value, field) in self.values.iter_mut().zip(&FIELDS) {
            let Some(wanted) = changes.get(field.name) else { continue };
            *value = match (&field.kind, wanted) {
                (Kind::Index, wanted) => match f32::from(to_u8(wanted)) {
                    index if index > field.high => 0.0,
                    index => index,
                },
                _ => to_float(wanted).clamp(field.low, field.high),
            };
        }
    }

    /// The words of the mailbox: floats, and `palette_id` as a whole number.
    pub fn words(&self) -> [u32; COUNT] {
        let mut words = self.values.map(f32::to_bits);
        for ((word, value), field) in words.iter_mut().zip(self.values).zip(&FIELDS) {
            if field.kind == Kind::Index {
                *word = value as u32;
            }
        }
        words
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (&value, field) in self.values.iter().zip(&FIELDS) {
            match field.kind {
                Kind::Float => map.serialize_entry(field.name, &Float(value))?,
                Kind::Switch => map.serialize_entry(field.name, &(value >= 0.5))?,
                Kind::Index => map.serialize_entry(field.name, &(value as u32))?,
                Kind::Hidden => {}
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(changes: Value) -> Params {
        let mut params = Params::default();
        params.apply(changes.as_object().unwrap());
        params
    }

    fn shown(changes: Value) -> Value {
        serde_json::to_value(after(changes)).unwrap()
    }

    #[test]
    fn the_defaults_are_spelled_as_on_a_board() {
        assert_eq!(
            serde_json::to_string(&Params::default()).unwrap(),
            r#"{"brightness":1,"softness":0.25,"color":0.330000013,"color_range":0,"saturation":0.75,"warmth":0,"background":0,"dithering":1,"mirror_mode":true,"led_offset":0,"speed":0.5,"palette_id":0,"beat_threshold":0.200000003,"beat_squash_power":0.5,"audio_responsiveness":0.5,"audio_sensitivity":1,"bass_treble_balance":0,"color_reactivity":0.5,"brightness_floor":0.050000001,"frame_min_period_ms":6}"#
        );
    }

    #[test]
    fn values_are_clamped_and_other_keys_ignored() {
        assert_eq!(shown(json!({"frame_min_period_ms": 1, "nonsense": 3}))["frame_min_period_ms"], 4);
        assert_eq!(shown(json!({"led_offset": -1000}))["led_offset"], -160);
        assert_eq!(shown(json!({"mirror_mode": false}))["mirror_mode"], false);
        assert_eq!(shown(json!({"mirror_mode": 0.7}))["mirror_mode"], true);
        assert_eq!(shown(json!({"palette_id": 32}))["palette_id"], 32);
        assert_eq!(shown(json!({"palette_id": 33}))["palette_id"], 0);
        assert_eq!(shown(json!({"brightness": "0.5"}))["brightness"], 0.5);
        assert_eq!(shown(json!({"brightness": null}))["brightness"], 0);
    }

    #[test]
    fn the_words_are_those_of_the_mailbox() {
        let words = after(json!({"palette_id": 7, "custom_param_1": 1})).words();
        assert_eq!((words[0], words[11], words[12]), (1.0_f32.to_bits(), 7, 1.0_f32.to_bits()));
    }
}
