//! The manifest of a kind of firmware: the only thing that knows how a checkout is laid out.
//!
//! Those of this project are in `firmware/hosts/`. A checkout with a `hil.toml` that has a table `[firmware]`
//! brings its own, with the same keys. What stands in it becomes arguments of a compiler, so every path and name
//! is checked before it is used.

use serde::{Deserialize, Serialize};

use super::places::Places;
use super::snapshot::Files;

/// The manifests that come with this program, by file name.
const BUILT_IN: [(&str, &str); 1] =
    [("k1-node1.toml", include_str!("../../../firmware/hosts/k1-node1.toml"))];

/// The present version of a manifest's stored form.
const FORMAT: u32 = 1;

/// What a compiler reads besides the sources that a manifest names. Sources that it does not name are no part of the
/// firmware under test: a commit that changes only those changes nothing.
const HEADERS: [&str; 8] = ["h", "hh", "hpp", "hxx", "inc", "inl", "ipp", "def"];

/// Where things are in a kind of firmware checkout. Paths are relative to the checkout's root, with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub name: String,
    /// Files by which a checkout is known, all of them; at least one.
    pub root: Vec<String>,
    /// Folder of the firmware tree that holds what joins this kind of checkout to the measuring core.
    pub host: String,
    /// Folders in which headers are searched, in this order.
    pub include: Vec<String>,
    /// Preprocessor definitions, `NAME` or `NAME=VALUE`.
    #[serde(default)]
    pub defines: Vec<String>,
    /// What is compiled; at least one.
    #[serde(rename = "source")]
    pub sources: Vec<SourcePath>,
    /// What the host expects of the checkout.
    #[serde(rename = "expect", default)]
    pub expectations: Vec<Expectation>,
    /// How patterns are added to it. Without it none are.
    #[serde(default)]
    pub patterns: Option<Places>,
}

/// A file that is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePath {
    pub path: String,
    /// Whether a checkout may lack it.
    #[serde(default)]
    pub optional: bool,
}

/// A name that a checkout is expected to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub symbol: String,
    /// Where it is: in one of these files, today's place first.
    pub files: Vec<String>,
    /// Whether a checkout may lack it.
    #[serde(default)]
    pub optional: bool,
    /// What it is for, for people.
    pub what: String,
}

/// What the build is told of a checkout: the build folder's `host.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Relative to `checkout/` in the build folder, as `include` is.
    pub sources: Vec<String>,
    pub include: Vec<String>,
    pub defines: Vec<String>,
    /// Relative to the firmware tree.
    pub host: String,
}

/// Something that a manifest expects and a checkout does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Source(String),
    Symbol(Expectation),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(path) => write!(f, "the source {path}"),
            Self::Symbol(Expectation { symbol, files, what, .. }) => {
                write!(f, "{symbol} in {} ({what})", files.join(" or "))
            }
        }
    }
}

impl Manifest {
    /// Those that come with this program.
    ///
    /// # Errors
    ///
    /// File name and reason of one that is broken, which a test rules out.
    pub fn built_in() -> Result<Vec<Self>, (String, String)> {
        let read = |(name, text): (&str, &str)| Self::parse(text).map_err(|reason| (name.to_owned(), reason));
        BUILT_IN.into_iter().map(read).collect()
    }

