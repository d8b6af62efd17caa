//! The queue of what is to be started, on disk, and the memory of what came before.
//!
//! ```text
//! FOLDER/lock                                          held by the one process that uses the folder
//! FOLDER/waiting/<number>-<delivery>.json              what is to be started; written whole, in order of the numbers
//! FOLDER/done/<number>-<delivery>-<sha256 of body>     empty: deliveries that were taken; the oldest are forgotten
//! FOLDER/failed/<number>-<delivery>.json               what could not be started, and why; the last hundred
//! ```
//!
//! A delivery is known while it waits and after it is done. When it is done, that is noted before it stops waiting: so
//! wherever this process is killed, it is known, and what was started but not noted is asked for again.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::Start;
use crate::blame::Blame;
use crate::digest::Sha;
use crate::tools::lock::{self, FileLock};

/// A queue. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Queue {
    inner: Arc<Inner>,
}

/// Why the queue did not take something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// Too much waits.
    #[error("{limit} deliveries wait to be started, and no more may")]
    Full { limit: usize },
    /// Another process has the folder.
    #[error("another process uses the queue in {folder}")]
    Taken { folder: PathBuf },
    #[error("cannot use the queue at {path}")]
    Storage { path: PathBuf, source: io::Error },
}

/// What became of a delivery that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    /// It, or its body, came before.
    Known,
}

/// A delivery with all that it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    format: u32,
    pub delivery: String,
    body_sha256: Sha,
    pub starts: Vec<Start>,
}

/// What was given up.
#[derive(Debug, Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    waiting: &'a Waiting,
    reasons: &'a [String],
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    limit: usize,
    remembered: usize,
    state: Mutex<State>,
    /// Wakes whoever waits for something to start.
    changed: Notify,
    _held: FileLock,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    done: BTreeMap<u64, Done>,
    deliveries: HashSet<String>,
    bodies: HashSet<Sha>,
}

#[derive(Debug)]
struct Done {
    file: String,
    delivery: String,
    body_sha256: Sha,
}

const FORMAT: u32 = 1;
const FAILED_KEPT: usize = 100;
const WAITING: &str = "waiting";
const DONE: &str = "done";
const FAILED: &str = "failed";

impl QueueError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Full { .. } => Blame::Infrastructure,
            Self::Taken { .. } | Self::Storage { .. } => Blame::Configuration,
        }
    }
}

