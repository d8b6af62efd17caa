//! The worker host: asks for work, has it done, reports it.
//!
//! ```text
//! permit ─▶ poll ─▶ work under a lease ─▶ result on disk ─▶ result at the server ─▶ next task, if it has one, or permit
//! ```
//!
//! Each kind of task has a lane of its own for each queue that is served, with as many permits as may be done at once.
//! A poll needs a permit, so whatever it brings can begin at once. An idle lane has one poll of five seconds on its way;
//! each task that arrives allows one more beside it, each empty answer one less, so a lane with much to do asks as often
//! as it has permits, and one with little asks twelve times a minute.
//!
//! A poll that is on its way is let return, also when the worker stops: the server would give the next task to a
//! connection that nobody reads. What it brings then is handed back, and no attempt is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;

use super::ConductorError;
use super::client::{Client, LONGEST_POLL};
use super::job::{Job, LOG_ENTRIES, Voice};
use super::lease::{self, Lease};
use super::model::{LogEntry, TaskSeen, Update};
use super::registry::Registry;
use super::spool::{Delivery, Spool};
use super::task::Task;
use super::transport::backoff;
use super::watchdog;
use crate::event::Event;

/// Which worker, and how it works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// What the server shows it as.
    pub name: String,
    /// The queues that are served; the limits of a task count for each of them.
    pub queues: BTreeSet<Queue>,
    /// Folder for results that the server does not have yet. Workers may share one.
    pub spool: PathBuf,
    /// When the worker is stopped: how long what it works on may take before it is ended and reported as failed.
    pub drain: Duration,
    /// How often it looks for leases of lost workers.
    pub watch: Duration,
}

impl WorkerOptions {
    /// A worker called `name` that serves everybody, with its results in `spool`. It drains for a minute and looks for
    /// lost workers every five seconds.
    pub fn new(name: impl Into<String>, spool: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            queues: [Queue::Everybody].into(),
            spool: spool.into(),
            drain: Duration::from_secs(60),
            watch: Duration::from_secs(5),
        }
    }
}

/// Where tasks wait for a worker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// Tasks that any worker may do.
    Everybody,
    /// Tasks that were directed to this domain: a host with its boards.
    Domain(String),
}

impl Queue {
    fn domain(&self) -> Option<&str> {
        match self {
            Self::Everybody => None,
            Self::Domain(domain) => Some(domain),
        }
    }
}

/// Where the events of a worker go, from whatever thread they happen on.
pub type WorkerEvents = Arc<dyn Fn(&Event) + Send + Sync>;

/// Does the tasks of `registry` for the server of `client` until `stop` is ready, then ends what it has begun.
///
/// First it sends the results that a process before it left in the spool. A server that cannot be reached is waited
/// for, at the start and at any time: a worker that was started before its server is none that failed.
///
/// After `stop` nothing new is begun; what is worked on may go on for [`WorkerOptions::drain`], then it is ended and
/// reported as failed, so that another worker gets it at once. Dropping the future ends all work and sends nothing.
///
/// # Errors
///
/// [`ConductorError::Spool`] if the folder for results cannot be used; nothing is begun then.
pub async fn work<C: Send + Sync + 'static>(
    client: Client,
    registry: Registry<C>,
    context: C,
    options: WorkerOptions,
    stop: impl Future<Output = ()>,
    on_event: WorkerEvents,
) -> Result<(), ConductorError> {
    let spool = Spool::open(&options.spool, &client)?;
    let left_over = spool.left_over()?;
    let (phase, _) = watch::channel(Phase::Working);
    let names: BTreeSet<_> = registry.iter().map(|task| task.name).collect();
    let host = Arc::new(Host {
        client,
        registry,
        context: Arc::new(context),
        spool,
        options,
        phase,
        away: false.into(),
        on_event,
    });

    let mut lanes = JoinSet::new();
    for update in left_over {
        let host = host.clone();
        lanes.spawn(async move { host.resend(&update).await });
    }
    for name in &names {
        for queue in host.options.queues.clone() {
            lanes.spawn(lane(host.clone(), name, queue));
        }
    }
    let finish = async {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(lane) = lanes.join_next() => ended_well(lane),
            }
        }
        host.phase.send_replace(Phase::Draining);
        if tokio::time::timeout(host.options.drain, all(&mut lanes)).await.is_err() {
            host.phase.send_replace(Phase::Ending);
            all(&mut lanes).await;
        }
    };
    tokio::select! {
        () = finish => Ok(()),
        () = watchdog::watch(&host.client, &names, host.options.watch) => Ok(()),
    }
}

