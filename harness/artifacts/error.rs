//! Why the artifact store did not do what it was asked.

use std::path::PathBuf;

use super::{Label, Name, Version};
use crate::blame::Blame;
use crate::digest::Sha;

/// Why the artifact store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The address of a store is none, or of a kind that this program was not built with.
    #[error("{address} is not the address of an artifact store: {reason}")]
    Address { address: String, reason: String },
    /// The store was not reached, or refused.
    #[error("the artifact store {store} did not answer as it should: {reason}")]
    Store { store: String, reason: String, blame: Blame },
    /// What the store holds under `key` was not written by this program, or was damaged.
    #[error("{key} in the artifact store {store} is damaged: {reason}")]
    Damaged { store: String, key: String, reason: String },
    /// The bytes of a file are not those that were put.
    #[error("{file} of {name} {version} is damaged: it has the SHA-256 {found}, not {expected}")]
    Checksum { name: Name, version: Version, file: String, expected: Sha, found: Sha },
    /// The bytes of a file are gone.
    #[error("{file} of {name} {version} is no longer in the artifact store")]
    Gone { name: Name, version: Version, file: String },
    /// There is no such artifact.
    #[error("the artifact store {store} has no {name} {reference}")]
    Unknown { store: String, name: Name, reference: String },
    /// The version is there with other files.
    #[error(
        "{name} {version} exists with other content (SHA-256 {}, not {})",
        found.short(),
        offered.short()
    )]
    Exists { name: Name, version: Version, found: Sha, offered: Sha },
    /// A label is not where the caller thought.
    #[error("the label {label} of {name} is {}, not {}", at(found), at(expected))]
    Moved { name: Name, label: Label, expected: Option<Version>, found: Option<Version> },
    /// Others kept moving the label meanwhile.
    #[error("the label {label} of {name} was moved by others again and again")]
    Contended { name: Name, label: Label },
    /// A label that stands for a verified health check was to be set without one.
    #[error("{label} is set after a verified health check only")]
    Unverified { label: Label },
    /// What was to be put is not an artifact.
    #[error("this cannot become an artifact: {reason}")]
    Unfit { reason: String },
    /// A file on this machine could not be read or written.
    #[error("cannot use {path}")]
    File { path: PathBuf, source: std::io::Error },
    /// What was put is not an image of firmware.
    #[error("{name} {version} is not a firmware image: {reason}")]
    NoImage { name: Name, version: Version, reason: String },
}

impl ArtifactError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Store { blame, .. } => *blame,
            Self::Address { .. } | Self::File { .. } => Blame::Configuration,
            Self::Unknown { .. }
            | Self::Exists { .. }
            | Self::Moved { .. }
            | Self::Unverified { .. }
            | Self::Unfit { .. }
            | Self::NoImage { .. } => Blame::Input,
            Self::Damaged { .. } | Self::Checksum { .. } | Self::Gone { .. } | Self::Contended { .. } => {
                Blame::Infrastructure
            }
        }
    }
}

fn at(version: &Option<Version>) -> String {
    version.as_ref().map_or("nowhere".to_owned(), |version| format!("at {version}"))
}
