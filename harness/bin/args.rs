//! Arguments that several commands share.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;
use k1_hil::OnEvent;
use k1_hil::audio::Recording;
use k1_hil::bench::{AtPort, Bench, Sought, Stock};
use k1_hil::board::inventory::{self, Inventory, Looked, Selected};
use k1_hil::board::lease::{Leasing, Owner};
use k1_hil::board::recovery::Limits;
use k1_hil::board::{Mac, Password};
use k1_hil::capture::{AudioSource, Plan, Stimulus};
use k1_hil::compare::Lab;
use k1_hil::deploy::DeployOptions;
use k1_hil::session::Session;
use k1_hil::verdict::{Budgets, Comparison};

use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

/// The board to work on.
#[derive(clap::Args, Debug)]
pub(crate) struct BoardArgs {
    /// A board: its name, MAC or labels in the inventory (`model == k1-s3 and psram and not flaky`), or an address
    /// with its HTTP and update ports if they are not 80 and 3232
    #[arg(long, value_name = "NAME|MAC|LABELS|HOST[:HTTP[:OTA]]", env = "HIL_BOARD", hide_env_values = true)]
    board: Option<String>,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    lease: LeaseArgs,
    /// Password of the board's over-the-air updates; only from the environment, so that no process list shows it
    #[arg(long = "ota-password", env = "HIL_OTA_PASSWORD", hide_env_values = true, hide = true)]
    password: Option<Password>,
}

/// Which inventory.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct InventoryArgs {
    /// The inventory [default: HIL_BOARDS_FILE, else hil.boards.toml here or above, else the user's]
    #[arg(long, value_name = "FILE")]
    boards_file: Option<PathBuf>,
}

/// How to take boards that others may have.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct LeaseArgs {
    /// How long to wait for a board that somebody else has: `90s`, `10m`; `0s` does not wait
    #[arg(long, value_name = "DURATION", env = "HIL_LEASE_TIMEOUT", hide_env_values = true, default_value = "5m", value_parser = duration)]
    lease_timeout: Duration,
}

/// Boards that were asked for and are in the inventory, or somewhere on the network.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    inventory: Inventory,
    selected: Selected,
    count: NonZeroUsize,
    lease: &'a LeaseArgs,
}

impl BoardArgs {
    /// The virtual board of this process.
    pub(crate) fn virtual_board() -> Self {
        Self { board: None, inventory: InventoryArgs::default(), lease: LeaseArgs::default(), password: None }
    }

    /// The `count` boards that are asked for; none if nobody asks. No board is touched yet, so that what is asked for
    /// in vain is told before anything is compiled.
    pub(crate) fn wanted(&self, count: NonZeroUsize) -> Result<Option<Wanted<'_>>, Failure> {
        let Some(asked) = &self.board else { return Ok(None) };
        let (inventory, _) = self.inventory.read()?;
        let selected = inventory.select(asked)?;
        selected.enough_for(count.get())?;
        Ok(Some(Wanted { inventory, selected, count, lease: &self.lease }))
    }

    /// The board that is asked for, where there has to be one.
    pub(crate) fn required(&self) -> Result<Wanted<'_>, Failure> {
        self.wanted(NonZeroUsize::MIN)?.ok_or_else(no_board)
    }

    /// Leases the board at a serial port, for `program`: at `port`, or at that of the board that is asked for.
    pub(crate) async fn at_port(
        &self,
        port: Option<&Path>,
        mac: Option<Mac>,
        shell: &Shell,
        program: &str,
        on_event: OnEvent<'_>,
    ) -> Result<AtPort, Failure> {
        let (inventory, _) = self.inventory.read()?;
        let selected = match &self.board {
            Some(asked) => Some(inventory.select(asked)?),
            None if port.is_some() => None,
            None => return Err(no_board()),
        };
        let (leasing, ledger) = (self.lease.leasing(program, "flashing by serial"), None);
        let (limits, toolbox, env) = (Limits::default(), &shell.toolbox, &places::text);
        let stock = Stock { inventory: &inventory, leasing: &leasing, ledger, limits, toolbox, env };
        Ok(AtPort::lease(Sought { selected: selected.as_ref(), port, mac }, stock, on_event).await?)
    }

    pub(crate) fn deploy_options(&self) -> DeployOptions {
        DeployOptions { password: self.password.clone(), ..DeployOptions::default() }
    }
}

fn no_board() -> Failure {
    Failure::Usage(
        "no board is given; use --board NAME or HOST, or start one with `k1-hil vboard`".to_owned(),
    )
}

impl Wanted<'_> {
    /// Leases the boards, for `program`.
    pub(crate) async fn lease(
        &self,
        shell: &Shell,
        program: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Bench, Failure> {
        let leasing = self.lease.leasing(program, "");
        let ledger = places::ledger();
        let stock = Stock {
            inventory: &self.inventory,
            leasing: &leasing,
            ledger: ledger.as_ref(),
            limits: Limits::default(),
            toolbox: &shell.toolbox,
            env: &places::text,
        };
        Ok(Bench::lease(&self.selected, self.count, stock, on_event).await?)
    }
}

impl InventoryArgs {
    /// The inventory that counts, and where was looked.
    pub(crate) fn read(&self) -> Result<(Inventory, Vec<Looked>), Failure> {
        Ok(inventory::find(&places::inventories(self.boards_file.as_deref()))?)
    }

    /// The inventory to be written, which need not be there yet.
    pub(crate) fn read_or_new(&self) -> Result<(Inventory, Vec<Looked>), Failure> {
        Ok(inventory::find_or_new(&places::inventories(self.boards_file.as_deref()))?)
    }
}

