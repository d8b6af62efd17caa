//! All that a session found, in every format.

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    #[error("cannot write the report to {path}")]
    Unwritable { path: std::path::PathBuf, source: std::io::Error },
    #[error("{path} is not a result of this program: {reason}")]
    Malformed { path: std::path::PathBuf, reason: String },
}
