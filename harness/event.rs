//! What happens during a step, as facts with numbers. Shells turn them into bars and lines.

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
    /// `name` is installed and was checked.
    ToolReady { name: String, version: String },
    /// The firmware of `revision` comes next, the `number`th (from 1) of `of`.
    Revision { revision: String, number: usize, of: usize },
    /// The numbers of this firmware were in the cache.
    MeasuredBefore { revision: String },
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
}

/// Drops every event.
pub fn ignore(_: &Event) {}
