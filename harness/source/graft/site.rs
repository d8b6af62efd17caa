//! The changes of a checkout's files that add patterns to it, or take them out again. Nothing is written here.

use std::collections::BTreeMap;

use super::GraftError;
use super::lines::{Lines, Purpose};
use super::list::{self, List, Row};
use super::runtime;
use crate::graph::Graph;
use crate::source::checkout::{Manifest, Places};
use crate::source::{MOST_PATTERNS, cpp, emit, is_audio_reactive};

/// What becomes of one file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    /// Relative to the checkout's root.
    pub path: String,
    /// Its whole text; none if the file goes.
    pub text: Option<String>,
    /// The pattern drawn by this file, if it is one's, and the node of each line that stems from one.
    pub pattern: Option<String>,
    pub nodes: Vec<(u32, String)>,
}

/// The text of a file of the checkout; none if it is not there.
pub(super) type Read<'a> = dyn Fn(&str) -> Result<Option<String>, GraftError> + 'a;

/// Where patterns are added.
pub(super) struct Site<'a> {
    manifest: &'a str,
    places: &'a Places,
    read: &'a Read<'a>,
    /// Files that get or lose lines, as they will be.
    texts: BTreeMap<String, Lines>,
}

impl<'a> Site<'a> {
    /// # Errors
    ///
    /// [`GraftError::NoPlaces`].
    pub(super) fn of(manifest: &'a Manifest, read: &'a Read<'a>) -> Result<Self, GraftError> {
        Self::at(&manifest.name, manifest.patterns.as_ref(), read)
    }

    /// # Errors
    ///
    /// [`GraftError::NoPlaces`].
    pub(super) fn at(
        manifest: &'a str,
        places: Option<&'a Places>,
        read: &'a Read<'a>,
    ) -> Result<Self, GraftError> {
        let places = places.ok_or_else(|| GraftError::NoPlaces { manifest: manifest.to_owned() })?;
        Ok(Self { manifest, places, read, texts: BTreeMap::new() })
    }

    /// What adds the patterns of `graphs`. Those that were added before are renewed where they stand. In an order in
    /// which a checkout compiles however many of the files are written.
    ///
    /// # Errors
    ///
    /// [`GraftError::Unfit`], [`GraftError::Taken`], [`GraftError::TakenFile`], [`GraftError::TooMany`] and those of
    /// reading.
    pub(super) fn inserted(mut self, graphs: &[Graph]) -> Result<Vec<Edit>, GraftError> {
        let listed = self.listed()?;
        let (included, declared) = (self.places.included.clone(), self.declared()?);
        self.open_included(&listed, &included)?;
        let mut edits = self.runtime()?;
        for graph in graphs {
            edits.push(self.header(graph)?);
            self.list(graph, &listed)?;
            self.include(graph, &listed, &included)?;
            if let Some(path) = &declared {
                let line = format!("void draw_{}(const PatternRenderContext& context);", graph.name);
                self.put(path, &line, &graph.name, Purpose::Declare);
            }
        }
        edits.extend(
            [Some(included), declared, Some(listed)].into_iter().flatten().filter_map(|p| self.close(p)),
        );
        Ok(edits)
    }

    /// What takes the patterns `ids` out again, and all that patterns share with the last of them.
    ///
    /// # Errors
    ///
    /// [`GraftError::NotAdded`], [`GraftError::Unfit`] and those of reading.
    pub(super) fn removed(mut self, ids: &[String]) -> Result<Vec<Edit>, GraftError> {
        let places = self.places;
        let mut paths: Vec<&String> = places.listed.iter().collect();
        paths.extend(
            places.declared.iter().chain([&places.included]).filter(|path| !places.listed.contains(path)),
        );
        for path in &paths {
            self.open(path)?;
        }
        let mut edits = Vec::new();
        for id in ids {
            let header = self.path_of(&format!("{id}.hpp"));
            let is_ours = (self.read)(&header)?.is_some_and(|text| is_header_of(&text, id));
            if !self.take_out(id)? && !is_ours {
                return Err(self.not_added(id)?);
            }
            if is_ours {
                edits.push(Edit { path: header, text: None, pattern: None, nodes: Vec::new() });
            }
        }
        if self.texts.values().all(|lines| lines.ids().next().is_none()) {
            for name in [runtime::RUNTIME, runtime::ABI] {
                let path = self.path_of(name);
                if (self.read)(&path)?.is_some_and(|text| runtime::is_ours(&text)) {
                    edits.push(Edit { path, text: None, pattern: None, nodes: Vec::new() });
                }
            }
        }
        let mut all: Vec<Edit> = paths.into_iter().filter_map(|path| self.close(path.clone())).collect();
        all.extend(edits);
        Ok(all)
    }

