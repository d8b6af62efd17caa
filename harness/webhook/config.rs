//! What the receiver is told, in a file: see `docs/webhook.md`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::payload::EVENTS;
use super::rules::KEYS;
use super::{Forks, NotAPattern, NotASecret, Patterns, Rule, Secret};
use crate::stored::is_name;

/// How deliveries are received, and what they start.
#[derive(Clone, Debug)]
pub struct Config {
    pub secret: Secret,
    /// Where deliveries are posted to; `/github` unless told otherwise.
    pub path: String,
    /// A longer body is refused, in bytes; 25 MiB, more than which GitHub does not send.
    pub body_limit: usize,
    /// A body that takes longer is given up; 10 s, after which GitHub gives up too.
    pub body_deadline: Duration,
    /// So many deliveries may wait for their workflows to be started; 1000.
    pub queue_limit: usize,
    /// So many deliveries are remembered so that they are not taken twice; 10,000.
    pub remembered: usize,
    pub rules: Vec<Rule>,
}

/// Why a configuration cannot be used. None of these holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{file}: {reason}")]
    Malformed { file: String, reason: String },
    #[error("{file}: the variable {variable}, which holds the secret, is not set")]
    NoSecret { file: String, variable: String },
    #[error("{file}")]
    Secret { file: String, source: NotASecret },
    #[error("{file}: {key} of the workflow {workflow}")]
    Pattern { file: String, workflow: String, key: &'static str, source: NotAPattern },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    secret: RawSecret,
    #[serde(default = "usual_path")]
    path: String,
    #[serde(default = "usual_body_limit_mb")]
    body_limit_mb: usize,
    #[serde(default = "usual_body_deadline_s")]
    body_deadline_s: u64,
    #[serde(default = "usual_queue_limit")]
    queue_limit: usize,
    #[serde(default = "usual_remembered")]
    remembered_deliveries: usize,
    start: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSecret {
    Env(OfEnv),
    File(OfFile),
    /// Anything else may be the secret itself, so it is not read, and no error can show it.
    Inline(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEnv {
    env: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfFile {
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    workflow: String,
    version: Option<u32>,
    repositories: Vec<String>,
    #[serde(default = "usual_events")]
    events: Vec<String>,
    #[serde(default = "everything")]
    branches: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "everything")]
    paths: Vec<String>,
    #[serde(default)]
    forks: Forks,
    #[serde(default)]
    input: Map<String, Value>,
}

fn usual_path() -> String {
    "/github".to_owned()
}

fn usual_body_limit_mb() -> usize {
    25
}

fn usual_body_deadline_s() -> u64 {
    10
}

fn usual_queue_limit() -> usize {
    1000
}

fn usual_remembered() -> usize {
    10_000
}

fn usual_events() -> Vec<String> {
    vec!["push".to_owned()]
}

fn everything() -> Vec<String> {
    vec!["**".to_owned()]
}

impl Config {
    /// Reads the file at `path`. The secret is in the variable that it names, which `env` looks up, or in the file that
    /// it names.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, &path.display().to_string(), env)
    }

    /// Reads `text`, which is called `file` in errors.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn parse(text: &str, file: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let malformed = |reason: String| ConfigError::Malformed { file: file.to_owned(), reason };
        let raw: RawConfig = toml::from_str(text).map_err(|error| {
            // Without the piece of the text that the error would show: it may hold what should not stand there.
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            malformed(format!("{place}{}", error.message()))
        })?;
        let secret = match raw.secret {
            RawSecret::Env(OfEnv { env: variable }) => match env(&variable) {
                Some(secret) => secret,
                None => return Err(ConfigError::NoSecret { file: file.to_owned(), variable }),
            },
            RawSecret::File(OfFile { file: path }) => std::fs::read_to_string(&path)
                .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?,
            RawSecret::Inline(_) => {
                let reason = "`secret` says where the secret is, and not what it is: { env = \"VARIABLE\" } or { file = \"PATH\" }";
                return Err(malformed(reason.to_owned()));
            }
        };
        let secret =
            secret.parse().map_err(|source| ConfigError::Secret { file: file.to_owned(), source })?;
        if !raw.path.starts_with('/') || raw.path.contains(['{', '}', '?', '#']) {
            return Err(malformed(format!("`path` is {:?}, which is not the path of an address", raw.path)));
        }
        for (key, value, most) in [
            ("body_limit_mb", raw.body_limit_mb, 25),
            ("body_deadline_s", usize::try_from(raw.body_deadline_s).unwrap_or(usize::MAX), 60),
            ("queue_limit", raw.queue_limit, 100_000),
            ("remembered_deliveries", raw.remembered_deliveries, 1_000_000),
        ] {
            if value == 0 || value > most {
                return Err(malformed(format!("`{key}` is {value}, which is not 1 to {most}")));
            }
        }
        if raw.start.is_empty() {
            return Err(malformed("no [[start]] says what is to be started".to_owned()));
        }
        Ok(Self {
            secret,
            path: raw.path,
            body_limit: raw.body_limit_mb << 20,
            body_deadline: Duration::from_secs(raw.body_deadline_s),
            queue_limit: raw.queue_limit,
            remembered: raw.remembered_deliveries,
            rules: raw.start.into_iter().map(|rule| rule.checked(file)).collect::<Result<_, _>>()?,
        })
    }
}