async fn all(lanes: &mut JoinSet<()>) {
    while let Some(lane) = lanes.join_next().await {
        ended_well(lane);
    }
}

/// A bug of this file must not look like a worker that has nothing to do.
fn ended_well(lane: Result<(), JoinError>) {
    if let Err(error) = lane
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// How long the results of ended work may take to reach the server; after that they stay on disk.
const LAST_WORD: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Working,
    /// Nothing new is begun.
    Draining,
    /// What is worked on is ended.
    Ending,
}

struct Host<C> {
    client: Client,
    registry: Registry<C>,
    context: Arc<C>,
    spool: Spool,
    options: WorkerOptions,
    phase: watch::Sender<Phase>,
    /// Whether the last poll of any lane failed.
    away: AtomicBool,
    on_event: WorkerEvents,
}

/// What a poll brought, with the permit that it was made with.
struct Polled {
    permit: OwnedSemaphorePermit,
    result: Result<Option<TaskSeen>, ConductorError>,
}

/// Serves one kind of task from one queue until the worker stops and all of it is done.
async fn lane<C: Send + Sync + 'static>(host: Arc<Host<C>>, name: &'static str, queue: Queue) {
    let Some(task) = host.registry.get(name) else { return };
    let permits = Arc::new(Semaphore::new(task.limits.at_once.max(1).into()));
    let mut polls = JoinSet::new();
    let mut attempts = JoinSet::new();
    let mut width = 1;
    let mut failures = 0;
    let mut not_before = tokio::time::Instant::now();
    let mut phase = host.phase.subscribe();
    loop {
        let working = *phase.borrow_and_update() == Phase::Working;
        if !working && polls.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some(polled) = polls.join_next() => {
                let Polled { permit, result } = match polled {
                    Ok(polled) => polled,
                    Err(error) => {
                        ended_well(Err(error));
                        continue;
                    }
                };
                host.heard(result.as_ref().err());
                match result {
                    Ok(Some(seen)) => {
                        (width, failures) = (width + 1, 0);
                        attempts.spawn(attempt(host.clone(), name, seen, permit));
                    }
                    Ok(None) => (width, failures) = ((width - 1).max(1), 0),
                    Err(_) => {
                        (width, failures) = (1, failures + 1);
                        not_before = tokio::time::Instant::now() + backoff(failures);
                    }
                }
            }
            Some(attempt) = attempts.join_next() => ended_well(attempt),
            permit = permit(&permits, not_before), if working && polls.len() < width => {
                let Some(permit) = permit else { break };
                polls.spawn(poll(host.clone(), name, queue.clone(), permit));
            }
            _ = phase.changed() => {}
        }
    }
    all(&mut attempts).await;
}

/// A permit, at `not_before` at the earliest.
async fn permit(permits: &Arc<Semaphore>, not_before: tokio::time::Instant) -> Option<OwnedSemaphorePermit> {
    sleep_until(not_before).await;
    permits.clone().acquire_owned().await.ok() // it is never closed
}

async fn poll<C>(
    host: Arc<Host<C>>,
    name: &'static str,
    queue: Queue,
    permit: OwnedSemaphorePermit,
) -> Polled {
    let result = host.client.poll(name, &host.options.name, queue.domain(), LONGEST_POLL).await;
    Polled { permit, result }
}

/// Does what a poll brought, and what the server answers with to each result. What arrives when the worker is about to
/// stop is handed back.
async fn attempt<C: Send + Sync + 'static>(
    host: Arc<Host<C>>,
    name: &'static str,
    mut seen: TaskSeen,
    _permit: OwnedSemaphorePermit,
) {
    let Some(task) = host.registry.get(name) else { return };
    loop {
        if !host.is_working() {
            // If that fails, the lease runs out and another worker gets it then.
            let handed_back = host.client.hand_back(&seen, &host.options.name).await.is_ok();
            host.event(Event::TaskHandedBack { task: name.to_owned(), id: seen.task_id, handed_back });
            return;
        }
        match host.perform(task, seen).await {
            Some(next) => seen = next,
            None => return,
        }
    }
}

