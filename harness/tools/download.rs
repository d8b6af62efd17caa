//! Large files over HTTPS: checked against a pinned hash, resumed where a connection broke, whole or not there at all.
//!
//! ```text
//! PATH.part    what has arrived so far; kept when a download breaks off, in whatever process
//! PATH         the whole file, and only with the pinned hash
//! ```

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::RANGE;
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};

use super::ToolsError;
use crate::digest::Sha;
use crate::event::{Event, OnEvent};
use crate::story;

/// How long a connection may take to come about, and how long one may stay silent.
const CONNECT: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(60);
/// Attempts in a row that bring nothing.
const ATTEMPTS: u32 = 4;
/// Between two progress events.
const STEP: u64 = 4 << 20;

/// A file that is known by its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// For people: `the Conductor server 3.32.1`.
    pub what: &'a str,
    pub address: &'a str,
    pub bytes: u64,
    pub sha256: Sha,
}

/// Brings `wanted` to `path`, whose folder exists.
///
/// # Errors
///
/// [`ToolsError::Install`] if it is not to be had or has another hash (then nothing of it is kept),
/// [`ToolsError::Cache`] if it cannot be written.
pub(super) async fn download(
    wanted: Wanted<'_>,
    path: &Path,
    on_event: OnEvent<'_>,
) -> Result<(), ToolsError> {
    let part = part_of(path);
    let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
    let client = client.map_err(|error| failed(wanted, story::innermost(&error)))?;
    let mut idle = 0;
    loop {
        let before = length(&part);
        let fault = match fetch(&client, wanted, &part, on_event).await {
            Ok(()) => break,
            Err(Fault::Disk(source)) => return Err(ToolsError::Cache { path: part, source }),
            Err(Fault::Refused(reason)) => return Err(failed(wanted, reason)),
            Err(Fault::Broken(reason)) => reason,
        };
        idle = if length(&part) > before { 0 } else { idle + 1 };
        if idle == ATTEMPTS {
            return Err(failed(wanted, fault));
        }
        tokio::time::sleep(Duration::from_millis(250) * 4_u32.pow(idle)).await;
    }
    let hashed = part.clone();
    let hash = tokio::task::spawn_blocking(move || hash(&hashed)).await;
    let unreadable = |source| ToolsError::Cache { path: part.clone(), source };
    let found = hash.map_err(|error| unreadable(io::Error::other(error)))?.map_err(unreadable)?;
    if found != wanted.sha256 {
        std::fs::remove_file(&part).map_err(unreadable)?;
        let reason = format!("its SHA-256 is {}, not the pinned {}", found.short(), wanted.sha256.short());
        return Err(failed(wanted, reason));
    }
    std::fs::rename(&part, path).map_err(|source| ToolsError::Cache { path: path.to_owned(), source })
}

enum Fault {
    /// Worth another attempt, which goes on where this one stopped.
    Broken(String),
    Refused(String),
    Disk(io::Error),
}

/// Appends to `part` what is missing of it.
async fn fetch(client: &Client, wanted: Wanted<'_>, part: &Path, on_event: OnEvent<'_>) -> Result<(), Fault> {
    let mut have = length(part);
    if have > wanted.bytes {
        std::fs::remove_file(part).map_err(Fault::Disk)?;
        have = 0;
    }
    if have == wanted.bytes {
        return Ok(());
    }
    let mut request = client.get(wanted.address);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let mut response = request.send().await.map_err(broken)?;
    let mut file = match response.status() {
        StatusCode::PARTIAL_CONTENT => File::options().append(true).open(part),
        // A server without ranges sends everything again.
        StatusCode::OK => {
            have = 0;
            File::create(part)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            std::fs::remove_file(part).map_err(Fault::Disk)?;
            return Err(Fault::Broken("what was there of it did not fit".to_owned()));
        }
        status if status.is_server_error() => {
            return Err(Fault::Broken(format!("the server answered {status}")));
        }
        status => return Err(Fault::Refused(format!("the server answered {status}"))),
    }
    .map_err(Fault::Disk)?;
    let report = |received| {
        let what = wanted.what.to_owned();
        on_event(&Event::Downloading { what, received, total: wanted.bytes });
    };
    let mut reported = have;
    report(have);
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        file.write_all(&chunk).map_err(Fault::Disk)?;
        have += chunk.len() as u64;
        if have > wanted.bytes {
            return Err(Fault::Refused(format!("it is longer than {} bytes", wanted.bytes)));
        }
        if have - reported >= STEP || have == wanted.bytes {
            reported = have;
            report(have);
        }
    }
    if have < wanted.bytes {
        return Err(Fault::Broken(format!("it ended after {have} of {} bytes", wanted.bytes)));
    }
    file.sync_all().map_err(Fault::Disk)
}