impl RawRule {
    fn checked(self, file: &str) -> Result<Rule, ConfigError> {
        let workflow = self.workflow;
        let malformed = |reason: String| ConfigError::Malformed {
            file: file.to_owned(),
            reason: format!("the workflow {workflow}: {reason}"),
        };
        if !is_name(&workflow) {
            return Err(malformed("its name is not one of letters, digits, `_`, `-` and `.`".to_owned()));
        }
        let is_repository =
            |name: &String| name.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name));
        if self.repositories.is_empty() {
            return Err(malformed("`repositories` is empty".to_owned()));
        }
        if let Some(name) = self.repositories.iter().find(|name| !is_repository(name)) {
            return Err(malformed(format!("`repositories` has {name:?}, which is not OWNER/NAME")));
        }
        if self.events.is_empty() {
            return Err(malformed("`events` is empty".to_owned()));
        }
        if let Some(event) = self.events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            return Err(malformed(format!("`events` has {event:?}, and there are {}", EVENTS.join(" and "))));
        }
        if let Some(key) = self.input.keys().find(|key| KEYS.contains(&key.as_str())) {
            return Err(malformed(format!("`input` has {key:?}, which tells of the change itself")));
        }
        let patterns = |key: &'static str, patterns: &[String]| {
            Patterns::new(patterns.iter().map(String::as_str)).map_err(|source| ConfigError::Pattern {
                file: file.to_owned(),
                workflow: workflow.clone(),
                key,
                source,
            })
        };
        let has = |event: &str| self.events.iter().any(|it| it == event);
        Ok(Rule {
            version: self.version,
            push: has("push"),
            pull_request: has("pull_request"),
            branches: patterns("branches", &self.branches)?,
            tags: patterns("tags", &self.tags)?,
            paths: patterns("paths", &self.paths)?,
            repositories: self.repositories,
            forks: self.forks,
            input: self.input,
            workflow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const RULE: &str = "[[start]]\nworkflow = \"build\"\nrepositories = [\"acme/lamp\"]\n";
    const SECRET: &str = "secret = { env = \"SECRET\" }\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "hook.toml", |name| (name == "SECRET").then(|| "hidden hidden hidden".to_owned()))
    }

    #[test]
    fn the_least_that_can_be_said() {
        let config = parse(&format!("{SECRET}{RULE}")).unwrap();
        assert_eq!((config.path.as_str(), config.body_limit), ("/github", 25 << 20));
        let rule = &config.rules[0];
        assert!(rule.push && !rule.pull_request && rule.forks == Forks::Refuse);
        assert!(rule.branches.matches("any/branch") && rule.tags.is_empty());
        assert!(!format!("{config:?}").contains("hidden"));
    }

    #[rstest]
    #[case("", RULE, "hook.toml: line 1: missing field `secret`")]
    #[case(
        "secret = \"hidden\"\n",
        RULE,
        "hook.toml: `secret` says where the secret is, and not what it is: { env = \"VARIABLE\" } or { file = \"PATH\" }"
    )]
    #[case(
        "secret = { env = \"SECRET\", value = \"hidden\" }\n",
        RULE,
        "hook.toml: `secret` says where the secret is, and not what it is: { env = \"VARIABLE\" } or { file = \"PATH\" }"
    )]
    #[case(
        "secret = { env = \"OTHER\" }\n",
        RULE,
        "hook.toml: the variable OTHER, which holds the secret, is not set"
    )]
    #[case(SECRET, "", "hook.toml: line 1: missing field `start`")]
    #[case(SECRET, "start = []", "hook.toml: no [[start]] says what is to be started")]
    #[case(
        "secret = { env = \"SECRET\" }\nbody_limit_mb = 26\n",
        RULE,
        "hook.toml: `body_limit_mb` is 26, which is not 1 to 25"
    )]
    #[case(
        "secret = { env = \"SECRET\" }\npath = \"github\"\n",
        RULE,
        "hook.toml: `path` is \"github\", which is not the path of an address"
    )]
    #[case(
        SECRET,
        "[[start]]\nworkflow = \"build\"\nrepositories = []",
        "hook.toml: the workflow build: `repositories` is empty"
    )]
    #[case(
        SECRET,
        "[[start]]\nworkflow = \"build\"\nrepositories = [\"lamp\"]",
        "hook.toml: the workflow build: `repositories` has \"lamp\", which is not OWNER/NAME"
    )]
    #[case(
        SECRET,
        "[[start]]\nworkflow = \"a b\"\nrepositories = [\"acme/lamp\"]",
        "hook.toml: the workflow a b: its name is not one of letters, digits, `_`, `-` and `.`"
    )]
    fn what_cannot_be_used_is_named(#[case] head: &str, #[case] rule: &str, #[case] message: &str) {
        let error = parse(&format!("{head}{rule}")).unwrap_err();
        assert_eq!(crate::story::one_line(&error), message);
        assert!(!format!("{error:?}").contains("hidden"));
    }

    #[rstest]
    #[case(
        "brnches = [\"main\"]",
        "hook.toml: line 5: unknown field `brnches`, expected one of `workflow`, `version`, `repositories`, `events`, `branches`, `tags`, `paths`, `forks`, `input`"
    )]
    #[case(
        "branches = [\"a[\"]",
        "hook.toml: branches of the workflow build: \"a[\" is not a pattern: unclosed character class; missing ']'"
    )]
    #[case(
        "events = [\"release\"]",
        "hook.toml: the workflow build: `events` has \"release\", and there are push and pull_request"
    )]
    #[case("forks = \"maybe\"", "hook.toml: line 5: unknown variant `maybe`, expected `refuse` or `accept`")]
    #[case(
        "input = { branch = \"x\" }",
        "hook.toml: the workflow build: `input` has \"branch\", which tells of the change itself"
    )]
    fn what_a_rule_cannot_have_is_named(#[case] line: &str, #[case] message: &str) {
        let error = parse(&format!("{SECRET}{RULE}{line}\n")).unwrap_err();
        assert_eq!(crate::story::one_line(&error), message);
    }

    #[test]
    fn a_secret_in_a_file_may_end_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short\n").unwrap();
        let text = format!("secret = {{ file = {:?} }}\n{RULE}", file.path());
        let error = parse(&text).unwrap_err();
        let message = "hook.toml: the secret of the webhook has 5 bytes, and at least 16 are needed";
        assert_eq!(crate::story::one_line(&error), message);
        std::fs::write(file.path(), "long enough to be one\n").unwrap();
        parse(&text).unwrap();
    }
}
