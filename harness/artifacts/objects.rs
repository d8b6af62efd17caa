//! The few calls of an object store that the artifact store is made of. Every object appears whole; of several who
//! create the same one, exactly one does.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, PutMode};
use reqwest::Url;

use super::ArtifactError;
use crate::blame::Blame;

/// How much of what a store said is kept.
const REASON_LIMIT: usize = 400;

/// How long one call may take, for a store that nothing else is set for: an ELF of 20 MB over a slow line.
const CALL_LIMIT: (&str, &str) = ("timeout", "300s");

#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What people are shown: no credentials in it.
    address: String,
}

/// The clients of the clouds show identifiers of keys, and who knows what else in a later version.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An object, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub key: String,
    pub bytes: u64,
    /// By the store's clock.
    pub changed: jiff::Timestamp,
}

impl Objects {
    /// The objects in `folder`, which is made where missing.
    ///
    /// Unlike measured results, which can be made again, artifacts are synced to the disk.
    pub(super) fn at(folder: &Path) -> Result<Self, ArtifactError> {
        let unusable = |source| ArtifactError::File { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let address = folder.display().to_string();
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(&address, error))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), address })
    }

    /// The objects at `address`, a folder or an address; `settings` are credentials and the like.
    pub(super) fn open(
        address: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ArtifactError> {
        if !address.contains("://") {
            return Self::at(Path::new(address));
        }
        let unfit =
            |shown: &str, reason: String| ArtifactError::Address { address: shown.to_owned(), reason };
        // What cannot be read may hold a password anywhere, so it is not shown.
        let url: Url = address.parse().map_err(|error| unfit("what was given", format!("{error}")))?;
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        // Neither can be refused: what has no host has no user either.
        let _ = bare.set_password(None);
        let shown = bare.to_string();
        if url.password().is_some() || url.query().is_some() {
            return Err(unfit(
                &shown,
                "credentials belong into the environment, not into the address".into(),
            ));
        }
        if url.scheme() == "file" {
            let folder =
                url.to_file_path().map_err(|()| unfit(&shown, "it is not a path of this machine".into()))?;
            return Self::at(&folder);
        }
        let (scheme, _) =
            ObjectStoreScheme::parse(&url).map_err(|_| unfit(&shown, kinds("it is of an unknown kind")))?;
        let (kind, built) = match scheme {
            ObjectStoreScheme::AmazonS3 => ("s3", cfg!(feature = "s3")),
            ObjectStoreScheme::GoogleCloudStorage => ("gcs", cfg!(feature = "gcs")),
            ObjectStoreScheme::MicrosoftAzure => ("azure", cfg!(feature = "azure")),
            // A plain web server cannot create an object only where none is, and memory is gone with the process.
            _ => return Err(unfit(&shown, kinds("it is of a kind that cannot hold artifacts"))),
        };
        if !built {
            return Err(unfit(&shown, format!("this program was built without the cargo feature {kind}")));
        }
        let limit = (CALL_LIMIT.0.to_owned(), CALL_LIMIT.1.to_owned());
        let (store, prefix) = object_store::parse_url_opts(&url, [limit].into_iter().chain(settings))
            .map_err(|error| unfit(&shown, reason(&error.to_string())))?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), address: shown })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The bytes under `key`; none if nothing is there.
    pub(super) async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, ArtifactError> {
        let read = async { self.store.get(&Key::from(key)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// How many bytes are under `key`; none if nothing is there.
    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>, ArtifactError> {
        match self.store.head(&Key::from(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Puts `bytes` under `key`, whatever is there.
    pub(super) async fn write(&self, key: &str, bytes: Vec<u8>) -> Result<(), ArtifactError> {
        self.store.put(&Key::from(key), bytes.into()).await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Puts `bytes` under `key` unless something is there; false if something is.
    ///
    /// An answer that got lost makes the client ask again and find its own object: so false can also mean that this
    /// call made it, and who needs to know reads it.
    pub(super) async fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool, ArtifactError> {
        match self.store.put_opts(&Key::from(key), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Removes what is under `key`, if something is.
    pub(super) async fn delete(&self, key: &str) -> Result<(), ArtifactError> {
        match self.store.delete(&Key::from(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// All objects whose key begins with the segments of `prefix`, by key.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, ArtifactError> {
        let listing = self.store.list(Some(&Key::from(prefix))).map_ok(|meta| Listed {
            key: meta.location.to_string(),
            bytes: meta.size,
            // The store's clock may be at any time; one that jiff cannot hold is the beginning of all.
            changed: jiff::Timestamp::from_second(meta.last_modified.timestamp()).unwrap_or_default(),
        });
        let mut listed: Vec<Listed> = listing.try_collect().await.map_err(|error| self.failed(error))?;
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    fn failed(&self, error: Error) -> ArtifactError {
        failed(&self.address, error)
    }
}

fn kinds(reason: &str) -> String {
    format!("{reason}; there are folders, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX and az://CONTAINER/PREFIX")
}

fn failed(address: &str, error: Error) -> ArtifactError {
    let told = error.to_string();
    let blame = match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Blame::Configuration,
        Error::NotImplemented { .. } | Error::NotSupported { .. } => Blame::Configuration,
        // A listing that is refused has no kind of its own.
        _ if told.contains("status code: 403") || told.contains("status code: 401") => Blame::Configuration,
        _ => Blame::Infrastructure,
    };
    ArtifactError::Store { store: address.to_owned(), reason: reason(&told), blame }
}

/// What a store's client said, on one line and without the queries of addresses: they may hold signatures.
fn reason(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("s3://key:hidden@bucket/a", "credentials belong into the environment")]
    #[case("https://account.blob.core.windows.net/c?sig=hidden", "credentials belong into the environment")]
    #[case("https://example.com/a", "it is of a kind that cannot hold artifacts")]
    #[case("memory:///a", "it is of a kind that cannot hold artifacts")]
    #[case("ftp://example.com/a", "it is of an unknown kind")]
    #[case("s3://bucket:hidden/a", "invalid port number")]
    fn an_address_that_is_none_is_refused_and_shows_no_secret(#[case] address: &str, #[case] part: &str) {
        let error = Objects::open(address, []).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }

    #[test]
    fn what_a_store_said_shows_no_signature() {
        let said = "Error performing GET https://a.net/c/k?sv=1&sig=hidden in 3 ms\n  - 503";
        assert_eq!(reason(said), "Error performing GET https://a.net/c/k?… in 3 ms - 503");
        assert_eq!(reason(&"ü".repeat(500)).chars().count(), REASON_LIMIT + 1);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn no_debug_output_shows_credentials() {
        let settings = [
            ("aws_access_key_id".to_owned(), "hidden-key".to_owned()),
            ("aws_secret_access_key".to_owned(), "hidden-secret".to_owned()),
            ("aws_session_token".to_owned(), "hidden-token".to_owned()),
        ];
        let objects = Objects::open("s3://bucket/prefix", settings).unwrap();
        assert!(!format!("{objects:?}").contains("hidden"), "{objects:?}");
    }
}
