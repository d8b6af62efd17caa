//! The text of `hil.boards.toml`: from raw TOML to entries that are valid by construction.
//!
//! An error never quotes a line of the file: somebody may have written a password into it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::expression::is_label;
use super::{DtrRts, Entry, Inventory, InventoryError, PowerControl, Reach, Secret};
use crate::board::{Address, Mac};
use crate::stored;

/// The present version of the file.
const FORMAT: u32 = 1;
const POWER_LIMIT_S: u64 = 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: Option<Spanned<u32>>,
    #[serde(default, rename = "board")]
    boards: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: Spanned<String>,
    mac: Option<Spanned<String>>,
    usb_serial: Option<Spanned<String>>,
    model: Option<Spanned<String>>,
    #[serde(default)]
    labels: Vec<Spanned<String>>,
    host: Option<Spanned<String>>,
    http_port: Option<Spanned<Port>>,
    ota_port: Option<Spanned<Port>>,
    serial_port: Option<PathBuf>,
    ota_password: Option<RawSecret>,
    power: Option<Spanned<RawPower>>,
    #[serde(default)]
    dtr_rts: DtrRts,
    #[serde(default)]
    notes: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default, rename = "virtual")]
    is_virtual: bool,
    flash: Option<Spanned<PathBuf>>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPower {
    cycle: Vec<String>,
    timeout_s: Option<u64>,
}

/// Not 0.
struct Port(u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfNumber;

        impl Visitor<'_> for OfNumber {
            type Value = Port;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a port from 1 to 65535")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Port, E> {
                let port = u16::try_from(number).ok().filter(|port| *port != 0);
                port.map(Port).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
        }

        deserializer.deserialize_i64(OfNumber)
    }
}

/// `{ env = "NAME" }` or `{ file = "PATH" }`.
struct RawSecret(Secret);

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfTable;

        impl<'de> Visitor<'de> for OfTable {
            type Value = RawSecret;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(SECRET_FORMS)
            }

            // By itself the error would repeat what it found, which is the password.
            fn visit_str<E: de::Error>(self, _: &str) -> Result<RawSecret, E> {
                Err(E::custom(format!("a password does not belong into this file; expected {SECRET_FORMS}")))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSecret, A::Error> {
                #[derive(Deserialize)]
                #[serde(rename_all = "lowercase")]
                enum Form {
                    Env,
                    File,
                }
                let wrong = || de::Error::custom(format!("expected {SECRET_FORMS}"));
                let secret = match map.next_key::<Form>()?.ok_or_else(wrong)? {
                    Form::Env => Secret::Env(map.next_value()?),
                    Form::File => Secret::File(map.next_value()?),
                };
                match map.next_key::<Form>()? {
                    None => Ok(RawSecret(secret)),
                    Some(_) => Err(wrong()),
                }
            }
        }

        deserializer.deserialize_any(OfTable)
    }
}

const SECRET_FORMS: &str = r#"{ env = "VARIABLE" } or { file = "PATH" }"#;

/// What is wrong, and where in the text.
struct Wrong {
    key: &'static str,
    at: Range<usize>,
    reason: String,
}

/// The inventory in `text`, which stands in the file `path`.
pub(super) fn parse(text: &str, path: &Path) -> Result<Inventory, InventoryError> {
    let invalid = |line, key: &str, reason| InventoryError::Invalid {
        path: path.to_owned(),
        line,
        key: key.to_owned(),
        reason,
    };
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        invalid(line_of(text, at), key_at(text, at), error.message().replace('\n', " "))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    checked(raw, text, folder)
        .map(|entries| Inventory { path: Some(path.to_owned()), entries })
        .map_err(|Wrong { key, at, reason }| invalid(line_of(text, at.start), key, reason))
}

