//! The artifact store: built firmware and other files under a name and a version, in a folder or an object store.
//!
//! ```text
//! blobs/<2 digits>/<sha256>                the files, by content: the same bytes are stored once
//! records/<name>/<version>.json            an artifact; what it is made of is there before it is
//! labels/<name>/<label>/<number>.json      where a label was set, and when; the highest number counts
//! trash/<seconds>/<any of these keys>      what the clean-up took away, until its grace is over
//! ```
//!
//! Two properties of an object store are all that this is built on, and folders, S3, GCS and Azure have both: an object
//! appears whole or not at all, and of several who create the same object exactly one does. So a label is not
//! overwritten but followed by its next number, which is created by one of those who try. Conditional overwriting
//! would be one object instead of many, but a folder cannot do it, and the numbers are the label's history.
//!
//! Not for: the build cache, which is one machine's and may be deleted at any time ([`crate::image`]).

mod error;
mod gc;
mod get;
mod id;
mod image;
mod label;
mod name;
mod objects;
mod put;
mod record;
mod trash;

use std::path::Path;

pub use error::ArtifactError;
pub use gc::{Collected, Mode, Retention};
pub use id::ArtifactId;
pub use label::{Expected, Labelled};
pub use name::{Label, Name, NotAName, Version};
pub use put::{NewArtifact, Stored};
pub use record::{Artifact, Record, StoredFile};

use objects::Objects;

/// An artifact store. Any number of processes may use the same one.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Objects,
}

impl Store {
    /// The store in `folder`, which is made where missing.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::File`].
    pub fn at(folder: &Path) -> Result<Self, ArtifactError> {
        Ok(Self { objects: Objects::at(folder)? })
    }

    /// The store at `address`: a folder, `file:///FOLDER`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`,
    /// `az://CONTAINER/PREFIX`, or one of the addresses by `https` that the clouds have for them.
    ///
    /// `settings` are the names and values that the clouds' own tools read from the environment, in lower case:
    /// `aws_access_key_id`, `aws_endpoint`, `google_service_account`, `azure_storage_account_key` …; those of other
    /// clouds, and unknown ones, are passed over. Nothing is asked of the store yet.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Address`], [`ArtifactError::File`].
    pub fn open(
        address: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ArtifactError> {
        Ok(Self { objects: Objects::open(address, settings)? })
    }

    /// Where it is, without credentials.
    pub fn address(&self) -> &str {
        self.objects.address()
    }
}
