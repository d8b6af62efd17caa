//! What all tasks of a worker share: tools, store, boards, repositories, sites and channels.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use super::settings::{Settings, SettingsError, is_address};
use crate::artifacts::Store;
use crate::audio::LONGEST_FILE_BYTES;
use crate::bench::{Bench, Stock};
use crate::blame::Blame;
use crate::board::Board;
use crate::board::inventory::Inventory;
use crate::board::lease::Leasing;
use crate::board::ledger::Ledger;
use crate::board::recovery;
use crate::conductor::{Client, Failed, Job};
use crate::http;
use crate::notify::{Message, Notifier, Outcome, Told};
use crate::source;
use crate::stored;
use crate::story;
use crate::tools::Toolbox;
use crate::webapp::Site;

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Lab {
    pub toolbox: Toolbox,
    pub store: Store,
    /// Repositories, sites and where sounds come from.
    pub settings: Settings,
    /// The channels of the settings, by name.
    pub notifiers: Vec<(String, Notifier)>,
    /// The boards that tasks may name; those that name none get a virtual one of their own.
    pub inventory: Inventory,
    pub leasing: Leasing,
    /// Where the boards' reliability is kept.
    pub ledger: Option<Ledger>,
    pub variables: Variables,
    /// For the tasks that read other workflows.
    pub client: Client,
}

/// Looks up variables, where passwords of boards stand.
#[derive(Clone)]
pub struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// Those that `lookup` finds.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Variables")
    }
}

/// A board that is a task's own until this is dropped.
#[derive(Debug)]
pub(super) struct Leased {
    bench: Bench,
    /// Of the inventory, or what else it is called.
    pub name: String,
}

impl Leased {
    pub fn board(&self) -> &Board {
        self.bench.board()
    }
}

/// How long a web application or a sound may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Lab {
    /// The notifiers that `settings` asks for; they remember in `memory` what was told.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Channel`].
    pub fn notifiers(
        settings: &Settings,
        variables: &Variables,
        memory: &Path,
    ) -> Result<Vec<(String, Notifier)>, SettingsError> {
        let notifier = |(name, channel): (&String, &super::ChannelSettings)| {
            let channel = channel.channel(name, &*variables.0)?;
            Ok((name.clone(), Notifier::new(vec![channel], Some(memory.to_owned()))))
        };
        settings.channels.iter().map(notifier).collect()
    }

    /// The board that `asked` means, found well or made so; without `asked`, a virtual one of its own.
    pub(super) async fn lease(&self, asked: Option<&str>, job: &Job<Self>) -> Result<Leased, Failed> {
        let Some(asked) = asked else {
            let bench = Bench::of_virtual_boards(1, &self.toolbox).await?;
            return Ok(Leased { bench, name: "a virtual board".to_owned() });
        };
        let mut leasing = self.leasing.clone();
        leasing.owner.purpose = job.step();
        let stock = Stock {
            inventory: &self.inventory,
            leasing: &leasing,
            ledger: self.ledger.as_ref(),
            limits: recovery::Limits::default(),
            toolbox: &self.toolbox,
            env: &*self.variables.0,
        };
        let selected = self.inventory.select(asked).map_err(crate::Error::from)?;
        let bench = Bench::lease(&selected, NonZeroUsize::MIN, stock, job.on_event()).await?;
        let mac = &bench.board().mac;
        let entry = mac.parse().ok().and_then(|mac| self.inventory.of_mac(mac));
        let name = entry.map_or_else(|| mac.clone(), |entry| entry.name.clone());
        Ok(Leased { bench, name })
    }

    /// The folder of the repository that workflows call `name`; one that is elsewhere is fetched into the cache.
    pub(super) async fn repository(&self, name: &str) -> Result<PathBuf, Failed> {
        let known = &self.settings.repositories;
        let Some(repository) = known.get(name) else {
            let known = listed(known.keys());
            let reason = format!("this worker builds no repository {name:?}; its settings have {known}");
            return Err(Failed::input("repo", reason));
        };
        if source::is_location(&repository.location) {
            return Ok(source::mirror(&repository.location, &self.toolbox).await?);
        }
        Ok(PathBuf::from(&repository.location))
    }

    /// The site that workflows call `name`.
    pub(super) fn site(&self, name: &str) -> Result<&Site, Failed> {
        let known = &self.settings.sites;
        known.get(name).ok_or_else(|| {
            let known = listed(known.keys());
            Failed::input(
                "environment",
                format!("this worker has no site {name:?}; its settings have {known}"),
            )
        })
    }

    /// Tells `message` on the channel `asked`, or on all. What became of it on each, and whether all took it.
    pub(super) async fn notify(&self, asked: Option<&str>, message: &Message) -> (bool, Vec<String>) {
        let meant = self.notifiers.iter().filter(|(name, _)| asked.is_none_or(|asked| asked == name));
        let meant: Vec<_> = meant.collect();
        if let (Some(asked), true) = (asked, meant.is_empty()) {
            let known = listed(self.notifiers.iter().map(|(name, _)| name));
            return (false, vec![format!("no channel is called {asked:?}; this worker has {known}")]);
        }
        let told = meant.into_iter().map(async |(name, notifier)| {
            let told = notifier.notify(message).await;
            told.into_iter().map(|told| outcome(name, told)).collect::<Vec<_>>()
        });
        let told = futures_util::future::join_all(told).await.concat();
        (told.iter().all(|(took, _)| *took), told.into_iter().map(|(_, said)| said).collect())
    }

    /// Whether something is served at `url`; how much, or why not.
    pub(super) async fn look_at(&self, url: &str) -> Result<String, String> {
        let reply = get(url, 16 << 20).await?;
        let bytes = reply.body.len();
        if reply.status.is_success() {
            Ok(format!("{url} serves {bytes} bytes"))
        } else {
            Err(format!("{url} answers {}", reply.status))
        }
    }

    /// The sound at `place`, a path or an address that the settings allow; what is fetched lies in `folder`.
    pub(super) async fn sound_file(&self, place: &str, folder: &Path) -> Result<PathBuf, Failed> {
        let refused = || {
            let known = listed(self.settings.audio.iter());
            let reason =
                format!("sounds may not come from {place:?}; the setting audio of this worker has {known}");
            Failed::input("url", reason)
        };
        if is_address(place) {
            if !self.settings.audio.iter().any(|start| is_under(place, start)) {
                return Err(refused());
            }
            let limit = usize::try_from(LONGEST_FILE_BYTES).unwrap_or(usize::MAX);
            let reply = get(place, limit).await.map_err(Failed::infrastructure)?;
            match reply.status {
                status if status.is_success() => {}
                status if status.is_server_error() => {
                    return Err(Failed::infrastructure(format!("{place} answers {status}")));
                }
                status => return Err(Failed::input("url", format!("{place} answers {status}"))),
            }
            let path = folder.join("sound");
            stored::write(&path, &reply.body).map_err(|error| {
                Failed::new(Blame::Configuration, format!("cannot write {}: {error}", path.display()))
            })?;
            return Ok(path);
        }
        let path = std::fs::canonicalize(place)
            .map_err(|error| Failed::input("url", format!("cannot read {place}: {error}")))?;
        let inside = |start: &String| std::fs::canonicalize(start).is_ok_and(|start| path.starts_with(start));
        if self.settings.audio.iter().any(inside) { Ok(path) } else { Err(refused()) }
    }

    /// A folder of a task's own, which goes when it is dropped.
    pub(super) fn scratch(&self) -> Result<tempfile::TempDir, Failed> {
        let folder = self.toolbox.cache().join("tasks");
        let made = std::fs::create_dir_all(&folder)
            .and_then(|()| tempfile::Builder::new().prefix("task-").tempdir_in(&folder));
        made.map_err(|error| {
            Failed::new(Blame::Configuration, format!("cannot use {}: {error}", folder.display()))
        })
    }
}

