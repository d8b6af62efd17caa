//! From text to the parts of the document: which keys are there, and of what kind their values are.

use std::borrow::Cow;
use std::collections::HashSet;

use super::fault::{self, Faults, quoted};
use super::json::{Json, Members};

/// A graph has at most so many nodes; the largest that anyone draws by hand has some dozens.
const MOST_NODES: usize = 1_000;
/// Longer files are not read, in bytes.
const LONGEST_TEXT: usize = 4 << 20;
/// The board's list of patterns has room for so many bytes of an id.
const LONGEST_NAME: usize = 63;
/// Pattern names whose drawing function the firmware has already (`draw_current_pattern`).
const RESERVED_NAMES: [&str; 1] = ["current_pattern"];

/// The parts of the document, each with the byte offset at which it stands.
#[derive(Debug, Default)]
pub(super) struct Document<'t> {
    pub name: Option<Cow<'t, str>>,
    pub title: Option<Cow<'t, str>>,
    pub description: Option<Cow<'t, str>>,
    pub nodes: Vec<DocumentNode<'t>>,
    /// Of the list of nodes.
    pub nodes_at: usize,
}

#[derive(Debug, Default)]
pub(super) struct DocumentNode<'t> {
    pub at: usize,
    /// Absent if it is missing or bad.
    pub id: Option<Cow<'t, str>>,
    pub kind: Option<(usize, Cow<'t, str>)>,
    pub inputs: Vec<DocumentInput<'t>>,
    pub params: Vec<(usize, Cow<'t, str>, Json<'t>)>,
}

#[derive(Debug)]
pub(super) struct DocumentInput<'t> {
    pub port_at: usize,
    pub port: Cow<'t, str>,
    pub source_at: usize,
    /// Absent if it is bad.
    pub source: Option<Cow<'t, str>>,
}

/// Takes `text` apart; `None` if nothing more can be said about it.
pub(super) fn read<'t>(text: &'t str, faults: &mut Faults<'t>) -> Option<Document<'t>> {
    if text.len() > LONGEST_TEXT {
        let message = format!("the file has {} bytes; at most {LONGEST_TEXT} are read", text.len());
        faults.report(fault::TOO_LARGE, 0, message);
        return None;
    }
    let json = match Json::read(text) {
        Ok(json) => json,
        Err(e) => {
            not_json(text, &e, faults);
            return None;
        }
    };
    let root = object(json, "the graph", None, &["name", "version", "meta", "nodes"], faults)?;
    let mut document = Document::default();
    let at = faults.offset(json.text());
    for key in ["name", "version", "nodes"] {
        if member(&root, key).is_none() {
            faults.report(fault::MISSING_KEY, at, format!("the graph has no `{key}`"));
        }
    }
    if let Some(json) = member(&root, "version") {
        version(json, faults);
    }
    document.name = member(&root, "name").and_then(|json| pattern_name(json, faults));
    if let Some(meta) = member(&root, "meta").and_then(|json| free_object(json, "`meta`", None, faults)) {
        let mut text = |key, what| member(&meta, key).and_then(|json| string(json, what, None, faults));
        document.title = text("title", "`meta.title`");
        document.description = text("description", "`meta.description`");
    }
    if let Some(json) = member(&root, "nodes") {
        document.nodes_at = faults.offset(json.text());
        document.nodes = nodes(json, faults)?;
    }
    Some(document)
}

fn nodes<'t>(json: Json<'t>, faults: &mut Faults<'t>) -> Option<Vec<DocumentNode<'t>>> {
    let Some(items) = json.items() else {
        wrong_value(json, "`nodes`", "an array", None, faults);
        return None;
    };
    if items.len() > MOST_NODES {
        let message = format!("the graph has {} nodes; at most {MOST_NODES} are read", items.len());
        faults.report(fault::TOO_LARGE, faults.offset(json.text()), message);
        return None;
    }
    Some(items.into_iter().map(|item| node(item, faults)).collect())
}

fn node<'t>(json: Json<'t>, faults: &mut Faults<'t>) -> DocumentNode<'t> {
    let mut node = DocumentNode { at: faults.offset(json.text()), ..DocumentNode::default() };
    let keys = ["id", "type", "inputs", "params", "meta"];
    let Some(members) = object(json, "a node", None, &keys, faults) else { return node };
    match member(&members, "id") {
        Some(id) => node.id = name(id, "the node's id", None, faults),
        None => {
            faults.report(fault::MISSING_KEY, node.at, "the node has no `id`");
        }
    }
    let id = node.id.clone();
    let id = id.as_deref();
    match member(&members, "type") {
        Some(kind) => {
            node.kind = string(kind, "`type`", id, faults).map(|name| (faults.offset(kind.text()), name));
        }
        None => {
            let fault = faults.report(fault::MISSING_KEY, node.at, "the node has no `type`");
            fault.node = id.map(str::to_owned);
        }
    }
    for (key, port, json) in entries(member(&members, "inputs"), "`inputs`", id, faults) {
        let source = json.string();
        if source.is_none() {
            wrong_value(json, &format!("the source of {}", quoted(&port)), "a string", id, faults);
        }
        node.inputs.push(DocumentInput { port_at: key, port, source_at: faults.offset(json.text()), source });
    }
    node.params = entries(member(&members, "params"), "`params`", id, faults);
    if let Some(meta) = member(&members, "meta") {
        free_object(meta, "`meta`", id, faults);
    }
    node
}

