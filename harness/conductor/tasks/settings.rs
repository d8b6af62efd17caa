//! What a worker is told in its file `hil.worker.toml`.
//!
//! ```
//! # use k1_hil::conductor::tasks::Settings;
//! # let text = r#"
//! store = "s3://k1/artifacts"               # default: the user's folder of artifacts
//! boards = "hil.boards.toml"                # default: the inventory that the other commands find
//! audio = ["/srv/sounds", "https://sounds.example.org/"]   # where sounds may come from; default: nowhere
//!
//! [repositories."synqing/K1.node1"]         # only these are ever built
//! location = "https://github.com/synqing/K1.node1.git"
//!
//! [webapp]
//! folder = "webapp"
//! command = ["npm", "run", "build"]
//! output = "dist"
//!
//! [sites.staging]
//! root = "/srv/k1/staging"
//! url = "http://staging.example.org/"
//!
//! [channels.team]
//! webhook = { env = "K1_HIL_SLACK_URL" }    # or { file = "…" }: secrets never stand in this file
//!
//! [channels.journal]
//! file = "/var/log/k1-hil/notifications.jsonl"
//!
//! [channels.pager]
//! command = ["/usr/local/bin/page", "firmware"]
//! # "#;
//! # Settings::parse(text, std::path::Path::new("/etc/k1-hil/hil.worker.toml")).unwrap();
//! ```
//!
//! Relative paths are relative to the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::blame::Blame;
use crate::notify::Channel;
use crate::source;
use crate::webapp::{Recipe, Site};

/// A worker's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address of the artifact store.
    pub store: Option<String>,
    /// The inventory.
    pub boards: Option<PathBuf>,
    /// The repositories that this worker builds, by the name that workflows call them by.
    pub repositories: BTreeMap<String, RepositorySettings>,
    /// How the web application is built that lies in these repositories.
    pub webapp: Option<Recipe>,
    pub sites: BTreeMap<String, Site>,
    pub channels: BTreeMap<String, ChannelSettings>,
    /// Folders, and beginnings of addresses, from which sounds may be taken.
    pub audio: Vec<String>,
}

/// One repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySettings {
    /// A folder, or an address that git fetches: `https://…`, `ssh://…`, `file://…`, `USER@HOST:PATH`.
    pub location: String,
}

/// Where a message goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum ChannelSettings {
    /// An incoming webhook of Slack, or of what understands its messages.
    Webhook(Address),
    /// A file, to which each message is added as a line of JSON.
    File(PathBuf),
    /// A program and its arguments; it is given the message as JSON.
    Command(Vec<String>),
}

/// Where a secret address is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Address {
    /// In this variable.
    Env(String),
    /// In this file.
    File(PathBuf),
}

/// Why a worker's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is no file of worker settings: {reason}")]
    Malformed { path: PathBuf, reason: String },
    /// Does not hold what was found.
    #[error("channel {channel}: {reason}")]
    Channel { channel: String, reason: String },
}

impl SettingsError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        Blame::Configuration
    }
}

impl Settings {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// See [`SettingsError`]; the reason names line and key.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which stands in the file `path`.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Malformed`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let mut settings: Self = toml::from_str(text).map_err(|error| SettingsError::Malformed {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        settings.locate(path.parent().unwrap_or(Path::new("")));
        Ok(settings)
    }

    /// Makes relative paths relative to `folder`.
    fn locate(&mut self, folder: &Path) {
        let beside = |path: &mut PathBuf| *path = folder.join(&*path);
        self.boards.iter_mut().for_each(beside);
        self.sites.values_mut().for_each(|site| beside(&mut site.root));
        for channel in self.channels.values_mut() {
            match channel {
                ChannelSettings::File(path) | ChannelSettings::Webhook(Address::File(path)) => beside(path),
                ChannelSettings::Webhook(Address::Env(_)) | ChannelSettings::Command(_) => {}
            }
        }
        let beside = |place: &mut String| *place = folder.join(&*place).to_string_lossy().into_owned();
        let repositories = self.repositories.values_mut().map(|repository| &mut repository.location);
        repositories.filter(|location| !source::is_location(location)).for_each(beside);
        self.audio.iter_mut().filter(|place| !is_address(place)).for_each(beside);
        self.store.iter_mut().filter(|store| !store.contains("://")).for_each(beside);
    }
}