fn hash(path: &Path) -> io::Result<Sha> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha::from_bytes(hasher.finalize().into())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

fn failed(wanted: Wanted<'_>, reason: String) -> ToolsError {
    ToolsError::Install { what: wanted.what.to_owned(), reason, log_end: String::new() }
}

fn broken(error: reqwest::Error) -> Fault {
    Fault::Broken(story::innermost(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::{Body, Bytes};
    use axum::http::HeaderMap;
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::get;
    use futures_util::stream;

    use super::*;

    const SIZE: usize = 10 << 20;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at * 31 % 251) as u8).collect()
    }

    /// Serves [`content`], but breaks each connection after a third of it; returns its address.
    async fn server(with_ranges: bool) -> String {
        let answer = move |headers: HeaderMap| async move {
            let range = headers.get(RANGE).filter(|_| with_ranges);
            let from: usize =
                range.map_or(0, |range| range.to_str().unwrap()[6..].trim_end_matches('-').parse().unwrap());
            let rest = &content()[from..];
            let limit = if with_ranges { rest.len().min(SIZE / 3) } else { rest.len() };
            let mut pieces: Vec<io::Result<Bytes>> =
                rest[..limit].chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            if limit < rest.len() {
                pieces.push(Err(io::Error::other("cut")));
            }
            let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
            let body = Body::from_stream(stream::iter(pieces));
            Response::builder().status(status).body(body).unwrap().into_response()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/file", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn wanted<'a>(address: &'a str, content: &[u8]) -> Wanted<'a> {
        Wanted { what: "a file", address, bytes: SIZE as u64, sha256: Sha::of(content) }
    }

    #[rstest::rstest]
    #[case::resumed(true)]
    #[case::begun_again(false)]
    #[tokio::test]
    async fn a_broken_download_goes_on_and_arrives_whole(#[case] with_ranges: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let address = format!("{}/file", server(with_ranges).await);
        // As a killed process leaves it.
        std::fs::write(part_of(&path), &content()[..SIZE / 2]).unwrap();
        let events = Mutex::new(Vec::new());
        let on_event = |event: &Event| events.lock().unwrap().push(event.clone());
        download(wanted(&address, &content()), &path, &on_event).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == content());
        assert!(!part_of(&path).exists());
        let events = events.into_inner().unwrap();
        let first = if with_ranges { SIZE as u64 / 2 } else { 0 };
        let event = |received| Event::Downloading { what: "a file".to_owned(), received, total: SIZE as u64 };
        assert_eq!((events.first(), events.last()), (Some(&event(first)), Some(&event(SIZE as u64))));
    }

    #[tokio::test]
    async fn a_file_with_another_hash_is_refused_and_nothing_of_it_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let address = format!("{}/file", server(true).await);
        let error = download(wanted(&address, b"other"), &path, &crate::event::ignore).await.unwrap_err();
        let found = Sha::of(content()).short();
        let expected = Sha::of(b"other").short();
        assert_eq!(
            error.to_string(),
            format!("could not install a file: its SHA-256 is {found}, not the pinned {expected}")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("{}/other", server(true).await);
        let wanted = wanted(&address, b"");
        let error = download(wanted, &folder.path().join("file"), &crate::event::ignore).await.unwrap_err();
        assert_eq!(error.to_string(), "could not install a file: the server answered 404 Not Found");
    }
}
