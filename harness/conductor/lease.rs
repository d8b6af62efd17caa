//! Work under a lease: the server is told that it goes on, and it is ended when nobody waits for it any more.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::MissedTickBehavior;

use super::client::Client;
use super::outcome::{Failed, Outcome, Output};

/// The longest time between two signs of life.
const LONGEST_BEAT: Duration = Duration::from_secs(30);

/// The server gives up tasks of a worker that was silent for an hour if nothing else is defined.
const USUAL_RESPONSE: Duration = Duration::from_secs(3600);

/// What is leased.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub task: String,
    pub workflow: String,
    /// Of the task; zero where none is defined.
    pub response: Duration,
}

/// Does `work` for at most `limit` while the lease is kept, and says how it ended. `stop` ends it early.
///
/// However it ends, afterwards the work's future is gone and no request about it is on its way: a sign of life that
/// arrives after the result would undo it on some servers.
pub(super) async fn hold(
    client: &Client,
    lease: Lease,
    work: impl Future<Output = Result<Output, Failed>> + Send + 'static,
    limit: Duration,
    stop: impl Future<Output = ()>,
) -> Outcome {
    let mut work = Running(tokio::spawn(work));
    let (held, end) = oneshot::channel();
    let mut heart = Running(tokio::spawn(beat(client.clone(), lease, end)));
    let outcome = tokio::select! {
        biased;
        ended = &mut work.0 => match ended {
            Ok(Ok(output)) => Outcome::Completed(output),
            Ok(Err(failed)) => Outcome::Failed(failed),
            Err(error) => Outcome::Panicked(message(error)),
        },
        _ = &mut heart.0 => Outcome::Canceled,
        () = stop => Outcome::Stopped,
        () = tokio::time::sleep(limit) => Outcome::OutOfTime(limit),
    };
    // The lease is kept until the work's programs are gone, so that no other worker begins beside them.
    work.0.abort();
    if !work.0.is_finished() {
        let _ = (&mut work.0).await; // "aborted" is the wanted answer
    }
    drop(held);
    if outcome != Outcome::Canceled {
        let _ = (&mut heart.0).await; // it returns after the request that is on its way
    }
    outcome
}

/// Gives signs of life until `end`; returns before that only if the server has ended the task or does not know it.
async fn beat(client: Client, lease: Lease, mut end: oneshot::Receiver<()>) {
    let response = if lease.response.is_zero() { USUAL_RESPONSE } else { lease.response };
    let every = (response / 3).min(LONGEST_BEAT);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await; // the first is at once, and the poll was a sign of life itself
    loop {
        tokio::select! {
            _ = &mut end => return,
            _ = ticks.tick() => {}
        }
        // While the server is away the work goes on: it may be back before the lease is over.
        let _ = client.extend_lease(&lease.task, &lease.workflow).await;
        match client.task(&lease.task).await {
            Ok(None) => return,
            Ok(Some(task)) if task.status.is_final() => return,
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

/// A spawned future that ends with its owner.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a panic said.
fn message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "without a message".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}
