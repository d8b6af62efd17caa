//! Whether a leased board is well, and the ladder of what is done if it is not.
//!
//! A board is well if it answers, is the board that was meant, and nothing runs on it. A run that is under way is
//! nobody's, for the board's lease is ours: its holder was killed.
//!
//! The ladder is data: each [`Step`] is a rung, its time, and what it does. After each the board is looked at again
//! until the step's time is over. Steps that need more than the board's address are added by [`crate::bench`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::http::Patience;
use super::inventory::{Entry, PowerControl};
use super::lease::LeaseError;
use super::ledger::{Failure, Ledger, Reliability};
use super::{Address, Board, BoardError, Mac, RunState};
use crate::event::{Event, OnEvent};
use crate::story;
use crate::tools::process;

/// What is done about a board that is not well; the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// It is asked again for a while: it may be restarting.
    AskAgain,
    /// It is asked over HTTP to restart.
    Reboot,
    /// The reset button of a virtual board of this process.
    ResetButton,
    /// It is reset by its serial port.
    SerialReset,
    /// The inventory's command switches its power off and on.
    PowerCycle,
}

/// One rung for one board.
pub struct Step<'a> {
    pub rung: Rung,
    /// For what it does, and for the board to be well afterwards.
    pub limit: Duration,
    /// What it does; an error, for people, ends the step at once.
    pub act: Act<'a>,
}

/// What a step does.
pub type Act<'a> =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> + Send + Sync + 'a>;

/// How long the rungs may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub ask_again: Duration,
    /// For a board to be up after a restart.
    pub reboot: Duration,
    /// For a board to be up after its power came back; its switching has a limit of its own.
    pub power_up: Duration,
}

impl Default for Limits {
    /// A K1 board needs up to 10 s to join its Wi-Fi.
    fn default() -> Self {
        Self {
            ask_again: Duration::from_secs(6),
            reboot: Duration::from_secs(15),
            power_up: Duration::from_secs(15),
        }
    }
}

/// Why a board is not well, or not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwell {
    #[error(transparent)]
    Silent(BoardError),
    #[error("run {run_id} is under way on it, which nobody waits for")]
    Busy { run_id: u32 },
    /// It is another board. Nothing is done to that.
    #[error("it is the board {found}")]
    WrongMac { found: Mac },
    /// It answers, but cannot measure. No restart changes its firmware.
    #[error(transparent)]
    NoProbe(BoardError),
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Rung {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AskAgain => "asking again",
            Self::Reboot => "a restart over HTTP",
            Self::ResetButton => "the reset button",
            Self::SerialReset => "a reset by serial",
            Self::PowerCycle => "a power cycle",
        }
    }
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("rung", &self.rung).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// What can be done about the board of `entry`, which is reached at `address`, in the order in which it is done.
pub fn ladder<'a>(entry: &'a Entry, address: &'a Address, limits: &Limits) -> Vec<Step<'a>> {
    let mut steps = vec![
        Step { rung: Rung::AskAgain, limit: limits.ask_again, act: Box::new(|| Box::pin(async { Ok(()) })) },
        Step { rung: Rung::Reboot, limit: limits.reboot, act: Box::new(move || Box::pin(reboot(address))) },
    ];
    if let Some(power) = &entry.power {
        let limit = power.limit + limits.power_up;
        let act: Act<'_> = Box::new(move || Box::pin(power_cycle(power)));
        steps.push(Step { rung: Rung::PowerCycle, limit, act });
    }
    steps
}

/// Looks at the board at `address` once.
///
/// # Errors
///
/// See [`Unwell`]; silence is one after 5 s.
pub async fn examine(address: &Address, expected: Mac) -> Result<Board, Unwell> {
    examine_within(address, expected, Patience::USUAL).await
}

async fn examine_within(address: &Address, expected: Mac, patience: Patience) -> Result<Board, Unwell> {
    let (board, info) = Board::look(address, patience).await.map_err(|error| match error {
        error @ BoardError::NoProbe { .. } => Unwell::NoProbe(error),
        error => Unwell::Silent(error),
    })?;
    let found: Mac = board.mac.parse().map_err(|error: super::NotAMac| {
        Unwell::Silent(BoardError::Malformed {
            board: address.to_string(),
            request: "its identity".to_owned(),
            reason: error.to_string(),
        })
    })?;
    match info.run.state {
        _ if expected != found => Err(Unwell::WrongMac { found }),
        RunState::Running => Err(Unwell::Busy { run_id: info.run.id }),
        RunState::None | RunState::Done => Ok(board),
    }
}