fn checked(raw: RawFile, text: &str, folder: &Path) -> Result<Vec<Entry>, Wrong> {
    if let Some(format) = raw.format.filter(|format| *format.get_ref() != FORMAT) {
        let reason = format!("{} is not known; this version reads format {FORMAT}", format.get_ref());
        return Err(Wrong { key: "format", at: format.span(), reason });
    }
    let (mut names, mut macs, mut serials) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut entries = Vec::with_capacity(raw.boards.len());
    for raw in raw.boards {
        let line = line_of(text, raw.name.span().start);
        let spans = [
            ("name", Some(raw.name.span())),
            ("mac", raw.mac.as_ref().map(Spanned::span)),
            ("usb_serial", raw.usb_serial.as_ref().map(Spanned::span)),
        ];
        let entry = entry(raw, line, folder)?;
        let known = [
            names.insert(entry.name.clone(), line),
            entry.mac.and_then(|mac| macs.insert(mac, line)),
            entry.usb_serial.clone().and_then(|serial| serials.insert(serial, line)),
        ];
        for ((key, span), first) in spans.into_iter().zip(known) {
            if let (Some(at), Some(first)) = (span, first) {
                let reason = format!("the board in line {first} has the same; each board stands here once");
                return Err(Wrong { key, at, reason });
            }
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(raw: RawEntry, line: usize, folder: &Path) -> Result<Entry, Wrong> {
    let name_at = raw.name.span();
    if !stored::is_name(raw.name.get_ref()) {
        let reason = format!("{:?}: expected letters, digits, `_`, `-` and `.`", raw.name.get_ref());
        return Err(Wrong { key: "name", at: name_at, reason });
    }
    let mac = match &raw.mac {
        Some(text) => Some(text.get_ref().parse::<Mac>().map_err(|error| Wrong {
            key: "mac",
            at: text.span(),
            reason: error.to_string(),
        })?),
        None => None,
    };
    let text = |key, value: Option<Spanned<String>>| match value {
        Some(text) if text.get_ref().trim().is_empty() => {
            Err(Wrong { key, at: text.span(), reason: "it is empty".to_owned() })
        }
        value => Ok(value.map(Spanned::into_inner)),
    };
    let usb_serial = text("usb_serial", raw.usb_serial)?;
    // The chip's own USB gives its MAC as serial number.
    let mac = mac.or_else(|| usb_serial.as_ref()?.parse().ok());
    if mac.is_none() && (usb_serial.is_none() || raw.is_virtual) {
        let key = if raw.is_virtual { "a `mac`" } else { "a `mac` or a `usb_serial`" };
        let reason = format!("the board needs {key}: an address may be another board's tomorrow");
        return Err(Wrong { key: "name", at: name_at, reason });
    }
    if let Some(label) = raw.labels.iter().find(|label| !is_label(label.get_ref())) {
        let reason = format!(
            "{:?} is no label: expected letters, digits, `_`, `-`, `.`, `:` and `/`, and no word of expressions \
             (and, or, not, virtual, name, model, mac, host, usb_serial)",
            label.get_ref()
        );
        return Err(Wrong { key: "labels", at: label.span(), reason });
    }
    let ports = [("http_port", &raw.http_port), ("ota_port", &raw.ota_port)];
    if let (None, Some((key, Some(port)))) = (&raw.host, ports.into_iter().find(|(_, port)| port.is_some())) {
        return Err(Wrong { key, at: port.span(), reason: "a port needs a `host`".to_owned() });
    }
    let port = |port: Option<Spanned<Port>>, usual| port.map_or(usual, |port| port.into_inner().0);
    let (http_port, ota_port) = (port(raw.http_port, 80), port(raw.ota_port, 3232));
    let address = text("host", raw.host)?.map(|host| Address { host, http_port, ota_port });
    let flash_at = raw.flash.as_ref().map(Spanned::span);
    let flash = raw.flash.map(|flash| folder.join(flash.into_inner()));
    let reach = match (raw.is_virtual, address, flash) {
        (true, None, flash) => Reach::StartedVirtual { flash },
        (true, Some(address), None) => Reach::RunningVirtual(address),
        (false, address, None) => Reach::Network(address),
        (_, _, Some(_)) => {
            let reason = "only a virtual board without a `host`, which is started here, has one".to_owned();
            return Err(Wrong { key: "flash", at: flash_at.unwrap_or(name_at), reason });
        }
    };
    Ok(Entry {
        name: raw.name.into_inner(),
        mac,
        usb_serial,
        model: text("model", raw.model)?,
        labels: raw.labels.into_iter().map(Spanned::into_inner).collect(),
        reach,
        serial_port: raw.serial_port.map(|port| folder.join(port)),
        ota_password: raw.ota_password.map(|RawSecret(secret)| match secret {
            Secret::File(path) => Secret::File(folder.join(path)),
            env => env,
        }),
        power: raw.power.map(power).transpose()?,
        dtr_rts: raw.dtr_rts,
        notes: raw.notes,
        enabled: raw.enabled,
        line,
    })
}

fn power(raw: Spanned<RawPower>) -> Result<PowerControl, Wrong> {
    let at = raw.span();
    let RawPower { cycle, timeout_s } = raw.into_inner();
    let limit_s = timeout_s.unwrap_or(POWER_LIMIT_S);
    let wrong = |reason: &str| Wrong { key: "power", at, reason: reason.to_owned() };
    if cycle.first().is_none_or(|program| program.trim().is_empty()) {
        return Err(wrong("`cycle` is a list of a program and its arguments"));
    }
    if !(1..=600).contains(&limit_s) {
        return Err(wrong("`timeout_s` is from 1 to 600"));
    }
    Ok(PowerControl { cycle, limit: Duration::from_secs(limit_s) })
}

/// The line of the byte `at`, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// The key of the line that the byte `at` is in, if it is one of `key = value`.
fn key_at(text: &str, at: usize) -> &str {
    let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    if key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) { key } else { "" }
}
