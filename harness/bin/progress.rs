//! Events as bars on a terminal and as plain lines elsewhere, on standard error.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use k1_hil::Event;

/// Prints events. Plain lines leave out what only a bar can show (each file, each block).
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    last_line: Mutex<String>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, quiet, last_line: Mutex::default() }
    }

    /// Lines and no bar, for what happens at the same time.
    pub(crate) fn lines(quiet: bool) -> Self {
        Self { bar: None, quiet, last_line: Mutex::default() }
    }

    /// Shows one event.
    pub(crate) fn event(&self, event: &Event) {
        match &self.bar {
            Some(bar) => show_bar(bar, event),
            None if self.quiet => {}
            None => self.line(event),
        }
    }

    fn line(&self, event: &Event) {
        let Some(line) = line(event) else { return };
        let Ok(mut last) = self.last_line.lock() else { return };
        if *last != line {
            eprintln!("{line}");
            *last = line;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn show_bar(bar: &ProgressBar, event: &Event) {
    let (position, length, text) = match event {
        Event::Uploading { sent, total } => (*sent, Some(*total), "sending the image".to_owned()),
        Event::Downloading { what, received, total } => {
            (received >> 20, Some(total >> 20), format!("downloading {what} (MB)"))
        }
        Event::RunProgress { pattern, frames, of } => {
            (u64::from(*frames), Some(u64::from(*of)), format!("measuring {pattern}"))
        }
        Event::Scanned { asked, of } => {
            (*asked as u64, Some(*of as u64), "asking whether boards are there".to_owned())
        }
        Event::CompileStep { action, file } => (0, None, format!("{} {file}", action.to_lowercase())),
        other => match line(other) {
            Some(line) => (0, None, line),
            None => return,
        },
    };
    // The numbers first: each of these calls may draw, and a new text must not stand beside old numbers.
    match length {
        Some(length) => {
            bar.set_length(length);
            bar.set_position(position);
        }
        None => bar.unset_length(),
    }
    let template = if length.is_some() {
        "{spinner} {msg} [{bar:30}] {pos}/{len}"
    } else {
        "{spinner} {msg} ({elapsed})"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(text);
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::SetupWaits => "waiting for another set-up of the same tools".to_owned(),
        Event::SetupStep { what } => what.clone(),
        Event::Downloading { what, total, .. } => format!("downloading {what} ({} MB)", total >> 20),
        Event::ToolReady { name, version } => format!("{name} {version} is ready"),
        Event::Revision { revision, number, of } => format!("{number} of {of}: {revision}"),
        Event::MeasuredBefore { revision } => format!("{revision} was measured before"),
        Event::LeaseWaits { board, holder } => format!("waiting for {board}: {holder}"),
        Event::HolderDied { board, holder } => {
            format!("the last holder of {board} was killed: {holder}")
        }
        Event::Recovering { board, rung, limit, reason } => {
            format!("{board} is not well: {reason}; trying {rung} for at most {} s", limit.as_secs())
        }
        Event::Recovered { board, rung, after } => {
            format!("{board} is well again {:.1} s after {rung}", after.as_secs_f64())
        }
        Event::MarkedSick { board, .. } => format!("{board} is marked sick"),
        Event::NotRemembered { board, reason } => {
            format!("the reliability of {board} was not written down: {reason}")
        }
        Event::Generated { patterns, lines } => {
            format!("generated {lines} lines of C++ for {patterns} pattern(s)")
        }
        Event::CompileCached => "the image is in the cache".to_owned(),
        Event::CompileStarted => "compiling".to_owned(),
        Event::Compiled { flash_bytes, ram_bytes, seconds } => {
            format!("compiled in {seconds:.1} s: {flash_bytes} bytes of flash, {ram_bytes} bytes of RAM")
        }
        Event::DeploySkipped => "the board runs this image already".to_owned(),
        Event::Uploading { sent, total } if sent == total => format!("sent {total} bytes"),
        Event::FlashRetry { attempt, of, reason } => format!("{reason}; attempt {attempt} of {of}"),
        Event::Restarting => "the board restarts".to_owned(),
        Event::Deployed { slot } => format!("the board runs the image from {slot}"),
        Event::Captured { pattern, frames, rejected: 0 } => format!("measured {frames} frames of {pattern}"),
        Event::Captured { pattern, frames, rejected } => {
            format!("measured {frames} frames of {pattern}; {rejected} rejected")
        }
        Event::ProfiledBefore { pattern } => format!("{pattern} was profiled before"),
        Event::ProfileStarted { pattern, frames: 1 } => {
            format!("counting the instructions of a frame of {pattern}")
        }
        Event::ProfileStarted { pattern, frames } => {
            format!("counting the instructions of {frames} frames of {pattern}")
        }
        Event::ServerStarting { address } => format!("starting the Conductor server on {address}"),
        Event::TaskReceived { task, id } => format!("{task} begins ({id})"),
        Event::TaskEnded { task, id, status, seconds } => {
            format!("{task} ended after {seconds:.1} s: {status} ({id})")
        }
        Event::TaskHandedBack { task, id, handed_back: true } => format!("gave {task} back ({id})"),
        Event::TaskHandedBack { task, id, handed_back: false } => {
            format!("could not give {task} back; the server notices by itself ({id})")
        }
        Event::ResultResent { id, status } => format!("sent a result of an earlier worker: {status} ({id})"),
        Event::SpoolUnusable { reason } => reason.clone(),
        Event::ServerAway { reason, .. } => format!("{reason}; trying again until it answers"),
        Event::ServerBack { server } => format!("{server} answers again"),
        Event::Task { reference, status, attempt, reason } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{reference} {status}{again}{why}")
        }
        Event::DeliveryQueued { delivery, workflows } => {
            format!("delivery {delivery} starts {}", workflows.join(", "))
        }
        Event::DeliveryIgnored { delivery, reason } => {
            format!("delivery {delivery} starts nothing: {reason}")
        }
        Event::DeliveryRefused { status, reason } => format!("refused a delivery with {status}: {reason}"),
        Event::WorkflowStarted { workflow, delivery } => format!("{workflow} was started for {delivery}"),
        Event::StartDelayed { workflow, delivery, reason, wait } => {
            format!("{workflow} for {delivery} has to wait {wait:.0?}: {reason}")
        }
        Event::StartGivenUp { workflow, delivery, reason } => {
            format!("{workflow} cannot be started for {delivery}: {reason}")
        }
        Event::QueueUnusable { reason } => format!("{reason}; trying again"),
        _ => return None,
    })
}