    /// The file that defines the list, opened.
    fn listed(&mut self) -> Result<String, GraftError> {
        for path in &self.places.listed {
            if self.open(path)? && self.definition(path)?.is_some() {
                return Ok(path.clone());
            }
        }
        let all = self.places.listed.join(" or ");
        Err(self.unfit(&all, &format!("the definition of the array {}", self.places.list)))
    }

    fn definition(&self, path: &str) -> Result<Option<List>, GraftError> {
        let text = self.texts.get(path).map(Lines::text).unwrap_or_default();
        list::find(&text, &self.places.list).map_err(|expected| self.unfit(path, &expected))
    }

    fn open_included(&mut self, listed: &str, included: &str) -> Result<(), GraftError> {
        if included == listed {
            return Ok(());
        }
        if !self.open(included)? {
            return Err(self.unfit(included, "a header that includes those of the patterns"));
        }
        let directive = include(&Places::relative(listed, included));
        let text = self.texts.get(listed).map(Lines::text).unwrap_or_default();
        if text.lines().any(|line| line.split("//").next().is_some_and(|code| code.trim() == directive)) {
            return Ok(());
        }
        Err(self.unfit(listed, &directive))
    }

    /// The file of the declarations, opened, if the checkout has it.
    fn declared(&mut self) -> Result<Option<String>, GraftError> {
        let Some(path) = &self.places.declared else { return Ok(None) };
        if !self.open(path)? {
            return Ok(None);
        }
        if !self.texts[path.as_str()].text().contains("(const PatternRenderContext& ") {
            let expected = "declarations like void draw_id(const PatternRenderContext& context);";
            return Err(self.unfit(path, expected));
        }
        Ok(Some(path.clone()))
    }

    /// What all generated patterns share.
    fn runtime(&self) -> Result<Vec<Edit>, GraftError> {
        let unfit = |path: &str| self.unfit(path, "what a pattern is given, and there is no such file");
        if let Some(path) = self.places.uses.iter().find_map(|path| match (self.read)(path) {
            Ok(Some(_)) => None,
            other => Some(other.map(|_| path)),
        }) {
            return Err(unfit(path?));
        }
        let with_palette = match &self.places.palette {
            Some(palette) => {
                (self.read)(&palette.header)?.is_some_and(|text| text.contains(&palette.function))
            }
            None => false,
        };
        let abi = self.path_of(runtime::ABI);
        let files = [
            (runtime::abi(&abi, self.places, with_palette), abi),
            (runtime::RUNTIME_TEXT.to_owned(), self.path_of(runtime::RUNTIME)),
        ];
        let edit = |(text, path): (String, String)| match (self.read)(&path)? {
            Some(old) if !runtime::is_ours(&old) => Err(GraftError::TakenFile { path }),
            _ => Ok(Edit { path, text: Some(text), pattern: None, nodes: Vec::new() }),
        };
        files.into_iter().map(edit).collect()
    }

    fn header(&self, graph: &Graph) -> Result<Edit, GraftError> {
        let path = self.path_of(&format!("{}.hpp", graph.name));
        if (self.read)(&path)?.is_some_and(|text| !is_header_of(&text, &graph.name)) {
            return Err(GraftError::TakenFile { path });
        }
        let (text, nodes) = emit::header(graph);
        Ok(Edit { path, text: Some(text), pattern: Some(graph.name.clone()), nodes })
    }

    fn list(&mut self, graph: &Graph, path: &str) -> Result<(), GraftError> {
        let id = graph.name.as_str();
        let Some(list) = self.definition(path)? else { return Ok(()) };
        let lines = &self.texts[path];
        let at = lines.find(id, Purpose::Row);
        if let Some(row) = list.rows.iter().find(|row| Some(row.line) != at && is_taken(row, id)) {
            return Err(GraftError::Taken {
                graph: id.to_owned(),
                path: path.to_owned(),
                line: row.line + 1,
                name: row.name.clone(),
                id: row.id.clone(),
                function: row.function.clone(),
            });
        }
        if at.is_none() && list.rows.len() >= MOST_PATTERNS {
            return Err(GraftError::TooMany { path: path.to_owned(), limit: MOST_PATTERNS });
        }
        let row = row_of(graph);
        if let Some(at) = at {
            let leads = self.leads_with_comma(path, at)?;
            let (indent, row) = (lines.indent(at).to_owned(), punctuated(&row, leads));
            self.line(path, |lines| lines.replace(at, &format!("{indent}{row}"), id));
        } else {
            let first = list.rows.first().map(|row| lines.indent(row.line).to_owned());
            let (indent, row) =
                (first.unwrap_or_else(|| "    ".to_owned()), punctuated(&row, !list.open_ended));
            self.line(path, |lines| lines.insert(list.close, &format!("{indent}{row}"), id));
        }
        Ok(())
    }