/// The members of an optional object whose keys are names: offset and text of the key, value.
fn entries<'t>(
    json: Option<Json<'t>>,
    what: &str,
    node: Option<&str>,
    faults: &mut Faults<'t>,
) -> Vec<(usize, Cow<'t, str>, Json<'t>)> {
    let Some(members) = json.and_then(|json| free_object(json, what, node, faults)) else {
        return Vec::new();
    };
    members
        .into_iter()
        .filter_map(|(key, value)| Some((faults.offset(key.text()), key.string()?, value)))
        .collect()
}

/// The members of an object that has no other keys than `known`.
fn object<'t>(
    json: Json<'t>,
    what: &str,
    node: Option<&str>,
    known: &[&str],
    faults: &mut Faults<'t>,
) -> Option<Members<'t>> {
    let members = free_object(json, what, node, faults)?;
    for (key, _) in &members {
        let name = key.string().unwrap_or(Cow::Borrowed(key.text()));
        if !known.contains(&name.as_ref()) {
            let hint = faults.meant(&name, known);
            let message = format!("{what} has no key {}", quoted(&name));
            let fault = faults.report(fault::UNKNOWN_KEY, faults.offset(key.text()), message);
            fault.hint(hint).node = node.map(str::to_owned);
        }
    }
    Some(members)
}

/// The members of an object, each key once.
fn free_object<'t>(
    json: Json<'t>,
    what: &str,
    node: Option<&str>,
    faults: &mut Faults<'t>,
) -> Option<Members<'t>> {
    let Some(mut members) = json.members() else {
        wrong_value(json, what, "an object", node, faults);
        return None;
    };
    let mut seen = HashSet::with_capacity(members.len());
    members.retain(|(key, _)| {
        let name = key.string().unwrap_or(Cow::Borrowed(key.text()));
        let first = seen.insert(name.clone());
        if !first {
            let message = format!("{what} has the key {} twice", quoted(&name));
            let fault = faults.report(fault::REPEATED_KEY, faults.offset(key.text()), message);
            fault.node = node.map(str::to_owned);
        }
        first
    });
    Some(members)
}

fn member<'t>(members: &Members<'t>, key: &str) -> Option<Json<'t>> {
    members.iter().find(|(name, _)| name.string().as_deref() == Some(key)).map(|(_, value)| *value)
}

fn string<'t>(
    json: Json<'t>,
    what: &str,
    node: Option<&str>,
    faults: &mut Faults<'t>,
) -> Option<Cow<'t, str>> {
    let string = json.string();
    if string.is_none() {
        wrong_value(json, what, "a string", node, faults);
    }
    string
}

/// A string that may become part of a name in C++ and of a file name.
fn name<'t>(json: Json<'t>, what: &str, node: Option<&str>, faults: &mut Faults<'t>) -> Option<Cow<'t, str>> {
    let name = string(json, what, node, faults)?;
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let at = faults.offset(json.text());
    if !good {
        faults
            .report(fault::BAD_NAME, at, format!("{what} {} is not in snake_case", quoted(&name)))
            .hint("a lower-case letter, then lower-case letters, digits and underscores".to_owned());
    } else if name.len() > LONGEST_NAME {
        let message =
            format!("{what} {} has {} letters; at most {LONGEST_NAME} fit", quoted(&name), name.len());
        faults.report(fault::BAD_NAME, at, message);
    } else {
        return Some(name);
    }
    None
}

fn pattern_name<'t>(json: Json<'t>, faults: &mut Faults<'t>) -> Option<Cow<'t, str>> {
    let name = name(json, "the name", None, faults)?;
    if RESERVED_NAMES.contains(&name.as_ref()) {
        let message = format!("the name {} is taken by the firmware", quoted(&name));
        faults.report(fault::BAD_NAME, faults.offset(json.text()), message);
        return None;
    }
    Some(name)
}

fn version<'t>(json: Json<'t>, faults: &mut Faults<'t>) {
    match string(json, "`version`", None, faults) {
        Some(version) if version != "v1.0" => {
            let message = format!("version {} of the graph schema is not known here", quoted(&version));
            faults
                .report(fault::VERSION, faults.offset(json.text()), message)
                .hint("this program reads `v1.0`".to_owned());
        }
        _ => {}
    }
}

fn wrong_value<'t>(json: Json<'t>, what: &str, wanted: &str, node: Option<&str>, faults: &mut Faults<'t>) {
    // A string that cannot be read as one is one with a broken escape.
    let found = if json.kind() == wanted { "one with a broken escape" } else { json.kind() };
    let message = format!("{what} must be {wanted}, not {found}");
    faults.report(fault::WRONG_VALUE, faults.offset(json.text()), message).node = node.map(str::to_owned);
}

fn not_json(text: &str, error: &serde_json::Error, faults: &mut Faults<'_>) {
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let at = offset_of(text, error.line(), error.column());
    faults.report(fault::SYNTAX, at, format!("this is not JSON: {reason}"));
}

/// The byte offset of a place that serde_json names by line and byte in the line.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
