//! What every command has: how to print, and where the tools are.

use std::io::Write as _;
use std::path::Path;

use k1_hil::graph::{self, Graph};
use k1_hil::tools::Toolbox;

use crate::failure::Failure;
use crate::progress::Progress;

#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) toolbox: Toolbox,
}

impl Shell {
    /// Prints `value` as JSON with `--json`, and `text` otherwise.
    pub(crate) fn print<T: serde::Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let printed = if self.json {
            serde_json::to_writer_pretty(&mut out, value)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
        } else {
            out.write_all(text().as_bytes())
        };
        match printed {
            // A reader that has seen enough (`| head`) is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(Failure::Output),
        }
    }

    /// Says something beside the result.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// A printer of progress to standard error.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(self.quiet)
    }
}

/// Reads the graphs at `paths`; the faults of all of them are told at once, warnings to standard error.
pub(crate) fn load_graphs(paths: &[impl AsRef<Path>]) -> Result<Vec<Graph>, Failure> {
    let mut graphs = Vec::with_capacity(paths.len());
    let mut errors = Vec::new();
    for path in paths {
        match graph::load(path.as_ref()) {
            Ok(graph) => {
                for warning in &graph.warnings {
                    eprintln!("{}", warning.display(&path.as_ref().display().to_string()));
                }
                graphs.push(graph);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(graphs) } else { Err(Failure::Graphs(errors)) }
}