impl Queue {
    /// The queue in `folder`, which is made where missing, with what waits there. At most `limit` deliveries may wait,
    /// and `remembered` are known after they were started.
    ///
    /// # Errors
    ///
    /// [`QueueError::Taken`], [`QueueError::Storage`].
    pub fn open(folder: &Path, limit: usize, remembered: usize) -> Result<Self, QueueError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| QueueError::Storage { path, source }
        };
        for name in [WAITING, DONE, FAILED] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(failed(&path))?;
        }
        let path = folder.join("lock");
        let Some(held) = lock::try_lock(&path).map_err(failed(&path))? else {
            return Err(QueueError::Taken { folder: folder.to_owned() });
        };
        let mut state = State::default();
        for (number, rest) in numbered(&folder.join(DONE)).map_err(failed(&folder.join(DONE)))? {
            if let Some(done) = Done::parse(number, &rest) {
                state.remember(number, done);
            }
        }
        for (number, rest) in numbered(&folder.join(WAITING)).map_err(failed(&folder.join(WAITING)))? {
            state.next = state.next.max(number + 1);
            let path = folder.join(WAITING).join(format!("{number:020}-{rest}"));
            let bytes = std::fs::read(&path).map_err(failed(&path))?;
            match serde_json::from_slice::<Waiting>(&bytes) {
                Ok(waiting) if waiting.format == FORMAT && !state.deliveries.contains(&waiting.delivery) => {
                    state.know(&waiting.delivery, waiting.body_sha256);
                    state.waiting.insert(number, waiting);
                }
                // It was done, and this process was killed before it could stop waiting.
                Ok(waiting) if waiting.format == FORMAT => {
                    std::fs::remove_file(&path).map_err(failed(&path))?
                }
                // Not written by this version: a person may want to look at it.
                _ => std::fs::rename(&path, folder.join(FAILED).join(format!("{number:020}-{rest}")))
                    .map_err(failed(&path))?,
            }
        }
        state.next = state.next.max(state.done.keys().last().map_or(0, |last| last + 1));
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                limit,
                remembered,
                state: Mutex::new(state),
                changed: Notify::new(),
                _held: held,
            }),
        })
    }

    /// How many deliveries wait.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// Adds a delivery with what it starts; with nothing to start it is only remembered. When this returns, it is on
    /// the disk. It blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`], [`QueueError::Storage`].
    pub(super) fn add(&self, delivery: &str, body: Sha, starts: Vec<Start>) -> Result<Added, QueueError> {
        let mut state = self.state();
        if state.deliveries.contains(delivery) || state.bodies.contains(&body) {
            return Ok(Added::Known);
        }
        let number = state.next;
        if starts.is_empty() {
            self.note_done(&mut state, number, delivery, body)?;
        } else {
            if state.waiting.len() >= self.inner.limit {
                return Err(QueueError::Full { limit: self.inner.limit });
            }
            let (format, delivery) = (FORMAT, delivery.to_owned());
            let waiting = Waiting { format, delivery, body_sha256: body, starts };
            self.write(WAITING, &waiting.file(number), &waiting)?;
            state.know(&waiting.delivery, body);
            state.waiting.insert(number, waiting);
            self.inner.changed.notify_one();
        }
        state.next = number + 1;
        Ok(Added::New)
    }

    /// What has waited longest; waits until something does.
    pub(super) async fn first(&self) -> (u64, Waiting) {
        loop {
            let changed = self.inner.changed.notified();
            if let Some((&number, waiting)) = self.state().waiting.first_key_value() {
                return (number, waiting.clone());
            }
            changed.await;
        }
    }

    /// Notes that the delivery with that number is done, by the way of `failed` if there are reasons why some of it
    /// could not be started. It blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// [`QueueError::Storage`]; then it still waits.
    pub(super) fn finish(&self, number: u64, reasons: &[String]) -> Result<(), QueueError> {
        let mut state = self.state();
        let Some(waiting) = state.waiting.get(&number).cloned() else { return Ok(()) };
        let file = waiting.file(number);
        if !reasons.is_empty() {
            self.write(FAILED, &file, &Failed { waiting: &waiting, reasons })?;
            self.forget_failed()?;
        }
        self.note_done(&mut state, number, &waiting.delivery, waiting.body_sha256)?;
        let path = self.inner.folder.join(WAITING).join(file);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(QueueError::Storage { path, source });
            }
            _ => {}
        }
        state.waiting.remove(&number);
        Ok(())
    }

    fn note_done(&self, state: &mut State, number: u64, delivery: &str, body: Sha) -> Result<(), QueueError> {
        let file = format!("{number:020}-{delivery}-{body}");
        self.write_bytes(DONE, &file, b"")?;
        state.remember(number, Done { file, delivery: delivery.to_owned(), body_sha256: body });
        while state.done.len() > self.inner.remembered {
            let Some((_, oldest)) = state.done.pop_first() else { break };
            state.deliveries.remove(&oldest.delivery);
            state.bodies.remove(&oldest.body_sha256);
            // One that stays is forgotten after the next start.
            let _ = std::fs::remove_file(self.inner.folder.join(DONE).join(&oldest.file));
        }
        Ok(())
    }

    fn forget_failed(&self) -> Result<(), QueueError> {
        let folder = self.inner.folder.join(FAILED);
        let listed =
            numbered(&folder).map_err(|source| QueueError::Storage { path: folder.clone(), source })?;
        let excess = listed.len().saturating_sub(FAILED_KEPT);
        for (number, rest) in listed.into_iter().take(excess) {
            let path = folder.join(format!("{number:020}-{rest}"));
            std::fs::remove_file(&path).map_err(|source| QueueError::Storage { path, source })?;
        }
        Ok(())
    }

    fn write(&self, folder: &str, file: &str, value: &impl Serialize) -> Result<(), QueueError> {
        let bytes = serde_json::to_vec(value).map_err(|error| QueueError::Storage {
            path: self.inner.folder.join(folder).join(file),
            source: error.into(),
        })?;
        self.write_bytes(folder, file, &bytes)
    }

    fn write_bytes(&self, folder: &str, file: &str, bytes: &[u8]) -> Result<(), QueueError> {
        let folder = self.inner.folder.join(folder);
        let path = folder.join(file);
        write_synced(&folder, &path, bytes).map_err(|source| QueueError::Storage { path, source })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it panics half-way through a change.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn know(&mut self, delivery: &str, body: Sha) {
        self.deliveries.insert(delivery.to_owned());
        self.bodies.insert(body);
    }

    fn remember(&mut self, number: u64, done: Done) {
        self.know(&done.delivery, done.body_sha256);
        self.done.insert(number, done);
    }
}

impl Waiting {
    fn file(&self, number: u64) -> String {
        format!("{number:020}-{}.json", self.delivery)
    }
}

impl Done {
    fn parse(number: u64, rest: &str) -> Option<Self> {
        let (delivery, body) = rest.rsplit_once('-')?;
        let file = format!("{number:020}-{rest}");
        Some(Self { file, delivery: delivery.to_owned(), body_sha256: body.parse().ok()? })
    }
}

