//! The boards that somebody owns: `hil.boards.toml`, and choosing from it.
//!
//! Only descriptions: nothing here touches a board. Who may use one is the concern of [`super::lease`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::blame::Blame;
use crate::board::{Address, Mac, Password};

mod edit;
mod expression;
mod file;
mod parse;
mod place;
mod select;

pub use edit::{Change, Changes, Sighting, record, save};
pub use expression::{Described, Expression, ExpressionError, Key};
pub use place::{FILE_NAME, Looked, Origin, Places, find, find_or_new};
pub use select::Selected;

/// The boards of one file. Names and MAC addresses are each there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where it was read from; none if there is no file.
    pub path: Option<PathBuf>,
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

/// What is known of a board before it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// Its identity. Without one the board is known by `usb_serial`, and says its MAC when it is reached.
    pub mac: Option<Mac>,
    pub usb_serial: Option<String>,
    pub model: Option<String>,
    pub labels: Vec<String>,
    pub reach: Reach,
    /// `/dev/ttyACM0`, or better a link of `/dev/serial/by-id`.
    pub serial_port: Option<PathBuf>,
    pub ota_password: Option<Secret>,
    pub power: Option<PowerControl>,
    pub dtr_rts: DtrRts,
    /// For people.
    pub notes: String,
    /// Whether it may be chosen.
    pub enabled: bool,
    /// Line of its name in the file, from 1.
    pub line: usize,
}

/// How a board is come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over the network; without an address only by serial.
    Network(Option<Address>),
    /// A virtual board that another process runs.
    RunningVirtual(Address),
    /// A virtual board that is started when it is wanted, with its flash in a file if it has one.
    StartedVirtual { flash: Option<PathBuf> },
}

/// Where a password stands; never in the inventory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, whose last line end does not count.
    File(PathBuf),
}

/// How a board's power is switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerControl {
    /// A program and its arguments, which switches off and on again; no shell reads it.
    pub cycle: Vec<String>,
    /// How long it may take.
    pub limit: Duration,
}

/// What may be done with the DTR and RTS lines of a board's serial port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtrRts {
    /// They are left alone: on this board they reset it, or break its USB.
    #[default]
    Leave,
    /// They may be used to reset it.
    Reset,
}

/// Why an inventory, or a choice from it, is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    #[error("cannot read the inventory {path} ({origin})")]
    Unreadable { path: PathBuf, origin: Origin, source: std::io::Error },
    #[error("cannot write the inventory {path}")]
    Unwritable { path: PathBuf, source: std::io::Error },
    /// `key` is empty where no key can be named.
    #[error("{path}:{line}: {}{reason}", if key.is_empty() { String::new() } else { format!("`{key}`: ") })]
    Invalid { path: PathBuf, line: usize, key: String, reason: String },
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// No board is what was asked for; `has` says what there is.
    #[error("no board matches {asked:?}: {has}")]
    NoMatch { asked: String, has: String },
    /// Fewer boards are what was asked for than are wanted.
    #[error("{wanted} boards are wanted, but {asked:?} matches {found}: {names}")]
    TooFew { asked: String, wanted: usize, found: usize, names: String },
    #[error("the update password of {board} is not to be had: {reason}")]
    Secret { board: String, reason: String },
}

impl InventoryError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Expression(_) => Blame::Input,
            _ => Blame::Configuration,
        }
    }
}

impl Inventory {
    /// Reads the inventory at `path`, which was chosen because of `origin`.
    ///
    /// # Errors
    ///
    /// [`InventoryError::Unreadable`] or [`InventoryError::Invalid`].
    pub fn load(path: &Path, origin: Origin) -> Result<Self, InventoryError> {
        let text = std::fs::read_to_string(path).map_err(|source| InventoryError::Unreadable {
            path: path.to_owned(),
            origin,
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of the inventory at `path`; paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// [`InventoryError::Invalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, InventoryError> {
        file::parse(text, path)
    }

    /// The entry of the board `mac`.
    pub fn of_mac(&self, mac: Mac) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.mac == Some(mac))
    }
}

impl Entry {
    /// An entry for the board at `address`, of which nothing else is known.
    pub fn of_address(address: &Address) -> Self {
        Self {
            name: address.to_string(),
            mac: None,
            usb_serial: None,
            model: None,
            labels: Vec::new(),
            reach: Reach::Network(Some(address.clone())),
            serial_port: None,
            ota_password: None,
            power: None,
            dtr_rts: DtrRts::default(),
            notes: String::new(),
            enabled: true,
            line: 0,
        }
    }

    /// Where it is reached over the network, if that is known before it is started.
    pub fn address(&self) -> Option<&Address> {
        match &self.reach {
            Reach::Network(address) => address.as_ref(),
            Reach::RunningVirtual(address) => Some(address),
            Reach::StartedVirtual { .. } => None,
        }
    }

    pub fn is_virtual(&self) -> bool {
        !matches!(self.reach, Reach::Network(_))
    }

    /// Its update password, if it has one. `env` looks up environment variables.
    ///
    /// # Errors
    ///
    /// [`InventoryError::Secret`] if there should be one and is none.
    pub fn password(&self, env: impl Fn(&str) -> Option<String>) -> Result<Option<Password>, InventoryError> {
        let Some(secret) = &self.ota_password else { return Ok(None) };
        let missing = |reason: String| InventoryError::Secret { board: self.name.clone(), reason };
        let text = match secret {
            Secret::Env(name) => {
                env(name).ok_or_else(|| missing(format!("the environment variable {name} is not set")))?
            }
            Secret::File(path) => std::fs::read_to_string(path)
                .map_err(|e| missing(format!("cannot read {}: {e}", path.display())))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        };
        if text.is_empty() {
            return Err(missing("it is empty".to_owned()));
        }
        Ok(Some(Password::from(text.as_str())))
    }
}

impl Described for Entry {
    fn has_label(&self, label: &str) -> bool {
        self.labels.iter().any(|own| own == label) || (label == "virtual" && self.is_virtual())
    }

    fn is(&self, key: Key, value: &str) -> bool {
        match key {
            Key::Name => self.name == value,
            Key::Model => self.model.as_deref() == Some(value),
            Key::Mac => self.mac.is_some() && self.mac == value.parse().ok(),
            Key::Host => self.address().is_some_and(|address| address.host == value),
            Key::UsbSerial => self.usb_serial.as_deref() == Some(value),
        }
    }
}
