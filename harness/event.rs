//! What happens during a step, as facts with numbers. Shells turn them into bars and lines.

use std::time::Duration;

/// Called with each event of a step, from whatever thread it happens on.
pub type OnEvent<'a> = &'a (dyn Fn(&Event) + Send + Sync);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Another process installs the same tools; this one waits for it.
    SetupWaits,
    /// The set-up begins to fetch or install `what`.
    SetupStep { what: String },
    /// `received` of `total` bytes of a file have arrived.
    Downloading { what: String, received: u64, total: u64 },
    /// `name` is installed and was checked.
    ToolReady { name: String, version: String },
    /// The firmware of `revision` comes next, the `number`th (from 1) of `of`.
    Revision { revision: String, number: usize, of: usize },
    /// The numbers of this firmware were in the cache.
    MeasuredBefore { revision: String },
    /// `board` is somebody else's at the moment: `holder`, for people. This waits for it.
    LeaseWaits { board: String, holder: String },
    /// The board's last holder, for people, ended without returning it: killed, or the host went down.
    HolderDied { board: String, holder: String },
    /// The board is not well, and `rung` is tried next, for at most `limit`.
    Recovering { board: String, rung: &'static str, limit: Duration, reason: String },
    /// The board is well again.
    Recovered { board: String, rung: &'static str, after: Duration },
    /// Nothing helped: the board is given up until it is found well again.
    MarkedSick { board: String, reason: String },
    /// `asked` of `of` addresses were asked whether a board is there.
    Scanned { asked: usize, of: usize },
    /// How reliable the board was could not be written down.
    NotRemembered { board: String, reason: String },
    /// C++ was generated for `patterns` patterns.
    Generated { patterns: usize, lines: usize },
    /// The image was already in the cache.
    CompileCached,
    /// The build tool started.
    CompileStarted,
    /// The build tool worked on a file (`Compiling`, `Linking` …); no total is known.
    CompileStep { action: String, file: String },
    /// The image exists.
    Compiled { flash_bytes: u64, ram_bytes: u64, seconds: f64 },
    /// The board runs the image already; nothing was sent.
    DeploySkipped,
    /// `sent` of `total` bytes have been acknowledged by the board.
    Uploading { sent: u64, total: u64 },
    /// Flashing by serial failed and begins anew, for the `attempt`th time of at most `of`.
    FlashRetry { attempt: u32, of: u32, reason: String },
    /// The board has the whole image and restarts.
    Restarting,
    /// The board proved that it runs the image.
    Deployed { slot: String },
    /// A measured run of `pattern` was armed.
    RunArmed { pattern: String, frames: u32 },
    /// `frames` of the run are recorded.
    RunProgress { pattern: String, frames: u32, of: u32 },
    /// The run was read back whole.
    Captured { pattern: String, frames: u32, rejected: u32 },
    /// A profile was made before and is in the cache.
    ProfiledBefore { pattern: String },
    /// The instructions of `frames` frames are being counted.
    ProfileStarted { pattern: String, frames: u32 },
    /// They are.
    Profiled { pattern: String, frames: u32 },
    /// A Conductor server was started and is not ready yet, which takes 5 to 20 s.
    ServerStarting { address: String },
    /// A worker begins the task with that id.
    TaskReceived { task: String, id: String },
    /// A worker ended it; `status` as the server writes it.
    TaskEnded { task: String, id: String, status: String, seconds: f64 },
    /// A worker that stops gave back a task that it had not begun, or could not even do that.
    TaskHandedBack { task: String, id: String, handed_back: bool },
    /// A result that an earlier process left on disk was sent.
    ResultResent { id: String, status: String },
    /// Results cannot be put on disk; they are sent all the same.
    SpoolUnusable { reason: String },
    /// The Conductor server could not be asked for work. It is asked again and again.
    ServerAway { server: String, reason: String },
    /// It answers again.
    ServerBack { server: String },
    /// A task of a workflow that is followed changed; `status` as the server writes it, `attempt` from 1.
    Task { reference: String, status: String, attempt: u32, reason: Option<String> },
    /// A webhook's delivery waits for these workflows to be started.
    DeliveryQueued { delivery: String, workflows: Vec<String> },
    /// A webhook's delivery was genuine and starts nothing.
    DeliveryIgnored { delivery: String, reason: String },
    /// A webhook's delivery was not taken; `status` is what its sender was told.
    DeliveryRefused { status: u16, reason: String },
    /// A workflow was started for a delivery.
    WorkflowStarted { workflow: String, delivery: String },
    /// A workflow could not be started yet; it is tried again after `wait`.
    StartDelayed { workflow: String, delivery: String, reason: String, wait: std::time::Duration },
    /// A workflow can never be started; its delivery is among the failed ones.
    StartGivenUp { workflow: String, delivery: String, reason: String },
    /// The webhook's queue on disk cannot be changed. It is tried again and again.
    QueueUnusable { reason: String },
}

/// Drops every event.
pub fn ignore(_: &Event) {}
