//! Choosing boards: by name, MAC, USB serial number, address or expression.

use super::{Entry, Expression, Inventory, InventoryError};
use crate::board::{Address, Mac};

/// The boards that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// As it was asked.
    pub asked: String,
    /// At least one, in the order of the inventory.
    pub candidates: Vec<Entry>,
    /// Whether one certain board was meant, and not any that fits.
    pub is_certain: bool,
}

impl Inventory {
    /// The boards that `asked` means: the name of a board, its MAC, its USB serial number, an address
    /// (`host:http:ota`, told from a name by a dot or a colon), or an expression. The first of these that fits
    /// counts; an address need not be in the inventory.
    ///
    /// # Errors
    ///
    /// [`InventoryError::NoMatch`] and [`InventoryError::Expression`].
    pub fn select(&self, asked: &str) -> Result<Selected, InventoryError> {
        let asked = asked.trim();
        if let Some(entry) = self.certain(asked) {
            return match entry.enabled {
                true => Ok(one(asked, entry.clone())),
                false => Err(self.none(asked, format!("it is disabled in line {}", entry.line))),
            };
        }
        if let Ok(mac) = asked.parse::<Mac>() {
            let reason = format!("the board {mac} is not in it; {}", self.listed());
            return Err(self.none(asked, reason));
        }
        let is_word = !asked.contains(char::is_whitespace);
        let is_label = self.entries.iter().any(|entry| entry.labels.iter().any(|label| label == asked));
        if is_word && !is_label && asked.contains(['.', ':']) && !asked.contains(['=', '"', '(']) {
            let address = asked.parse::<Address>().map_err(|e| self.none(asked, e.to_string()))?;
            return Ok(one(asked, Entry::of_address(&address)));
        }
        let expression: Expression = asked.parse()?;
        let fits = |entry: &&Entry| entry.enabled && expression.fits(*entry);
        let candidates: Vec<Entry> = self.entries.iter().filter(fits).cloned().collect();
        if candidates.is_empty() {
            let reason = match &expression {
                Expression::Label(_) => {
                    format!(
                        "{}; a host name without a dot is written with its port, {asked}:80",
                        self.listed()
                    )
                }
                _ => self.listed(),
            };
            return Err(self.none(asked, reason));
        }
        Ok(Selected { asked: asked.to_owned(), candidates, is_certain: false })
    }

    fn certain(&self, asked: &str) -> Option<&Entry> {
        let of = |is_it: &dyn Fn(&Entry) -> bool| self.entries.iter().find(|entry| is_it(entry));
        let mac = asked.parse::<Mac>().ok();
        of(&|entry| entry.name == asked)
            .or_else(|| of(&|entry| mac.is_some() && entry.mac == mac))
            .or_else(|| of(&|entry| entry.usb_serial.as_deref() == Some(asked)))
    }

    fn none(&self, asked: &str, reason: String) -> InventoryError {
        let has = match &self.path {
            None => format!("there is no {}", super::FILE_NAME),
            Some(path) => format!("in {}, {reason}", path.display()),
        };
        InventoryError::NoMatch { asked: asked.to_owned(), has }
    }

    /// What there is, for the sentence that it was not found.
    fn listed(&self) -> String {
        let described: Vec<String> = self.entries.iter().map(described).collect();
        match described.as_slice() {
            [] => "there are no boards".to_owned(),
            some => format!("there are: {}", some.join(", ")),
        }
    }
}

impl Selected {
    /// Makes sure that there are `count` boards to choose from.
    ///
    /// # Errors
    ///
    /// [`InventoryError::TooFew`].
    pub fn enough_for(&self, count: usize) -> Result<(), InventoryError> {
        let found = self.candidates.len();
        if found >= count {
            return Ok(());
        }
        let names: Vec<&str> = self.candidates.iter().map(|entry| entry.name.as_str()).collect();
        let (asked, names) = (self.asked.clone(), names.join(", "));
        Err(InventoryError::TooFew { asked, wanted: count, found, names })
    }
}

fn one(asked: &str, entry: Entry) -> Selected {
    Selected { asked: asked.to_owned(), candidates: vec![entry], is_certain: true }
}

fn described(entry: &Entry) -> String {
    let mut facts: Vec<&str> = entry.model.as_deref().into_iter().collect();
    facts.extend(entry.is_virtual().then_some("virtual"));
    facts.extend(entry.labels.iter().map(String::as_str));
    facts.extend((!entry.enabled).then_some("disabled"));
    match facts.as_slice() {
        [] => entry.name.clone(),
        facts => format!("{} ({})", entry.name, facts.join(", ")),
    }
}
