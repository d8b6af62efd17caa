//! Retention and clean-up.
//!
//! Two things are looked at first, what is there and who needs it, and then what nobody needs is moved aside; what was
//! moved aside before and is needed again is put back, and what nobody has needed for the whole grace is deleted.
//! `trash.rs` says why nothing is deleted at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::label::{LABELS, number};
use super::record::{BLOBS, RECORDS, all, read};
use super::trash::{self, Discarded};
use super::{ArtifactError, Labelled, Name, Record, Store, StoredFile, Version};

/// What stays. A version stays if one of these says so, or if it has a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of each name, those that were put last.
    pub newest: usize,
    /// Those that were put less than so long ago.
    pub younger_than: Duration,
    /// How long something stays within reach that is needed no more, and how long a file may lie in the store before
    /// its artifact appears. Far longer than any put or clean-up takes: this is what makes them safe beside one another.
    pub grace: Duration,
}

/// Whether a clean-up only says what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    DryRun,
    Collect,
}

/// What a clean-up did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Collected {
    pub dry_run: bool,
    /// Artifacts that were taken away. For the grace, setting a label on one brings it back.
    pub artifacts: Vec<Removed>,
    /// Keys of files that were moved aside because no artifact needs them, and their bytes.
    pub files: Vec<String>,
    pub files_bytes: u64,
    /// Keys that had been moved aside and were put back because they are needed.
    pub restored: Vec<String>,
    /// How many objects were deleted whose grace is over, and their bytes.
    pub deleted: usize,
    pub deleted_bytes: u64,
    /// How many artifacts stay.
    pub kept: usize,
    /// It took so long that going on would not have been safe; the next clean-up does the rest.
    pub unfinished: bool,
}

/// An artifact that was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Removed {
    pub name: Name,
    pub version: Version,
}

/// So many of the last steps of a label stay, as its history.
const STEPS_KEPT: u64 = 20;

impl Default for Retention {
    /// The newest 20 of each name, all of the last 30 days; a grace of 3 days.
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { newest: 20, younger_than: 30 * day, grace: 3 * day }
    }
}

/// Everything in a store.
#[derive(Clone, Debug, Default)]
struct Inventory {
    records: Vec<Record>,
    labels: Vec<Labelled>,
    /// Files by key, with their size and when they were sent.
    blobs: BTreeMap<String, (u64, Timestamp)>,
    trash: Vec<Discarded>,
    /// The records in the trash, with the keys that they had.
    trashed_records: Vec<(String, Record)>,
    /// Keys of all steps of all labels, and when they were made.
    steps: Vec<(String, Timestamp)>,
}

/// What a clean-up does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plan {
    restore: Vec<String>,
    discard_records: Vec<(String, Removed)>,
    discard_blobs: Vec<(String, u64)>,
    delete: Vec<(String, u64)>,
    delete_steps: Vec<String>,
    kept: usize,
}

impl Store {
    /// Takes away what `retention` does not keep, and the files that no artifact needs; `now` is the present time.
    ///
    /// Safe beside any number of puts and labels: what they need at the last moment is put back, by them or by the
    /// next clean-up, and readers find it meanwhile. Clocks may differ by less than the grace.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Store`]; [`ArtifactError::Damaged`] for a record that cannot be read, because then it is not
    /// known which files are needed. Nothing is taken away in that case.
    pub async fn gc(
        &self,
        retention: &Retention,
        now: Timestamp,
        mode: Mode,
    ) -> Result<Collected, ArtifactError> {
        let begun = Instant::now();
        let plan = plan(&self.inventory().await?, retention, now);
        let mut done = Collected { dry_run: mode == Mode::DryRun, kept: plan.kept, ..Collected::default() };
        done.unfinished =
            !self.carry_out(&plan, now, mode, &mut done, || begun.elapsed() < retention.grace / 2).await?;
        Ok(done)
    }

    /// What is there first, who needs it after: what is sent in between is not looked at.
    async fn inventory(&self) -> Result<Inventory, ArtifactError> {
        let blobs = self.objects.list(BLOBS).await?;
        let trash = trash::list(&self.objects).await?;
        let in_trash = trash.iter().filter(|discarded| discarded.of.starts_with(RECORDS));
        let trashed = in_trash.map(|discarded| discarded.key.clone()).collect();
        let trashed_records = all(trashed, |key| async move {
            let of = key.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
            let Some(bytes) = self.objects.read(&key).await? else { return Ok(None) };
            // A damaged one cannot be put back, so nobody needs its files.
            Ok(Record::parse(&of, &bytes).ok().map(|record| (of, record)))
        })
        .await?;
        let labels = self.labels(None).await?;
        let steps = self.objects.list(LABELS).await?;
        let keys = self.objects.list(RECORDS).await?.into_iter().map(|listed| listed.key).collect();
        let records = all(keys, |key| async move { read(&self.objects, &key).await }).await?;
        Ok(Inventory {
            records,
            labels,
            blobs: blobs.into_iter().map(|blob| (blob.key, (blob.bytes, blob.changed))).collect(),
            trash,
            trashed_records,
            steps: steps.into_iter().map(|step| (step.key, step.changed)).collect(),
        })
    }