/// Whether the address `place` is `start` or below it, on the same server.
fn is_under(place: &str, start: &str) -> bool {
    let (Ok(place), Ok(start)) = (Url::parse(place), Url::parse(start)) else { return false };
    let folder = start.path().trim_end_matches('/');
    let below =
        place.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    place.origin() == start.origin() && below
}

async fn get(url: &str, limit: usize) -> Result<http::Reply, String> {
    // Nobody who may name an address may be sent on to another one.
    let client = reqwest::Client::builder().redirect(Policy::none()).build();
    let client = client.map_err(|error| story::one_line(&error))?;
    http::exchange(client.get(url), PATIENCE, limit)
        .await
        .map_err(|fault| fault.reason(&format!("GET {url}")))
}

fn outcome(name: &str, told: Told) -> (bool, String) {
    let (took, mut said) = match told.outcome {
        Outcome::Told { .. } => (true, format!("{name}: told")),
        Outcome::Known => (true, format!("{name}: told before")),
        Outcome::Failed { attempts, reason } => (false, format!("{name}: failed {attempts} times: {reason}")),
    };
    if let Some(reason) = told.forgotten {
        said += &format!(" (cannot be remembered: {reason})");
    }
    (took, said)
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://a.example/sounds/x.wav", "https://a.example/sounds", true)]
    #[case("https://a.example/sounds/x.wav", "https://a.example", true)]
    #[case("https://a.example/sounds2/x.wav", "https://a.example/sounds", false)]
    #[case("https://a.example/sounds/../secret", "https://a.example/sounds", false)]
    #[case("https://a.example.evil/x", "https://a.example", false)]
    #[case("http://a.example/x", "https://a.example/", false)]
    #[case("https://a.example:8443/x", "https://a.example/", false)]
    #[case("https://a.example@evil.example/x", "https://a.example/", false)]
    fn sounds_come_from_below_what_is_allowed(#[case] place: &str, #[case] start: &str, #[case] is: bool) {
        assert_eq!(is_under(place, start), is);
    }
}