impl LeaseArgs {
    /// Leases of this process.
    pub(crate) fn leasing(&self, program: &str, purpose: &str) -> Leasing {
        leasing(program, purpose, self.lease_timeout)
    }
}

/// Leases of this process, which waits at most for `wait`.
pub(crate) fn leasing(program: &str, purpose: &str, wait: Duration) -> Leasing {
    Leasing { locks: places::locks(), owner: Owner::of_process(program, purpose), wait }
}

/// `90s`, `10m`, `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as 90s, 10m or 2h".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// How to measure.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct PlanArgs {
    /// Frames to record of each pattern
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=2048))]
    frames: u32,
    #[command(flatten)]
    run: RunArgs,
}

/// How to measure, but for how many frames.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct RunArgs {
    /// Frames to draw and throw away first
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    warmup: u32,
    /// Seed of the stimulus
    #[arg(long, default_value_t = 1, env = "HIL_SEED", hide_env_values = true)]
    seed: u32,
    /// What the pattern hears: silence, tone, beat, noise, music, or a sound file (WAV, FLAC, MP3, Ogg Vorbis, or what
    /// `k1-hil audio --output` wrote), which begins again when it is over
    #[arg(long, value_name = "NAME|FILE", default_value = "music", value_parser = stimulus)]
    stimulus: StimulusArg,
    /// Whether the firmware is told what there is to hear, or hears it with its own audio analysis
    #[arg(long, value_enum, default_value_t)]
    audio: AudioSource,
}

/// A stimulus as it was typed.
#[derive(Debug, Clone)]
enum StimulusArg {
    Named(Stimulus),
    File(PathBuf),
}

fn stimulus(text: &str) -> Result<StimulusArg, Infallible> {
    Ok(match Stimulus::from_str(text, false) {
        Ok(named) => StimulusArg::Named(named),
        Err(_) => StimulusArg::File(text.into()),
    })
}

impl PlanArgs {
    pub(crate) fn plan(&self, shell: &Shell, pattern: &str) -> Result<Plan, Failure> {
        self.run.plan(shell, pattern, self.frames)
    }
}

impl RunArgs {
    pub(crate) fn plan(&self, shell: &Shell, pattern: &str, frames: u32) -> Result<Plan, Failure> {
        let stimulus = match &self.stimulus {
            StimulusArg::Named(named) => named.clone(),
            StimulusArg::File(path) => recording(shell, path)?,
        };
        let (seed, warmup, audio) = (self.seed, self.warmup, self.audio);
        Ok(Plan { pattern: pattern.to_owned(), seed, warmup, frames, stimulus, audio })
    }
}

/// The recording of the file at `path`, and a word about it.
fn recording(shell: &Shell, path: &Path) -> Result<Stimulus, Failure> {
    if !path.exists() {
        let names: Vec<_> = Stimulus::value_variants().iter().map(ToString::to_string).collect();
        let (names, path) = (names.join(", "), path.display());
        return Err(Failure::Usage(format!("{path} is no stimulus ({names}), and there is no such file")));
    }
    let recording = Recording::load(path)?;
    let name = recording.name(path);
    let beat = recording
        .bpm()
        .map_or_else(|| "no clear beat".to_owned(), |bpm| format!("{bpm:.1} beats per minute"));
    shell.note(&format!("stimulus {name}: {:.1} s, {beat}", name.seconds));
    if recording.gain() < 1.0 {
        shell.note(&format!(
            "it is louder than a microphone can hear; played at {:.2} of its loudness",
            recording.gain()
        ));
    }
    Ok(Stimulus::Recording(name))
}

/// How to judge.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct JudgeArgs {
    /// Folder of the stored baselines
    #[arg(long, value_name = "DIR", default_value = "baselines")]
    pub(crate) baselines: PathBuf,
    /// Smallest change of the render time that counts, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = Comparison::default().min_effect_percent, value_parser = amount)]
    min_effect: f64,
    /// Fewest frames per second
    #[arg(long, value_name = "FPS", default_value_t = Budgets::default().min_fps, value_parser = amount)]
    min_fps: f64,
    /// Longest render time of 99 of 100 frames
    #[arg(long, value_name = "MS", default_value_t = Budgets::default().max_render_ms, value_parser = amount)]
    max_render_ms: f64,
}

impl JudgeArgs {
    pub(crate) fn comparison(&self) -> Comparison {
        Comparison { min_effect_percent: self.min_effect }
    }

    pub(crate) fn budgets(&self) -> Budgets {
        Budgets { min_fps: self.min_fps, max_render_ms: self.max_render_ms, ..Budgets::default() }
    }
}

/// Whose commits to measure, how, and what change counts.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct CheckoutArgs {
    /// The firmware checkout
    #[arg(long, value_name = "PATH", default_value = ".")]
    checkout: PathBuf,
    #[command(flatten)]
    plan: PlanArgs,
    /// Smallest change of the render time that counts, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = Comparison::default().min_effect_percent, value_parser = amount)]
    min_effect: f64,
}

impl CheckoutArgs {
    pub(crate) fn lab<'a>(&self, shell: &'a Shell, patterns: &[String]) -> Result<Lab<'a>, Failure> {
        let session = Session {
            plan: self.plan.plan(shell, "")?,
            comparison: Comparison { min_effect_percent: self.min_effect },
            ..Session::default()
        };
        Ok(Lab::new(&self.checkout, &shell.toolbox, session, patterns.to_vec()))
    }
}

pub(crate) fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number of 0 or more".to_owned()),
    }
}