    /// False if it was not safe to do all of it. What is put back comes first, what is deleted last.
    async fn carry_out(
        &self,
        plan: &Plan,
        now: Timestamp,
        mode: Mode,
        done: &mut Collected,
        in_time: impl Fn() -> bool,
    ) -> Result<bool, ArtifactError> {
        let real = mode == Mode::Collect;
        for key in &plan.restore {
            if real {
                trash::restore(&self.objects, key).await?;
            }
            done.restored.push(key.clone());
        }
        let records = plan.discard_records.iter().map(|(key, removed)| (key, Some(removed), 0));
        let blobs = plan.discard_blobs.iter().map(|(key, bytes)| (key, None, *bytes));
        for (key, removed, bytes) in records.chain(blobs) {
            if real && !in_time() {
                return Ok(false);
            }
            if real {
                trash::discard(&self.objects, key, now).await?;
            }
            match removed {
                Some(removed) => done.artifacts.push(removed.clone()),
                None => done.files.push(key.clone()),
            }
            done.files_bytes += bytes;
        }
        for (key, bytes) in &plan.delete {
            if real && !in_time() {
                return Ok(false);
            }
            if real {
                self.objects.delete(key).await?;
            }
            done.deleted += 1;
            done.deleted_bytes += bytes;
        }
        for key in plan.delete_steps.iter().filter(|_| real) {
            self.objects.delete(key).await?;
        }
        Ok(true)
    }
}