impl ChannelSettings {
    /// The channel called `name`; `env` looks up variables.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Channel`].
    pub fn channel(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Channel, SettingsError> {
        let wrong = |reason: String| SettingsError::Channel { channel: name.to_owned(), reason };
        match self {
            Self::File(path) => Ok(Channel::File(path.clone())),
            Self::Command(command) => match command.split_first() {
                Some((program, arguments)) => {
                    Ok(Channel::Command { program: program.into(), arguments: arguments.to_vec() })
                }
                None => Err(wrong("its command names no program".to_owned())),
            },
            Self::Webhook(address) => {
                let text = match address {
                    Address::Env(name) => {
                        env(name).ok_or_else(|| wrong(format!("the variable {name} is not set")))?
                    }
                    Address::File(path) => std::fs::read_to_string(path)
                        .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?,
                };
                Ok(Channel::Webhook(text.trim().parse().map_err(|error| wrong(format!("{error}")))?))
            }
        }
    }
}

/// Whether a place that sounds come from is on another machine.
pub(super) fn is_address(place: &str) -> bool {
    place.starts_with("https://") || place.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(text, Path::new("/etc/k1/hil.worker.toml"))
    }

    #[test]
    fn paths_are_relative_to_the_file_and_addresses_stay() {
        let settings = parse(
            r#"
            store = "artifacts"
            boards = "boards.toml"
            audio = ["sounds", "https://example.org/"]
            repositories.a.location = "../a"
            repositories.b.location = "https://example.org/b.git"
            channels.c.file = "told.jsonl"
            "#,
        )
        .unwrap();
        assert_eq!(settings.store.as_deref(), Some("/etc/k1/artifacts"));
        assert_eq!(settings.boards.as_deref(), Some(Path::new("/etc/k1/boards.toml")));
        assert_eq!(settings.audio, ["/etc/k1/sounds", "https://example.org/"]);
        let locations: Vec<_> = settings.repositories.values().map(|it| it.location.as_str()).collect();
        assert_eq!(locations, ["/etc/k1/../a", "https://example.org/b.git"]);
        let told = settings.channels["c"].channel("c", &|_| None).unwrap();
        assert!(matches!(told, Channel::File(path) if path == Path::new("/etc/k1/told.jsonl")));
    }

    #[rstest]
    #[case("store = 7", "line 1")]
    #[case("shop = \"x\"", "unknown field `shop`")]
    #[case("channels.a.webhook = \"https://hooks.example.org/secret\"", "channels.a")]
    fn what_is_wrong_is_named_by_line_and_key_and_no_secret_is_told(#[case] text: &str, #[case] part: &str) {
        let error = crate::story::one_line(&parse(text).unwrap_err());
        let key = part.strip_prefix("channels.").unwrap_or(part);
        assert!(error.contains("/etc/k1/hil.worker.toml") && error.contains(key), "{error}");
    }

    #[rstest]
    #[case("a.webhook = { env = \"HOOK\" }", None, "channel a: the variable HOOK is not set")]
    #[case(
        "a.webhook = { env = \"HOOK\" }",
        Some("ftp://secret"),
        "channel a: the address of the webhook is not one that begins with https:// or http://"
    )]
    #[case("a.command = []", None, "channel a: its command names no program")]
    fn a_channel_that_cannot_be_used_says_why(
        #[case] text: &str,
        #[case] value: Option<&str>,
        #[case] told: &str,
    ) {
        let settings = parse(&format!("[channels]\n{text}")).unwrap();
        let error = settings.channels["a"].channel("a", &|_| value.map(str::to_owned)).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}
