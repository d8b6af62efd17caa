//! From the queue to whoever starts workflows.

use std::convert::Infallible;
use std::time::Duration;

use super::{Queue, Start};
use crate::event::{Event, OnEvent};
use crate::story;

/// Why a workflow was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// It may be later: the server is away, or does not know the workflow yet.
    Passing { reason: String },
    /// It will never be: the server refuses what it is asked.
    Final { reason: String },
}

/// How long is waited before something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first time; then twice as long each time.
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

impl Pace {
    fn after(self, wait: Duration) -> Duration {
        wait.saturating_mul(2).min(self.longest)
    }
}

impl Queue {
    /// Starts what waits, in order, and then what comes, until the future is dropped. To be called once at a time.
    ///
    /// `start` starts one workflow. It may be asked again for one that it has started, if this process was killed or its
    /// answer got lost: so it first looks whether there is one with that name and correlation id. While it fails in
    /// passing, everything behind it waits too.
    pub async fn deliver<F>(
        &self,
        pace: Pace,
        on_event: OnEvent<'_>,
        start: impl Fn(Start) -> F,
    ) -> Infallible
    where
        F: Future<Output = Result<(), Undelivered>>,
    {
        loop {
            let (number, waiting) = self.first().await;
            let mut reasons = Vec::new();
            for request in waiting.starts {
                let workflow = request.workflow.clone();
                let delivery = waiting.delivery.clone();
                match insist(pace, on_event, &request, &start).await {
                    Ok(()) => on_event(&Event::WorkflowStarted { workflow, delivery }),
                    Err(reason) => {
                        reasons.push(format!("{workflow}: {reason}"));
                        on_event(&Event::StartGivenUp { workflow, delivery, reason });
                    }
                }
            }
            let mut wait = pace.first;
            loop {
                let (queue, told) = (self.clone(), reasons.clone());
                let finished = tokio::task::spawn_blocking(move || queue.finish(number, &told)).await;
                let reason = match finished {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => story::one_line(&error),
                    Err(error) => story::one_line(&error),
                };
                on_event(&Event::QueueUnusable { reason });
                tokio::time::sleep(wait).await;
                wait = pace.after(wait);
            }
        }
    }
}

/// Tries until it succeeds, or never will.
async fn insist<F>(
    pace: Pace,
    on_event: OnEvent<'_>,
    request: &Start,
    start: &impl Fn(Start) -> F,
) -> Result<(), String>
where
    F: Future<Output = Result<(), Undelivered>>,
{
    let mut wait = pace.first;
    loop {
        match start(request.clone()).await {
            Ok(()) => return Ok(()),
            Err(Undelivered::Final { reason }) => return Err(reason),
            Err(Undelivered::Passing { reason }) => {
                let (workflow, delivery) = (request.workflow.clone(), request.correlation_id.clone());
                on_event(&Event::StartDelayed { workflow, delivery, reason, wait });
                tokio::time::sleep(wait).await;
                wait = pace.after(wait);
            }
        }
    }
}