fn plan(inventory: &Inventory, retention: &Retention, now: Timestamp) -> Plan {
    let older =
        |time: Timestamp, than: Duration| now.duration_since(time).unsigned_abs() >= than && time <= now;
    let labelled: BTreeSet<String> =
        inventory.labels.iter().map(|set| Record::key(&set.name, &set.version)).collect();
    let mut plan = Plan::default();

    let mut newest_first: Vec<&Record> = inventory.records.iter().collect();
    newest_first.sort_by(|a, b| (&a.name, b.created, &b.version).cmp(&(&b.name, a.created, &a.version)));
    let mut of_name = (None, 0);
    for record in newest_first {
        of_name = if of_name.0 == Some(&record.name) {
            (of_name.0, of_name.1 + 1)
        } else {
            (Some(&record.name), 1)
        };
        let key = Record::key(&record.name, &record.version);
        let kept = of_name.1 <= retention.newest
            || !older(record.created, retention.younger_than)
            || labelled.contains(&key);
        if kept {
            plan.kept += 1;
        } else {
            let (name, version) = (record.name.clone(), record.version.clone());
            plan.discard_records.push((key, Removed { name, version }));
        }
    }

    let live: BTreeSet<String> =
        inventory.records.iter().map(|record| Record::key(&record.name, &record.version)).collect();
    // Of two in the trash with the same key the later one counts: while it can be put back, its files are needed.
    let expired = |discarded: &Discarded| older(discarded.at, retention.grace);
    let last: BTreeMap<&str, bool> =
        inventory.trash.iter().map(|discarded| (discarded.of.as_str(), expired(discarded))).collect();
    let wanted_back = |key: &str| labelled.contains(key) && !live.contains(key);
    let in_reach = inventory
        .trashed_records
        .iter()
        .filter(|(key, _)| wanted_back(key) || last.get(key.as_str()).is_some_and(|expired| !expired));
    let needed: BTreeSet<String> = inventory
        .records
        .iter()
        .chain(in_reach.map(|(_, record)| record))
        .flat_map(|record| record.files.iter().map(|file| StoredFile::key(file.sha256)))
        .collect();

    let gone = |key: &str| match key.starts_with(RECORDS) {
        true => wanted_back(key),
        false => needed.contains(key) && !inventory.blobs.contains_key(key),
    };
    plan.restore = last.keys().filter(|key| gone(key)).map(|&key| key.to_owned()).collect();
    let unneeded = inventory
        .blobs
        .iter()
        .filter(|(key, (_, sent))| !needed.contains(*key) && older(*sent, retention.grace));
    plan.discard_blobs = unneeded.map(|(key, (bytes, _))| (key.clone(), *bytes)).collect();
    // What is put back just now is deleted by a later clean-up, when it is seen in its place.
    let deletable = inventory.trash.iter().filter(|discarded| expired(discarded) && !gone(&discarded.of));
    plan.delete = deletable.map(|discarded| (discarded.key.clone(), discarded.bytes)).collect();

    let mut last_step = BTreeMap::<&str, u64>::new();
    let steps = inventory
        .steps
        .iter()
        .filter_map(|(key, made)| Some((key.rsplit_once('/')?.0, number(key)?, key, *made)));
    for (folder, number, _, _) in steps.clone() {
        last_step.entry(folder).and_modify(|last| *last = number.max(*last)).or_insert(number);
    }
    let old = steps.filter(|(folder, number, _, made)| {
        number + STEPS_KEPT <= last_step[folder] && older(*made, retention.grace)
    });
    plan.delete_steps = old.map(|(_, _, key, _)| key.clone()).collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::super::{Expected, NewArtifact, NotAName};
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn keep(newest: usize) -> Retention {
        Retention { newest, younger_than: Duration::ZERO, grace: DAY }
    }

    fn name() -> Name {
        "firmware/k1".parse().unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn artifact(of: &str, content: &str) -> NewArtifact {
        NewArtifact::new(name(), version(of)).bytes("firmware.bin", content)
    }

    async fn content(store: &Store, of: &str) -> String {
        let record = store.record(&name(), &version(of)).await.unwrap().unwrap();
        String::from_utf8(store.read(&record, &record.files[0]).await.unwrap()).unwrap()
    }

    /// `days` from now: everything that is sent in a test is older than its grace then.
    fn after(days: u64) -> Timestamp {
        Timestamp::now() + u32::try_from(days).unwrap() * DAY
    }

    async fn carry_out(store: &Store, plan: &Plan, now: Timestamp) -> Collected {
        let mut done = Collected::default();
        assert!(store.carry_out(plan, now, Mode::Collect, &mut done, || true).await.unwrap());
        done
    }

    /// The clean-up has looked, then an artifact is put that finds its file in the store, then the clean-up acts.
    #[tokio::test]
    async fn a_file_that_is_needed_again_in_the_last_moment_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        store.put(&artifact("1", "shared")).await.unwrap();
        store.gc(&keep(0), after(10), Mode::Collect).await.unwrap();
        let looked = plan(&store.inventory().await.unwrap(), &keep(0), after(20));
        assert_eq!(looked.discard_blobs.len(), 1, "version 1 is out of reach, and its file in its place");

        store.put(&artifact("2", "shared")).await.unwrap();
        carry_out(&store, &looked, after(20)).await;
        assert_eq!(content(&store, "2").await, "shared", "a reader finds it in the trash");

        let done = store.gc(&keep(1), after(30), Mode::Collect).await.unwrap();
        assert_eq!(done.restored.len(), 1);
        store.gc(&keep(1), after(40), Mode::Collect).await.unwrap();
        assert!(trash::list(&store.objects).await.unwrap().is_empty());
        assert_eq!(content(&store, "2").await, "shared");
    }

    /// The clean-up has looked, then a version is labelled that it is about to take away.
    #[tokio::test]
    async fn a_version_that_is_labelled_in_the_last_moment_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        store.put(&artifact("1", "one").created(after(0))).await.unwrap();
        store.put(&artifact("2", "two").created(after(1))).await.unwrap();
        let looked = plan(&store.inventory().await.unwrap(), &keep(1), after(10));
        store.mark_good(&name(), &version("1"), "bench-3", "run 7 passed").await.unwrap();
        carry_out(&store, &looked, after(10)).await;
        assert_eq!(store.record(&name(), &version("1")).await.unwrap(), None);

        let good = store.last_good(&name(), "bench-3").await.unwrap().unwrap();
        assert_eq!(good.version, version("1"));
        for days in [20, 30, 40] {
            store.gc(&keep(1), after(days), Mode::Collect).await.unwrap();
            assert_eq!(content(&store, "1").await, "one");
        }
    }

    #[tokio::test]
    async fn what_would_take_longer_than_is_safe_is_left_to_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        store.put(&artifact("1", "one")).await.unwrap();
        let hasty = Retention { grace: Duration::ZERO, ..keep(0) };
        let done = store.gc(&hasty, after(10), Mode::Collect).await.unwrap();
        assert!(done.unfinished && done.artifacts.is_empty());
        assert_eq!(content(&store, "1").await, "one");
    }

    #[tokio::test]
    async fn a_label_keeps_its_last_steps_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        let label = "stable".parse().map_err(|_: NotAName| ()).unwrap();
        for of in ["1", "2"] {
            store.put(&artifact(of, of)).await.unwrap();
        }
        for of in ["1", "2"].into_iter().cycle().take(30) {
            store.label(&name(), &version(of), &label, &Expected::Anywhere).await.unwrap();
        }
        store.gc(&keep(9), after(10), Mode::Collect).await.unwrap();
        assert_eq!(store.objects.list(LABELS).await.unwrap().len(), STEPS_KEPT as usize);
        assert_eq!(store.show(&name(), Some("stable")).await.unwrap().record.version, version("2"));
    }
}
