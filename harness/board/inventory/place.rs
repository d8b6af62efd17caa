//! Which inventory counts. The order stands here and nowhere else: flag, environment, local, global, none.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Inventory, InventoryError};

/// The name of an inventory.
pub const FILE_NAME: &str = "hil.boards.toml";

/// Where an inventory may be, as a shell found it.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Given on the command line.
    pub flag: Option<PathBuf>,
    /// From `HIL_BOARDS_FILE`.
    pub env: Option<PathBuf>,
    /// Searched upwards from here.
    pub working_folder: PathBuf,
    /// The user's folder for configuration of this program.
    pub config_folder: Option<PathBuf>,
}

/// Why an inventory was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Flag,
    Env,
    /// Found in the working folder or above it.
    Local,
    /// Found in the user's folder for configuration.
    Global,
}

/// For `found because of it: …`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "given on the command line",
            Self::Env => "given by HIL_BOARDS_FILE",
            Self::Local => "in the working folder or above it",
            Self::Global => "in the user's configuration",
        })
    }
}

/// What the search for an inventory saw, in the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Looked {
    pub path: PathBuf,
    pub origin: Origin,
    /// Whether this one is used; at most one is.
    pub used: bool,
}

/// Reads the inventory that counts, and says where was looked. An empty one if there is none.
///
/// # Errors
///
/// Those of [`Inventory::load`]; a file that is named must be there.
pub fn find(places: &Places) -> Result<(Inventory, Vec<Looked>), InventoryError> {
    let mut looked = looked(places);
    match looked.iter_mut().find(|place| place.used) {
        Some(used) => Ok((Inventory::load(&used.path, used.origin)?, looked)),
        None => Ok((Inventory::default(), looked)),
    }
}

/// As [`find`], to write it: a file that is named may be missing, and is then an empty inventory.
///
/// # Errors
///
/// Those of [`Inventory::load`] for a file that is there.
pub fn find_or_new(places: &Places) -> Result<(Inventory, Vec<Looked>), InventoryError> {
    let looked = looked(places);
    let used = looked.iter().find(|place| place.used).cloned();
    match used {
        Some(used) if is_there(&used.path) => Ok((Inventory::load(&used.path, used.origin)?, looked)),
        Some(used) => Ok((Inventory { path: Some(used.path), entries: Vec::new() }, looked)),
        None => Ok((Inventory::default(), looked)),
    }
}

fn looked(places: &Places) -> Vec<Looked> {
    // What is named is used, whether it is there or not; what is searched, if it is there.
    let named = [(&places.flag, Origin::Flag), (&places.env, Origin::Env)]
        .into_iter()
        .filter_map(|(path, origin)| Some((path.clone()?, origin, true)));
    let above = places.working_folder.ancestors().map(|folder| (folder.join(FILE_NAME), Origin::Local));
    let global = places.config_folder.iter().map(|folder| (folder.join(FILE_NAME), Origin::Global));
    let searched = above.chain(global).map(|(path, origin)| {
        let is_there = is_there(&path);
        (path, origin, is_there)
    });
    let mut found = false;
    named
        .chain(searched)
        .map(|(path, origin, usable)| {
            let used = usable && !found;
            found |= usable;
            Looked { path, origin, used }
        })
        .collect()
}

/// A folder of that name is no inventory; a file that cannot be read is one, and an error.
fn is_there(path: &Path) -> bool {
    path.is_file()
}