    /// Whether the row of ours at `at` has its comma in front. One that has it nowhere, or on both sides, was changed
    /// by somebody, and what is left without it would not compile.
    fn leads_with_comma(&self, path: &str, at: usize) -> Result<bool, GraftError> {
        let code = self.texts[path].code(at);
        let (leads, follows) =
            (code.starts_with(", {") && code.ends_with('}'), code.starts_with('{') && code.ends_with("},"));
        if leads || follows {
            return Ok(leads);
        }
        let expected =
            format!("`, {{…}}` or `{{…}},` in line {}, which k1-hil wrote, and not {code:?}", at + 1);
        Err(self.unfit(path, &expected))
    }

    fn include(&mut self, graph: &Graph, listed: &str, included: &str) -> Result<(), GraftError> {
        let header = self.path_of(&format!("{}.hpp", graph.name));
        let line = include(&Places::relative(included, &header));
        match self.definition(included)?.filter(|_| included == listed) {
            Some(list) if self.texts[included].find(&graph.name, Purpose::Include).is_none() => {
                self.line(included, |lines| lines.insert(list.begin, &line, &graph.name));
            }
            _ => self.put(included, &line, &graph.name, Purpose::Include),
        }
        Ok(())
    }

    /// Renews a line of ours, or puts it at the end of the file.
    fn put(&mut self, path: &str, line: &str, id: &str, purpose: Purpose) {
        self.line(path, |lines| match lines.find(id, purpose) {
            Some(at) => lines.replace(at, line, id),
            None => lines.append(line, id),
        });
    }

    fn line(&mut self, path: &str, change: impl FnOnce(&mut Lines)) {
        if let Some(lines) = self.texts.get_mut(path) {
            change(lines);
        }
    }

    /// Takes all lines of `id` out; whether there were any.
    fn take_out(&mut self, id: &str) -> Result<bool, GraftError> {
        let mut found = false;
        for path in self.texts.keys().cloned().collect::<Vec<_>>() {
            if let Some(at) = self.texts[&path].find(id, Purpose::Row) {
                self.leads_with_comma(&path, at)?;
            }
            let places = self.texts[&path].all_of(id);
            found |= !places.is_empty();
            self.line(&path, |lines| places.iter().rev().for_each(|at| lines.remove(*at)));
        }
        Ok(found)
    }

    fn not_added(&self, id: &str) -> Result<GraftError, GraftError> {
        // As they are in the files: some may have been taken out of the texts already.
        let mut known = Vec::new();
        for path in self.texts.keys() {
            let lines = (self.read)(path)?.map(|text| Lines::of(&text));
            known.extend(lines.iter().flat_map(Lines::ids).map(str::to_owned));
        }
        known.sort_unstable();
        known.dedup();
        Ok(GraftError::NotAdded { id: id.to_owned(), known })
    }

    /// Whether the file is there.
    fn open(&mut self, path: &str) -> Result<bool, GraftError> {
        if self.texts.contains_key(path) {
            return Ok(true);
        }
        let text = (self.read)(path)?;
        Ok(text.map(|text| self.texts.insert(path.to_owned(), Lines::of(&text))).is_some())
    }

    fn close(&mut self, path: String) -> Option<Edit> {
        let lines = self.texts.remove(&path)?;
        Some(Edit { path, text: Some(lines.text()), pattern: None, nodes: Vec::new() })
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.places.folder)
    }

    fn unfit(&self, path: &str, expected: &str) -> GraftError {
        let (path, manifest, expected) = (path.to_owned(), self.manifest.to_owned(), expected.to_owned());
        GraftError::Unfit { path, manifest, expected }
    }
}

fn is_header_of(text: &str, id: &str) -> bool {
    text.lines().next() == Some(emit::first_line(id).as_str())
}

fn is_taken(row: &Row, id: &str) -> bool {
    row.id == id || row.function.strip_prefix("draw_") == Some(id)
}

fn row_of(graph: &Graph) -> String {
    let Graph { name, title, description, .. } = graph;
    let strings = [title, name, description].map(|text| cpp::string(text)).join(", ");
    format!("{{{strings}, draw_{name}, {}}}", is_audio_reactive(graph))
}

fn punctuated(row: &str, leads: bool) -> String {
    if leads { format!(", {row}") } else { format!("{row},") }
}

fn include(path: &str) -> String {
    format!("#include \"{path}\"")
}