impl<C: Send + Sync + 'static> Host<C> {
    /// Does a task and reports it; returns the next one if the server gave it in return.
    async fn perform(&self, task: &Task<C>, seen: TaskSeen) -> Option<TaskSeen> {
        let begun = Instant::now();
        self.event(Event::TaskReceived { task: task.name.to_owned(), id: seen.task_id.clone() });
        let voice = Voice::new(self.on_event.clone());
        let lease = Lease {
            task: seen.task_id.clone(),
            workflow: seen.workflow_instance_id.clone(),
            response: Duration::from_secs(seen.response_timeout_seconds),
        };
        let job = Job {
            context: self.context.clone(),
            task_id: seen.task_id.clone(),
            reference: seen.reference_task_name,
            workflow_id: seen.workflow_instance_id.clone(),
            workflow: seen.workflow_type,
            correlation_id: seen.correlation_id,
            retry: seen.retry_count,
            voice: voice.clone(),
        };
        let work = task.work(seen.input_data, job);
        let limit = Duration::from_secs(task.limits.timeout.into());
        let outcome = lease::hold(&self.client, lease, work, limit, self.reached(Phase::Ending)).await;
        let (status, next) = match outcome.statement() {
            None => ("CANCELED".to_owned(), None),
            Some(statement) => {
                let mut logs = voice.take_log();
                if let Some(reason) = statement.whole_reason {
                    logs.truncate(LOG_ENTRIES - 1);
                    logs.push(reason);
                }
                let now = now();
                let entry = |log| LogEntry { log, task_id: seen.task_id.clone(), created_time: now };
                let update = Update {
                    task_id: seen.task_id.clone(),
                    workflow_instance_id: seen.workflow_instance_id,
                    worker_id: self.options.name.clone(),
                    status: statement.status,
                    reason_for_incompletion: statement.reason,
                    output_data: statement.output,
                    logs: logs.into_iter().map(entry).collect(),
                };
                let wants_next = self.is_working();
                self.report(&update, wants_next).await
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        self.event(Event::TaskEnded { task: task.name.to_owned(), id: seen.task_id, status, seconds });
        next
    }

    /// Puts a result on disk and sends it until the server has it; returns the status as people read it, and the next
    /// task if that is wanted and the server has one.
    async fn report(&self, update: &Update, wants_next: bool) -> (String, Option<TaskSeen>) {
        // A disk that is full is no reason to keep a result from the server.
        if let Err(error) = self.spool.put(update) {
            self.event(Event::SpoolUnusable { reason: crate::story::one_line(&error) });
        }
        let deliver = self.spool.deliver(&self.client, update, wants_next);
        let give_up = async {
            self.reached(Phase::Ending).await;
            tokio::time::sleep(LAST_WORD).await;
        };
        tokio::select! {
            biased;
            (delivery, next) = deliver => {
                let status = match delivery {
                    Delivery::Done => update.status.as_str(),
                    Delivery::Unknown => "UNKNOWN TO THE SERVER",
                    Delivery::Refused => "REFUSED BY THE SERVER",
                };
                (status.to_owned(), next)
            }
            () = give_up => ("KEPT FOR THE NEXT START".to_owned(), None),
        }
    }

    /// Sends a result that an earlier process left.
    async fn resend(&self, update: &Update) {
        let (status, _) = self.report(update, false).await;
        self.event(Event::ResultResent { id: update.task_id.clone(), status });
    }

    /// Whether new work may begin.
    fn is_working(&self) -> bool {
        *self.phase.borrow() == Phase::Working
    }

    /// Ready when the worker has come to `phase`.
    async fn reached(&self, phase: Phase) {
        let mut now = self.phase.subscribe();
        // The sender lives as long as the host.
        let _ = now.wait_for(|now| *now >= phase).await;
    }

    /// Tells when the server stops answering and when it answers again, once for all lanes.
    fn heard(&self, fault: Option<&ConductorError>) {
        if self.away.swap(fault.is_some(), Ordering::Relaxed) == fault.is_some() {
            return;
        }
        let server = self.client.address().to_owned();
        self.event(match fault {
            Some(error) => Event::ServerAway { server, reason: crate::story::one_line(error) },
            None => Event::ServerBack { server },
        });
    }

    fn event(&self, event: Event) {
        (self.on_event)(&event);
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