    /// The manifest in the text of a `hil.toml`; none if that has no table `[firmware]`. Other tables are not this
    /// function's concern.
    ///
    /// # Errors
    ///
    /// What is wrong, with the place in the text where there is one.
    pub fn in_hil_toml(text: &str) -> Result<Option<Self>, String> {
        #[derive(Deserialize)]
        struct HilToml {
            firmware: Option<Manifest>,
        }
        let file: HilToml = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        file.firmware.map(Self::checked).transpose()
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned()).and_then(Self::checked)
    }

    fn checked(self) -> Result<Self, String> {
        if self.format != FORMAT {
            return Err(format!("it has format {}; this version reads format {FORMAT}", self.format));
        }
        let sources = || self.sources.iter().map(|source| &source.path);
        let expected = self.expectations.iter().flat_map(|expectation| &expectation.files);
        let listed = [
            ("root", self.root.iter().collect::<Vec<_>>()),
            ("include", self.include.iter().collect()),
            ("source", sources().collect()),
            ("host", vec![&self.host]),
        ];
        if let Some((key, _)) = listed.iter().find(|(_, paths)| paths.is_empty()) {
            return Err(format!("`{key}` is empty"));
        }
        let places = self.patterns.iter().flat_map(Places::paths);
        for (key, paths) in
            listed.into_iter().chain([("expect", expected.collect()), ("patterns", places.collect())])
        {
            if let Some(path) = paths.into_iter().find(|path| !is_path(path)) {
                return Err(format!("`{key}` names {path:?}, which is not a plain path below the root"));
            }
        }
        if let Some(path) = sources().find(|path| !path.contains('/')) {
            return Err(format!(
                "`source` names {path:?} in the root; sources lie in a folder of the checkout"
            ));
        }
        if let Some(define) = self.defines.iter().find(|define| !is_define(define)) {
            return Err(format!(
                "`defines` holds {define:?}; expected NAME or NAME=VALUE with a plain value"
            ));
        }
        let expected = self.expectations.iter().map(|expectation| ("expect", &expectation.symbol));
        let places = self.patterns.iter().flat_map(Places::symbols).map(|symbol| ("patterns", symbol));
        match expected.chain(places).find(|(_, symbol)| !is_identifier(symbol)) {
            Some((key, symbol)) => Err(format!("`{key}` names {symbol:?}, which is no symbol")),
            None => Ok(self),
        }
    }

    /// The folders of which files are taken, none inside another.
    pub(super) fn folders(&self) -> Vec<&str> {
        let parents = self.sources.iter().filter_map(|source| Some(source.path.rsplit_once('/')?.0));
        let mut folders: Vec<&str> = self.include.iter().map(String::as_str).chain(parents).collect();
        folders.sort_unstable();
        folders.dedup_by(|next, kept| is_below(next, kept) || next == kept);
        folders
    }

    /// Whether the file at `path` is taken: a source of the manifest, or a header in one of its folders.
    pub(super) fn takes(&self, path: &str) -> bool {
        if self.sources.iter().any(|source| source.path == path) {
            return true;
        }
        let extension = path.rsplit_once('/').map_or(path, |(_, name)| name).rsplit_once('.');
        extension.is_some_and(|(_, extension)| HEADERS.contains(&extension)) && self.covers(path)
    }

    /// Whether `path` lies in one of the folders, with no hidden file or folder between.
    pub(super) fn covers(&self, path: &str) -> bool {
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        !hidden && self.folders().iter().any(|folder| is_below(path, folder))
    }

    /// The sources that must be there and are not among `files`.
    pub(super) fn missing_sources(&self, files: &Files) -> Vec<Missing> {
        let needed = self.sources.iter().filter(|source| !source.optional);
        needed.filter(|s| !files.contains_key(&s.path)).map(|s| Missing::Source(s.path.clone())).collect()
    }

    /// What the build is told if the checkout has `files`.
    pub(super) fn host(&self, files: &Files) -> Host {
        let sources = self.sources.iter().map(|source| &source.path);
        let is_there = |folder: &&String| files.keys().any(|path| is_below(path, folder));
        Host {
            sources: sources.filter(|path| files.contains_key(*path)).cloned().collect(),
            include: self.include.iter().filter(is_there).cloned().collect(),
            defines: self.defines.clone(),
            host: self.host.clone(),
        }
    }
}

impl Expectation {
    /// Whether the contents of one of its files name it.
    pub(super) fn is_met_by(&self, text: &[u8]) -> bool {
        names(text, &self.symbol)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether `text` holds `name` as a whole word.
fn names(text: &[u8], name: &str) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let name = name.as_bytes();
    text.windows(name.len()).enumerate().any(|(at, window)| {
        window == name
            && !is_word(at.checked_sub(1).and_then(|i| text.get(i)))
            && !is_word(text.get(at + name.len()))
    })
}

/// A relative path of plain names, fit for a shell and for a compiler's arguments.
fn is_path(path: &str) -> bool {
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'))
    };
    path.len() <= 200 && path.split('/').all(is_plain)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_define(define: &str) -> bool {
    let (name, value) = define.split_once('=').unwrap_or((define, ""));
    is_identifier(name)
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SMALL: &str = r#"
[firmware]
format = 1
name = "small"
root = ["src/registry.cpp"]
include = ["src", "lib/include"]
defines = ["FAST=1", "QUIET"]
host = "hosts/k1_node1"
source = [{ path = "src/registry.cpp" }, { path = "src/audio/goertzel.cpp" }, { path = "src/palettes.cpp", optional = true }]
expect = [{ symbol = "g_registry", files = ["src/registry.cpp"], what = "the patterns" }]
"#;

    fn small() -> Manifest {
        Manifest::in_hil_toml(SMALL).unwrap().unwrap()
    }

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_manifests_of_this_program_are_good() {
        let names: Vec<String> = Manifest::built_in().unwrap().into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["K1.node1"]);
    }