/// The files of `folder` whose names begin with a number, in order, and the rest of their names. What a killed process
/// left half-written is removed.
fn numbered(folder: &Path) -> io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PART)) {
            std::fs::remove_file(folder.join(&name))?;
        }
        found.extend(name.to_str().and_then(|name| {
            let (number, rest) = name.split_once('-')?;
            Some((number.parse().ok()?, rest.to_owned()))
        }));
    }
    found.sort_unstable();
    Ok(found)
}

const PART: &str = ".part-";

/// Writes whole or not at all, and to the disk: GitHub is told that a delivery was taken, and does not send it again.
fn write_synced(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(OsStr::new(PART)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(workflow: &str) -> Start {
        let (workflow, input) = (workflow.to_owned(), serde_json::Map::new());
        Start { workflow, version: None, input, correlation_id: "d".to_owned() }
    }

    fn add(queue: &Queue, delivery: &str, body: &str) -> Added {
        queue.add(delivery, Sha::of(body), vec![start("build")]).unwrap()
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn what_waits_is_there_after_a_restart_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        for delivery in ["a-1", "b", "c"] {
            assert_eq!(add(&queue, delivery, delivery), Added::New);
        }
        assert!(matches!(Queue::open(folder.path(), 9, 9), Err(QueueError::Taken { .. })));
        drop(queue);
        std::fs::write(folder.path().join("waiting/.part-x"), "{").unwrap();

        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        assert_eq!(files(&folder.path().join(WAITING)), 3);
        for delivery in ["a-1", "b", "c"] {
            let (number, waiting) = queue.first().await;
            assert_eq!(waiting.delivery, delivery);
            queue.finish(number, &[]).unwrap();
        }
        drop(queue);
        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        assert_eq!(queue.waiting(), 0);
        assert_eq!(add(&queue, "a-1", "another body"), Added::Known);
        assert_eq!(add(&queue, "another id", "b"), Added::Known);
        assert_eq!(add(&queue, "another id", "another body"), Added::New);
    }

    /// Killed after it was noted that a delivery is done, and before it stopped waiting.
    #[test]
    fn what_is_done_does_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        add(&queue, "a", "a");
        queue.note_done(&mut queue.state(), 0, "a", Sha::of("a")).unwrap();
        drop(queue);
        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        assert_eq!((queue.waiting(), files(&folder.path().join(WAITING))), (0, 0));
        assert_eq!(add(&queue, "a", "a"), Added::Known);
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_forgets_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), 2, 2).unwrap();
        add(&queue, "a", "a");
        add(&queue, "b", "b");
        let full = queue.add("c", Sha::of("c"), vec![start("build")]).unwrap_err();
        assert_eq!(full.to_string(), "2 deliveries wait to be started, and no more may");
        // What starts nothing needs no place.
        assert_eq!(queue.add("d", Sha::of("d"), Vec::new()).unwrap(), Added::New);
        queue.finish(0, &[]).unwrap();
        assert_eq!(add(&queue, "c", "c"), Added::New, "it was not known for having been refused");
        for delivery in ["e", "f"] {
            queue.add(delivery, Sha::of(delivery), Vec::new()).unwrap();
        }
        assert_eq!(files(&folder.path().join(DONE)), 2);
        queue.finish(1, &[]).unwrap();
        assert_eq!(add(&queue, "a", "a"), Added::New);
    }

    #[test]
    fn what_could_not_be_started_is_kept_for_a_person() {
        let root = tempfile::tempdir().unwrap();
        let queue = Queue::open(root.path(), 999, 999).unwrap();
        for number in 0..FAILED_KEPT as u64 + 5 {
            let delivery = format!("d{number}");
            add(&queue, &delivery, &delivery);
            queue.finish(number, &["no such workflow".to_owned()]).unwrap();
        }
        let folder = root.path().join(FAILED);
        assert_eq!(files(&folder), FAILED_KEPT);
        let kept = std::fs::read_to_string(folder.join(format!("{:020}-d5.json", 5))).unwrap();
        assert!(kept.contains("no such workflow") && kept.contains("\"workflow\":\"build\""), "{kept}");

        // As the document says how one is tried again.
        drop(queue);
        let name = format!("{:020}-d5", 5);
        std::fs::rename(
            folder.join(format!("{name}.json")),
            root.path().join(format!("waiting/{name}.json")),
        )
        .unwrap();
        let body = Sha::of("d5");
        std::fs::remove_file(root.path().join(format!("done/{name}-{body}"))).unwrap();
        assert_eq!(Queue::open(root.path(), 999, 999).unwrap().waiting(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        drop(Queue::open(folder.path(), 9, 9).unwrap());
        std::fs::write(folder.path().join(WAITING).join(format!("{:020}-x.json", 7)), "{").unwrap();
        let queue = Queue::open(folder.path(), 9, 9).unwrap();
        assert_eq!(queue.waiting(), 0);
        assert_eq!(files(&folder.path().join(FAILED)), 1);
        add(&queue, "a", "a");
        assert_eq!(queue.state().waiting.keys().next(), Some(&8));
    }
}
