//! From addresses to functions and source lines, by the debug information in an image's ELF.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use addr2line::Loader;
use object::{Object as _, ObjectSymbol as _};

use super::{ProfileError, unfit};

/// The mangled name of `void renderer::draw(uint32_t)`, which every host of the firmware defines.
const DRAW: &str = "_ZN8renderer4drawEj";

/// How far around code without a line its neighbours are looked for, in bytes.
const AROUND: u32 = 128;

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) function: String,
    /// Empty if it is not known.
    pub(crate) file: String,
    /// From 1; 0 if it is not known.
    pub(crate) line: u32,
}

/// The debug information of one ELF.
pub(crate) struct Symbols {
    path: PathBuf,
    loader: Loader,
    known: HashMap<u32, Rc<[Place]>>,
}

impl Symbols {
    pub(crate) fn open(elf: &Path) -> Result<Self, ProfileError> {
        let loader = Loader::new(elf).map_err(|e| unfit(elf, &e.to_string()))?;
        Ok(Self { path: elf.to_owned(), loader, known: HashMap::new() })
    }

    /// The functions at `address`, outermost first: the last one's code it is, and each was inlined into the one before
    /// it. There is at least one.
    pub(crate) fn at(&mut self, address: u32) -> Result<Rc<[Place]>, ProfileError> {
        if let Some(places) = self.known.get(&address) {
            return Ok(Rc::clone(places));
        }
        let mut places = self.look_up(address).map_err(|reason| unfit(&self.path, &reason))?;
        if let Some((file, line)) = self.between(address, &places) {
            places.last_mut().into_iter().for_each(|last| (last.file, last.line) = (file.clone(), line));
        }
        let places: Rc<[Place]> = places.into();
        self.known.insert(address, Rc::clone(&places));
        Ok(places)
    }

    /// The line of a function's code for which the compiler names none, if the function's code before and behind it is
    /// of the same one.
    fn between(&self, address: u32, places: &[Place]) -> Option<(String, u32)> {
        let depth = places.len().checked_sub(1)?;
        if places[depth].line > 0 {
            return None;
        }
        let line = |address: u32| {
            let found = self.look_up(address).ok()?;
            let is_there =
                found.iter().map(|p| &p.function).take(depth + 1).eq(places.iter().map(|p| &p.function));
            let place = found.into_iter().nth(depth).filter(|place| is_there && place.line > 0)?;
            Some((place.file, place.line))
        };
        // An instruction has two bytes or four; a place in the middle of one is that of the whole.
        let steps = || (2..=AROUND).step_by(2);
        let before = steps().find_map(|step| line(address.checked_sub(step)?))?;
        let behind = steps().find_map(|step| line(address.checked_add(step)?))?;
        (before == behind).then_some(before)
    }

    fn look_up(&self, address: u32) -> Result<Vec<Place>, String> {
        let mut frames = self.loader.find_frames(address.into()).map_err(|e| e.to_string())?;
        let mut places = Vec::new();
        while let Some(frame) = frames.next().map_err(|e| e.to_string())? {
            let name = frame.function.as_ref().map(|name| name.demangle().map(|name| name.into_owned()));
            let function = match name {
                Some(name) => name.map_err(|e| e.to_string())?,
                None => self.symbol(address),
            };
            let file = frame.location.as_ref().and_then(|at| at.file).map(tidy).unwrap_or_default();
            let line = frame.location.and_then(|at| at.line).unwrap_or(0);
            places.push(Place { function, file, line });
        }
        if places.is_empty() {
            places.push(Place { function: self.symbol(address), file: String::new(), line: 0 });
        }
        places.reverse();
        Ok(places)
    }

    fn symbol(&self, address: u32) -> String {
        match self.loader.find_symbol(address.into()) {
            Some(name) => addr2line::demangle_auto(name.into(), None).into_owned(),
            None => format!("{address:#x}"),
        }
    }
}

/// The address of `renderer::draw` in `elf`.
pub(super) fn draw_in(elf: &Path) -> Result<u32, ProfileError> {
    let unreadable = |source| ProfileError::Unreadable { path: elf.to_owned(), source };
    let bytes = std::fs::read(elf).map_err(unreadable)?;
    let file = object::File::parse(&*bytes).map_err(|e| unfit(elf, &e.to_string()))?;
    let draw = file.symbol_by_name(DRAW).and_then(|symbol| u32::try_from(symbol.address()).ok());
    draw.ok_or_else(|| unfit(elf, &format!("it has no function {DRAW}")))
}

/// Builds name files from `.` on.
fn tidy(file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_short() {
        for (long, short) in [
            ("./src/core/a.cpp", "src/core/a.cpp"),
            ("./src/target/virtual/../../core/a.h", "src/core/a.h"),
            ("../a.h", "../a.h"),
            ("/usr/./include/a.h", "/usr/include/a.h"),
        ] {
            assert_eq!(tidy(long), short);
        }
    }

    #[test]
    fn a_file_that_is_no_program_is_named() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let refused = draw_in(&manifest).unwrap_err().to_string();
        assert!(refused.contains("Cargo.toml"), "{refused}");
        let missing = draw_in(Path::new("no/such.elf")).unwrap_err().to_string();
        assert_eq!(missing, "cannot read no/such.elf");
    }
}
