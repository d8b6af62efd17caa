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
        Event::RunProgress { pattern, frames, of } => {
            (u64::from(*frames), Some(u64::from(*of)), format!("measuring {pattern}"))
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
        Event::ToolReady { name, version } => format!("{name} {version} is ready"),
        Event::Revision { revision, number, of } => format!("{number} of {of}: {revision}"),
        Event::MeasuredBefore { revision } => format!("{revision} was measured before"),
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
        _ => return None,
    })
}
