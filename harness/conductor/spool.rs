//! Results on their way to the server: on disk before they are sent, and there until the server has them.
//!
//! ```text
//! FOLDER/<task id>.json    one result; the server that it is for, and what it is to be told
//! ```
//!
//! Several workers may share a folder: that two of them send the same result does no harm, because the server ignores a
//! second one. Files are not forced to the disk: they outlive this process however it ends, and if the machine loses
//! its power the lease runs out and the task is done again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConductorError;
use super::client::Client;
use super::model::{TaskSeen, Update};
use super::outcome::Status;
use super::transport::backoff;
use crate::digest::Sha;
use crate::stored;

const FORMAT: u32 = 1;

/// A file that is still half written after this time belongs to a process that was killed.
const FRAGMENT_AGE: Duration = Duration::from_secs(3600);

/// Errors 500 in a row after which the result itself is taken to be what the server cannot digest.
const PATIENCE: u32 = 6;

/// A folder of results.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    server: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    format: u32,
    server: String,
    update: Update,
}

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The server has it, or had ended the task before.
    Done,
    /// The server does not know the task.
    Unknown,
    /// The server took only the news that it does not take the result.
    Refused,
}

impl Spool {
    /// The results for the server of `client` in `folder`, which is made where missing.
    pub fn open(folder: &Path, client: &Client) -> Result<Self, ConductorError> {
        let fault = |source| ConductorError::Spool { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(fault)?;
        stored::remove_fragments(folder, FRAGMENT_AGE);
        Ok(Self { folder: folder.to_owned(), server: client.address().to_owned() })
    }

    /// Puts a result on disk.
    pub fn put(&self, update: &Update) -> Result<(), ConductorError> {
        let entry = Entry { format: FORMAT, server: self.server.clone(), update: update.clone() };
        let write = || -> io::Result<()> {
            let bytes = serde_json::to_vec(&entry)?;
            stored::write(&self.path(&update.task_id), &bytes)
        };
        write().map_err(|source| ConductorError::Spool { path: self.folder.clone(), source })
    }

    /// Forgets the result of `task`.
    pub fn remove(&self, task: &str) {
        // Another worker of this folder may have been quicker. What is left otherwise is sent once more.
        let _ = std::fs::remove_file(self.path(task));
    }

    /// The results that an earlier process left for this server.
    ///
    /// Files that cannot be read as such (of a later version, of another program) are passed over and left alone.
    pub fn left_over(&self) -> Result<Vec<Update>, ConductorError> {
        let fault = |source| ConductorError::Spool { path: self.folder.clone(), source };
        let mut found = Vec::new();
        for file in std::fs::read_dir(&self.folder).map_err(fault)? {
            let path = file.map_err(fault)?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Ok(entry) = stored::read::<Entry>(&path, "a result", FORMAT)
                && entry.server == self.server
            {
                found.push(entry.update);
            }
        }
        found.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        Ok(found)
    }

    /// Sends `update` until the server has it, however long that takes, and forgets it then; if `wants_next`, the server
    /// may answer with the next task. The future may be dropped: the result is still on disk.
    pub async fn deliver(
        &self,
        client: &Client,
        update: &Update,
        wants_next: bool,
    ) -> (Delivery, Option<TaskSeen>) {
        let mut next = None;
        let delivery = deliver(client, update, wants_next, &mut next).await;
        self.remove(&update.task_id);
        (delivery, next)
    }

    fn path(&self, task: &str) -> PathBuf {
        // The server makes the ids, and a file name is made of what it sends only if it is one.
        let name = if stored::is_name(task) { task.to_owned() } else { Sha::of(task).to_string() };
        self.folder.join(format!("{name}.json"))
    }
}

async fn deliver(
    client: &Client,
    update: &Update,
    mut wants_next: bool,
    next: &mut Option<TaskSeen>,
) -> Delivery {
    let mut failures = 0;
    let mut server_faults = 0;
    loop {
        let sent = if wants_next {
            client.update_for_next(update).await.map(|found| *next = found)
        } else {
            client.update(update).await
        };
        // Once: older servers do not know that call, and after a broken connection the answer may have been lost with
        // a task in it.
        let asked_for_next = std::mem::take(&mut wants_next);
        let refused = match sent {
            Ok(()) => return Delivery::Done,
            Err(ConductorError::Refused { status: 404 | 405, .. }) if asked_for_next => continue,
            Err(ConductorError::Refused { status: 400 | 404 | 405..=428, message, .. }) => Some(message),
            Err(ConductorError::Refused { status: 500, message, .. }) => {
                server_faults += 1;
                (server_faults >= PATIENCE).then_some(message)
            }
            Err(_) => {
                server_faults = 0;
                None
            }
        };
        // A server that says no may have stored it all the same, and only failed at what follows in the workflow.
        if let Some(reason) = refused {
            match client.task(&update.task_id).await {
                Ok(None) => return Delivery::Unknown,
                Ok(Some(task)) if task.status.is_final() => return Delivery::Done,
                Ok(Some(_)) if client.update(&unfit(update, &reason)).await.is_ok() => {
                    return Delivery::Refused;
                }
                Ok(Some(_)) | Err(_) => {}
            }
        }
        failures += 1;
        tokio::time::sleep(backoff(failures)).await;
    }
}

/// What is sent in place of a result that the server does not take.
fn unfit(update: &Update, reason: &str) -> Update {
    let reason = format!("the server did not take the result: {reason}");
    Update {
        status: Status::FailedWithTerminalError,
        reason_for_incompletion: Some(reason.chars().take(500).collect()),
        output_data: Default::default(),
        logs: Vec::new(),
        ..update.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(task: &str) -> Update {
        Update {
            task_id: task.to_owned(),
            workflow_instance_id: "w".to_owned(),
            worker_id: "me".to_owned(),
            status: Status::Completed,
            reason_for_incompletion: None,
            output_data: serde_json::json!({ "sum": 1 }).as_object().cloned().unwrap(),
            logs: Vec::new(),
        }
    }

    #[test]
    fn a_result_is_found_again_by_the_workers_of_its_server_only() {
        let folder = tempfile::tempdir().unwrap();
        let spool = |server: &str| {
            Spool::open(&folder.path().join("deep"), &Client::new(server, None).unwrap()).unwrap()
        };
        let (here, there) = (spool("http://127.0.0.1:1"), spool("http://127.0.0.1:2"));
        here.put(&update("b")).unwrap();
        here.put(&update("../a")).unwrap();
        there.put(&update("c")).unwrap();
        std::fs::write(folder.path().join("deep/later.json"), r#"{"format":2}"#).unwrap();
        assert_eq!(here.left_over().unwrap(), [update("../a"), update("b")]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a name led out of the folder");

        here.remove("b");
        here.remove("b");
        assert_eq!(here.left_over().unwrap(), [update("../a")]);
    }
}
