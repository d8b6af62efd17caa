//! The artifact store, in a folder and on an S3 server.

mod checks;
mod object_server;

use std::collections::BTreeMap;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use k1_hil::Blame;
use k1_hil::artifacts::{
    ArtifactError, Expected, Label, Mode, Name, NewArtifact, Retention, Store, Stored, Version,
};
use object_server::{ObjectServer, SECRET};
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn name() -> Name {
    "firmware/k1-node1".parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn artifact(of: &str, content: &str) -> NewArtifact {
    NewArtifact::new(name(), version(of))
        .bytes("firmware.bin", content)
        .bytes("notes/read.me", "the same for all")
}

fn after(days: u32) -> Timestamp {
    Timestamp::now() + days * DAY
}

fn keep(newest: usize) -> Retention {
    Retention { newest, younger_than: Duration::ZERO, grace: DAY }
}

/// The firmware of the version that `reference` means, read back and found whole.
async fn content(store: &Store, reference: &str) -> Result<String, ArtifactError> {
    let record = store.show(&name(), Some(reference)).await?.record;
    let mut contents = BTreeMap::new();
    for file in &record.files {
        contents.insert(file.path.clone(), store.read(&record, file).await?);
    }
    Ok(String::from_utf8(contents.remove("firmware.bin").unwrap()).unwrap())
}

async fn versions(store: &Store) -> Vec<String> {
    let artifacts = store.list(None).await.unwrap();
    artifacts.into_iter().map(|artifact| artifact.record.version.to_string()).collect()
}

macro_rules! on_every_store {
    ($($check:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            let folder = tempfile::tempdir().unwrap();
            checks::$check(Store::at(folder.path()).unwrap()).await;
        })*

        #[tokio::test(flavor = "multi_thread")]
        async fn all_of_it_holds_on_an_s3_server() {
            let server = ObjectServer::start().await;
            $(checks::$check(server.store(stringify!($check))).await;)*

            let error = server.store_with("denied", "another-secret").list(None).await.unwrap_err();
            assert!(error.to_string().contains("SignatureDoesNotMatch"), "{error}");
            assert_eq!(error.blame(), Blame::Configuration);
            let told = format!("{error} {error:?} {:?}", server.store("debug"));
            assert!(!told.contains("another-secret") && !told.contains(SECRET), "{told}");
        }
    };
}

on_every_store! {
    what_was_put_comes_back
    a_version_with_other_content_is_refused_unless_it_is_replaced
    a_label_moves_only_from_where_it_is_expected
    last_good_is_what_a_health_check_said
    of_several_puts_at_once_one_makes_the_version
    of_several_who_move_a_label_from_one_place_one_does
    the_clean_up_keeps_what_it_is_told_to
    puts_beside_a_clean_up_survive
    an_image_comes_back_with_paths_that_are_valid
}

fn image(folder: &Path) -> k1_hil::image::Image {
    let sha = |text: &str| k1_hil::digest::Sha::of(text).to_string();
    for file in ["bin", "elf"] {
        std::fs::write(folder.join(file), file).unwrap();
    }
    serde_json::from_value(serde_json::json!({
        "format": 1, "target": "virtual", "bin": folder.join("bin"), "elf": folder.join("elf"),
        "sha256": sha("bin"), "elf_sha256": sha("elf"), "program_sha256": sha("program"),
        "source_sha256": sha("source"), "origin": null, "flash": { "used": 1, "of": 2 },
        "ram": { "used": 1, "of": 2 }, "warnings": [], "patterns": ["a"], "tools": {},
    }))
    .unwrap()
}

/// The file of a store's folder that holds `content`.
fn file_with(folder: &Path, content: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).unwrap() == content.as_bytes() {
                return path;
            }
        }
    }
    panic!("no file holds {content:?}");
}

#[tokio::test]
async fn damage_is_found_and_nothing_of_a_damaged_artifact_appears() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::at(folder.path()).unwrap();
    let record = store.put(&artifact("1", "one")).await.unwrap().record;
    let shared = file_with(folder.path(), "the same for all");
    std::fs::write(&shared, "the same 4 all..").unwrap();
    let error = store.get(&record, out.path()).await.unwrap_err();
    assert!(matches!(&error, ArtifactError::Checksum { file, .. } if file == "notes/read.me"), "{error}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);

    // Damage of the same length is not looked for by a put, unless it is told to send everything.
    store.put(&artifact("1", "one").replacing()).await.unwrap();
    assert_eq!(content(&store, "1").await.unwrap(), "one");
    std::fs::remove_file(&shared).unwrap();
    let error = content(&store, "1").await.unwrap_err();
    assert!(matches!(error, ArtifactError::Gone { .. }), "{error}");
    store.put(&artifact("1", "one")).await.unwrap();
    assert_eq!(content(&store, "1").await.unwrap(), "one");
}