    #[rstest]
    #[case("src/a.h", true)]
    #[case("src/deep/er/a.hpp", true)]
    #[case("lib/include/a.inl", true)]
    #[case("src/registry.cpp", true)]
    #[case("src/palettes.cpp", true)]
    #[case::source_that_is_not_named("src/main.cpp", false)]
    #[case::no_source("src/README.md", false)]
    #[case::another_folder("srcs/a.h", false)]
    #[case::hidden("src/.cache/a.h", false)]
    #[case::no_extension("src/h", false)]
    fn only_what_the_manifest_names_and_headers_are_taken(#[case] path: &str, #[case] taken: bool) {
        assert_eq!(small().takes(path), taken);
    }

    #[test]
    fn folders_do_not_repeat_what_lies_inside_another() {
        assert_eq!(small().folders(), ["lib/include", "src"]);
    }

    #[test]
    fn an_expectation_is_met_by_the_whole_word_only() {
        let expectation = &small().expectations[0];
        assert!(expectation.is_met_by(b"const int g_registry[] = {};"));
        assert!(!expectation.is_met_by(b"const int g_registry_of_old = my_g_registry;"));
        let told = Missing::Symbol(expectation.clone()).to_string();
        assert_eq!(told, "g_registry in src/registry.cpp (the patterns)");
    }

    #[test]
    fn the_build_is_told_of_what_is_there() {
        let there = files(&[("src/registry.cpp", ""), ("src/audio/goertzel.cpp", "")]);
        let host = small().host(&there);
        assert_eq!(host.sources, ["src/registry.cpp", "src/audio/goertzel.cpp"]);
        assert_eq!(
            (host.include, host.defines),
            (vec!["src".to_owned()], vec!["FAST=1".into(), "QUIET".into()])
        );
        assert_eq!(small().missing_sources(&there), []);
        assert_eq!(
            small().missing_sources(&files(&[("src/palettes.cpp", ""), ("src/registry.cpp", "")])),
            [Missing::Source("src/audio/goertzel.cpp".to_owned())]
        );
    }

    #[rstest]
    #[case(r#"source = [{ path = "../up.cpp" }]"#, "`source` names \"../up.cpp\"")]
    #[case(r#"source = [{ path = "/etc/x.cpp" }]"#, "`source` names \"/etc/x.cpp\"")]
    #[case(r#"source = [{ path = "-o.cpp" }]"#, "`source` names \"-o.cpp\"")]
    #[case(r#"source = [{ path = "$(touch x).cpp" }]"#, "`source` names")]
    #[case(r#"source = []"#, "`source` is empty")]
    #[case(r#"source = [{ path = "main.cpp" }]"#, "`source` names \"main.cpp\" in the root")]
    #[case(r#"include = ["."]"#, "`include` names \".\"")]
    #[case(r#"defines = ["A=$(touch x)"]"#, "`defines` holds \"A=$(touch x)\"")]
    #[case(r#"host = "../core""#, "`host` names \"../core\"")]
    #[case(r#"expect = [{ symbol = "a b", files = ["src/a.cpp"], what = "" }]"#, "`expect` names \"a b\"")]
    #[case(
        r#"patterns = { folder = "../up", list = "l", listed = [], included = "a.h", uses = [] }"#,
        "`patterns` names \"../up\""
    )]
    #[case(
        r#"patterns = { folder = "p", list = "l[", listed = [], included = "a.h", uses = [] }"#,
        "`patterns` names \"l[\", which is no symbol"
    )]
    #[case(r#"format = 2"#, "it has format 2; this version reads format 1")]
    #[case(r#"flavour = "x""#, "unknown field `flavour`")]
    fn what_could_do_harm_is_refused(#[case] line: &str, #[case] reason: &str) {
        let key = line.split(' ').next().unwrap();
        let others = SMALL.lines().filter(|other| !other.starts_with(&format!("{key} ")));
        let text: String = others.chain([line]).map(|line| format!("{line}\n")).collect();
        let error = Manifest::in_hil_toml(&text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_hil_toml_without_firmware_is_about_something_else() {
        assert_eq!(Manifest::in_hil_toml("[budgets]\nmin_fps = 60\n"), Ok(None));
        assert!(Manifest::in_hil_toml("[firmware").unwrap_err().contains("line 1"));
    }
}
