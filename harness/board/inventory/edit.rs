//! Writing what a scan saw into an inventory, so that comments, order and everything else that a person wrote stay.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value, value};

use super::{Inventory, InventoryError, Reach};
use crate::board::{Address, Mac};
use crate::stored;

/// A board that a scan saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    pub mac: Mac,
    /// As its probe says; none if it has none.
    pub model: Option<String>,
    pub address: Option<Address>,
    pub serial_port: Option<PathBuf>,
    pub is_virtual: bool,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Names of boards that are new.
    pub added: Vec<String>,
    pub changed: Vec<Change>,
}

/// One value that is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the board.
    pub board: String,
    pub key: String,
    /// As TOML; none if it was not there.
    pub from: Option<String>,
    pub to: String,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty()
    }
}

/// What a new inventory begins with.
const HEAD: &str = "# The boards of this machine, for k1-hil; not for version control.\n\
                    # `k1-hil boards scan` adds what it finds and changes addresses; the rest is yours.\n\
                    format = 1\n";

/// Enters `seen` into `text`, the inventory at `path`: a board that is known by its MAC gets its address and port
/// brought up to date, others are added at the end. Returns the new text.
///
/// # Errors
///
/// [`InventoryError::Invalid`] if `text` is no inventory.
pub fn record(text: &str, path: &Path, seen: &[Sighting]) -> Result<(String, Changes), InventoryError> {
    let inventory = Inventory::parse(text, path)?;
    let invalid = |reason: String| InventoryError::Invalid {
        path: path.to_owned(),
        line: 1,
        key: String::new(),
        reason,
    };
    let text = if text.trim().is_empty() { HEAD } else { text };
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| invalid(e.message().to_owned()))?;
    let mut changes = Changes::default();
    let mut names: Vec<String> = inventory.entries.iter().map(|entry| entry.name.clone()).collect();
    for sighting in seen {
        let place = inventory.entries.iter().position(|entry| entry.mac == Some(sighting.mac));
        match place {
            // It is started when it is wanted; who runs it at the moment is of no concern.
            Some(place) if matches!(inventory.entries[place].reach, Reach::StartedVirtual { .. }) => {}
            Some(place) => {
                let table = nth_board(&mut document, place)
                    .ok_or_else(|| invalid("the boards are not tables `[[board]]`".to_owned()))?;
                update(table, sighting, &mut changes.changed, &names[place]);
            }
            None => {
                let name = name_for(sighting, &names);
                let boards = document
                    .entry("board")
                    .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
                    .as_array_of_tables_mut()
                    .ok_or_else(|| invalid("the boards are not tables `[[board]]`".to_owned()))?;
                boards.push(table_of(sighting, &name));
                changes.added.push(name.clone());
                names.push(name);
            }
        }
    }
    Ok((document.to_string(), changes))
}

/// Writes `text` as the inventory at `path`, whole or not at all. A link stays a link.
///
/// # Errors
///
/// [`InventoryError::Unwritable`].
pub fn save(path: &Path, text: &str) -> Result<(), InventoryError> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    stored::write(&target, text.as_bytes())
        .map_err(|source| InventoryError::Unwritable { path: path.to_owned(), source })
}

fn nth_board(document: &mut DocumentMut, place: usize) -> Option<&mut Table> {
    document.get_mut("board")?.as_array_of_tables_mut()?.get_mut(place)
}

fn update(table: &mut Table, sighting: &Sighting, changed: &mut Vec<Change>, name: &str) {
    let mut set = |key: &str, new: Value, usual: Option<i64>| {
        let old = table.get(key).and_then(Item::as_value);
        let is_same = match (old, &new) {
            (Some(Value::String(old)), Value::String(new)) => old.value() == new.value(),
            (Some(Value::Integer(old)), Value::Integer(new)) => old.value() == new.value(),
            (None, Value::Integer(new)) => Some(*new.value()) == usual,
            _ => false,
        };
        if !is_same {
            changed.push(Change {
                board: name.to_owned(),
                key: key.to_owned(),
                from: old.map(bare),
                to: bare(&new),
            });
            let mut new = new;
            if let Some(old) = old {
                // The comment behind the old value belongs to the line.
                *new.decor_mut() = old.decor().clone();
            }
            table[key] = Item::Value(new);
        }
    };
    if let Some(address) = &sighting.address {
        set("host", address.host.as_str().into(), None);
        set("http_port", i64::from(address.http_port).into(), Some(80));
        set("ota_port", i64::from(address.ota_port).into(), Some(3232));
    }
    if let Some(port) = sighting.serial_port.as_ref().and_then(|port| port.to_str()) {
        set("serial_port", port.into(), None);
    }
    if let Some(model) = &sighting.model {
        set("model", model.as_str().into(), None);
    }
}

/// A value without the space and the comment around it.
fn bare(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

fn table_of(sighting: &Sighting, name: &str) -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table["name"] = value(name);
    table["mac"] = value(sighting.mac.to_string());
    if let Some(model) = &sighting.model {
        table["model"] = value(model.as_str());
    }
    if sighting.is_virtual {
        table["virtual"] = value(true);
    }
    if let Some(address) = &sighting.address {
        table["host"] = value(address.host.as_str());
        if address.http_port != 80 {
            table["http_port"] = value(i64::from(address.http_port));
        }
        if address.ota_port != 3232 {
            table["ota_port"] = value(i64::from(address.ota_port));
        }
    }
    if let Some(port) = sighting.serial_port.as_ref().and_then(|port| port.to_str()) {
        table["serial_port"] = value(port);
    }
    table
}

/// The model, or `board`, with the last three bytes of the MAC; what a board says of itself is checked first.
fn name_for(sighting: &Sighting, taken: &[String]) -> String {
    let model = sighting.model.as_deref().filter(|model| stored::is_name(model)).unwrap_or("board");
    let [.., a, b, c] = sighting.mac.bytes();
    let base = format!("{:.80}-{a:02x}{b:02x}{c:02x}", model);
    let free = |name: &String| !taken.contains(name);
    std::iter::once(base.clone())
        .chain((2..).map(|number| format!("{base}-{number}")))
        .find(free)
        .unwrap_or(base)
}