#[tokio::test]
async fn nothing_is_cleaned_up_beside_a_record_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path()).unwrap();
    for of in ["1", "2"] {
        store.put(&artifact(of, of)).await.unwrap();
    }
    let record = folder.path().join("records/firmware@k1-node1/1.json");
    let text = std::fs::read_to_string(&record).unwrap();
    for damage in ["{", &text.replace("\"1\"", "\"7\""), &text.replace("notes/read.me", "../read.me")] {
        assert_ne!(damage, text);
        std::fs::write(&record, damage).unwrap();
        let error = store.gc(&keep(0), after(9), Mode::Collect).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Damaged { .. }), "{error}");
    }
    std::fs::write(&record, text.replace("\"format\":1", "\"format\":2")).unwrap();
    let error = store.gc(&keep(0), after(9), Mode::Collect).await.unwrap_err();
    assert!(error.to_string().ends_with("it has format 2; this version reads format 1"), "{error}");
    std::fs::write(&record, text).unwrap();
    assert_eq!(content(&store, "1").await.unwrap(), "1");
}

/// As if the process had been killed at each of its steps in turn.
#[tokio::test]
async fn a_put_that_is_cut_short_leaves_nothing_or_all_of_it() {
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        let new = artifact("1", "one");
        let (mut put, mut polls) = (Box::pin(store.put(&new)), 0);
        let finished = std::future::poll_fn(|context| {
            polls += 1;
            if polls > steps {
                Poll::Ready(false)
            } else {
                put.as_mut().poll(context).map(|stored| stored.is_ok())
            }
        })
        .await;
        drop(put);
        if !versions(&store).await.is_empty() {
            assert_eq!(content(&store, "1").await.unwrap(), "one");
        }
        store.put(&new).await.unwrap();
        assert_eq!(content(&store, "1").await.unwrap(), "one");
        if finished {
            assert!(steps > 2, "it takes {steps} steps");
            break;
        }
    }
}

#[test]
fn what_is_no_artifact_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path()).unwrap();
    let empty = || NewArtifact::new(name(), version("1"));
    let cases = [
        (empty(), "it has 0 files"),
        (empty().bytes("../up", ""), "\"../up\" is not a path"),
        (empty().bytes("a", "").bytes("a/b", ""), "\"a\" is a file and a folder"),
        (empty().bytes("a", "").metadata("k", "x".repeat(5000)), "too long a value (5000 bytes)"),
        (empty().file("a", folder.path().join("missing")), "cannot use"),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (artifact, expected) in cases {
        let error = runtime.block_on(store.put(&artifact)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { version: u8, content: u8, replacing: bool },
    Label { version: u8, label: u8 },
    Unlabel { label: u8 },
    CollectAfter { hours: u8, newest: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8, 0..3_u8, any::<bool>())
            .prop_map(|(version, content, replacing)| Step::Put { version, content, replacing }),
        2 => (0..5_u8, 0..2_u8).prop_map(|(version, label)| Step::Label { version, label }),
        1 => (0..2_u8).prop_map(|label| Step::Unlabel { label }),
        3 => (0..60_u8, 0..3_u8).prop_map(|(hours, newest)| Step::CollectAfter { hours, newest }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was put, labelled and cleaned up before: an artifact that is there can be read, and one with a label
    /// is there.
    #[test]
    fn a_clean_up_never_takes_what_is_needed(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let store = Store::at(folder.path()).unwrap();
            let mut now = after(10);
            let mut labels = BTreeMap::new();
            let mut contents = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put { version, content, replacing } => {
                        let new = artifact(&version.to_string(), &content.to_string()).created(now);
                        let new = if replacing { new.replacing() } else { new };
                        match store.put(&new).await {
                            Ok(_) => drop(contents.insert(version, content)),
                            Err(error) => assert!(matches!(error, ArtifactError::Exists { .. }), "{error}"),
                        }
                    }
                    Step::Label { version: of, label: number } => {
                        let (of_text, text) = (of.to_string(), format!("label-{number}"));
                        let set = store.label(&name(), &version(&of_text), &label(&text), &Expected::Anywhere).await;
                        match set {
                            Ok(()) => drop(labels.insert(number, of)),
                            Err(error) => assert!(matches!(error, ArtifactError::Unknown { .. }), "{error}"),
                        }
                    }
                    Step::Unlabel { label: number } => {
                        store.unlabel(&name(), &label(&format!("label-{number}")), &Expected::Anywhere).await.unwrap();
                        labels.remove(&number);
                    }
                    Step::CollectAfter { hours, newest } => {
                        now += Duration::from_secs(3600) * u32::from(hours);
                        store.gc(&keep(newest.into()), now, Mode::Collect).await.unwrap();
                    }
                }
                for of in versions(&store).await {
                    let expected = contents[&of.parse::<u8>().unwrap()].to_string();
                    assert_eq!(content(&store, &of).await.unwrap(), expected);
                }
                for (number, of) in &labels {
                    let found = content(&store, &format!("label-{number}")).await.unwrap();
                    assert_eq!(found, contents[of].to_string());
                }
            }
        });
    }
}