/// The leased board `mac` at `address`, called `name`, well: as it is, or after as many of `steps` as it needed. What
/// was done is entered into `ledger`.
///
/// # Errors
///
/// [`LeaseError::Sick`] if no step helped; the board is marked so. [`LeaseError::WrongMac`]. The inner error is that
/// the board cannot measure.
pub async fn recover(
    name: &str,
    mac: Mac,
    address: &Address,
    steps: &[Step<'_>],
    ledger: Option<&Ledger>,
    on_event: OnEvent<'_>,
) -> Result<Result<Board, BoardError>, LeaseError> {
    let mut past = ledger.map_or_else(
        || Reliability::new(mac),
        |ledger| {
            // One that cannot be read begins anew; it is no reason to do without the board.
            ledger.read(mac).unwrap_or_else(|_| Reliability::new(mac))
        },
    );
    past.leases += 1;
    let found = climb(name, mac, address, steps, &mut past, on_event).await;
    let is_it = !matches!(found, Err(LeaseError::WrongMac { .. }));
    if let Some(ledger) = ledger.filter(|_| is_it)
        && let Err(error) = ledger.write(&past)
    {
        on_event(&Event::NotRemembered { board: name.to_owned(), reason: story::one_line(&error) });
    }
    found
}

async fn climb(
    name: &str,
    mac: Mac,
    address: &Address,
    steps: &[Step<'_>],
    past: &mut Reliability,
    on_event: OnEvent<'_>,
) -> Result<Result<Board, BoardError>, LeaseError> {
    let mut looked = examine(address, mac).await;
    let mut tried = Vec::new();
    let mut next = steps.iter();
    loop {
        let unwell = match looked {
            Ok(board) => {
                past.well_at_once += u64::from(tried.is_empty());
                past.sick = None;
                return Ok(Ok(board));
            }
            Err(Unwell::NoProbe(error)) => return Ok(Err(error)),
            Err(Unwell::WrongMac { found }) => {
                let (board, address) = (name.to_owned(), address.to_string());
                return Err(LeaseError::WrongMac { board, address, expected: mac, found });
            }
            Err(unwell) => unwell,
        };
        let reason = story::one_line(&unwell);
        past.last_failure = Some(Failure { at: Timestamp::now(), reason: reason.clone() });
        let Some(step) = next.next() else {
            past.fell += 1;
            past.sick = Some(Failure { at: Timestamp::now(), reason: reason.clone() });
            on_event(&Event::MarkedSick { board: name.to_owned(), reason: reason.clone() });
            return Err(LeaseError::Sick { board: name.to_owned(), reason, tried });
        };
        let (board, rung) = (name.to_owned(), step.rung.name());
        on_event(&Event::Recovering { board, rung, limit: step.limit, reason });
        let tries = past.rungs.entry(step.rung).or_default();
        tries.tried += 1;
        let start = Instant::now();
        match tokio::time::timeout(step.limit, (step.act)()).await {
            Ok(Ok(())) => {
                looked = well_before(address, mac, start + step.limit).await;
                tries.helped += u64::from(looked.is_ok());
                tried.push(step.rung.name().to_owned());
            }
            refused => {
                let why = match refused {
                    Ok(Err(why)) => why,
                    _ => format!("it took longer than {} s", step.limit.as_secs()),
                };
                looked = Err(unwell);
                tried.push(format!("{} ({why})", step.rung.name()));
            }
        }
        if looked.is_ok() {
            on_event(&Event::Recovered {
                board: name.to_owned(),
                rung: step.rung.name(),
                after: start.elapsed(),
            });
        }
    }
}

/// Looks again and again until the board is well, or `deadline`.
async fn well_before(address: &Address, mac: Mac, deadline: Instant) -> Result<Board, Unwell> {
    loop {
        let looked =
            tokio::time::timeout_at(deadline, examine_within(address, mac, Patience::ONE_LOOK)).await;
        match looked {
            Ok(Err(Unwell::Silent(_) | Unwell::Busy { .. })) if Instant::now() + LOOK_AGAIN < deadline => {}
            Ok(looked) => return looked,
            Err(_) => return examine_within(address, mac, Patience::ONE_LOOK).await,
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn reboot(address: &Address) -> Result<(), String> {
    let why = |error| match error {
        BoardError::Unreachable { .. } => "it does not answer".to_owned(),
        error => story::one_line(&error),
    };
    let (board, before) = Board::look(address, Patience::ONE_LOOK).await.map_err(why)?;
    board.reboot().await.map_err(why)?;
    // What is looked at next must not be the boot that is about to end.
    while board.info_if_up().await.is_ok_and(|now| now.boot_id == before.boot_id) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

async fn power_cycle(power: &PowerControl) -> Result<(), String> {
    let [program, arguments @ ..] = power.cycle.as_slice() else {
        return Err("it has no command".to_owned());
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    let finished =
        process::run(command, power.limit, &mut |_, _| ()).await.map_err(|e| story::one_line(&e))?;
    if finished.status.success() {
        return Ok(());
    }
    let ended = format!("{program} ended with {}", finished.status);
    Err(match finished.log_end.lines().last() {
        Some(last) => format!("{ended}: {last}"),
        None => ended,
    })
}
