//! `k1-hil artifacts`: the artifact store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use k1_hil::artifacts::{
    Artifact, ArtifactId, Collected, Expected, Label, Mode, Name, NewArtifact, Record, Retention, Store,
    Version,
};
use k1_hil::image::Image;

use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The store: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX
    /// [default: k1-hil/artifacts in the user's data folder]
    #[arg(long, global = true, value_name = "URL", env = "K1_HIL_STORE", hide_env_values = true)]
    store: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List artifacts, the newest of each name first
    List {
        /// Only those of this name
        name: Option<Name>,
    },
    /// Describe one artifact and its files
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Write the files of an artifact into a folder, each checked
    Get {
        #[command(flatten)]
        which: Which,
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
    },
    /// Put files, or a firmware image, under a name and a version
    Put {
        #[arg(value_name = "NAME@VERSION")]
        artifact: ArtifactId,
        /// Files, each under its own name or the one after the equals sign
        #[arg(value_name = "FILE[=NAME]", required_unless_present = "image")]
        files: Vec<String>,
        /// A firmware image: what `k1-hil compile --json` printed
        #[arg(long, value_name = "IMAGE.json", conflicts_with = "files")]
        image: Option<PathBuf>,
        /// Metadata
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        meta: Vec<(String, String)>,
        /// Put it even if the version is there with other files
        #[arg(long, conflicts_with = "image")]
        replace: bool,
    },
    /// Set a label at a version, or move it there
    Label {
        #[arg(value_name = "NAME@VERSION")]
        artifact: ArtifactId,
        label: Label,
        #[command(flatten)]
        expected: ExpectedArgs,
        /// For last-good:TARGET, by which check TARGET was found healthy
        #[arg(long, value_name = "TEXT", conflicts_with_all = ["if_at", "if_unset"])]
        verified: Option<String>,
    },
    /// Take a label away
    Unlabel {
        name: Name,
        label: Label,
        #[command(flatten)]
        expected: ExpectedArgs,
    },
    /// Take away what need not be kept: says what it would do, and does it with --apply
    Gc {
        /// How many of each name to keep at least
        #[arg(long, value_name = "N", default_value_t = 20)]
        keep: usize,
        /// Keep those that were put in the last so many days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        keep_days: u16,
        /// For how many days what was taken away stays within reach
        #[arg(long, value_name = "DAYS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
        grace_days: u16,
        /// Do it
        #[arg(long)]
        apply: bool,
    },
}

#[derive(clap::Args, Debug)]
struct Which {
    /// Its name, and a version or a label; without one, what was put last
    #[arg(value_name = "NAME[@VERSION|@LABEL]")]
    artifact: Reference,
}

#[derive(clap::Args, Debug)]
struct ExpectedArgs {
    /// Only if it is at this version now
    #[arg(long, value_name = "VERSION", conflicts_with = "if_unset")]
    if_at: Option<Version>,
    /// Only if it is at no version now
    #[arg(long)]
    if_unset: bool,
}

#[derive(Clone, Debug)]
struct Reference {
    name: Name,
    reference: Option<String>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let store = open(args.store.as_deref())?;
    match &args.command {
        Command::List { name } => {
            let artifacts = store.list(name.as_ref()).await?;
            shell.print(&artifacts, || table(&artifacts))?;
        }
        Command::Show { which } => {
            let artifact = find(&store, which).await?;
            shell.print(&artifact, || description(&artifact))?;
        }
        Command::Get { which, into } => {
            let record = find(&store, which).await?.record;
            get(shell, &store, &record, into).await?;
        }
        Command::Put { artifact, files, image, meta, replace } => {
            let ArtifactId { name, version } = artifact.clone();
            let stored = match image {
                Some(path) => {
                    let metadata: BTreeMap<_, _> = meta.iter().cloned().collect();
                    store.put_image(name, version, &Image::load(path)?, metadata).await?
                }
                None => {
                    let mut new = NewArtifact::new(name, version);
                    for file in files {
                        new = add(new, file)?;
                    }
                    new = meta.iter().fold(new, |new, (key, value)| new.metadata(key, value));
                    store.put(&if *replace { new.replacing() } else { new }).await?
                }
            };
            shell.print(&stored.record, || {
                let Record { name, version, files, .. } = &stored.record;
                let how = if stored.new { "put" } else { "was there already" };
                format!("{name}@{version} {how}: {} in {} files\n", size(total(&stored.record)), files.len())
            })?;
        }
        Command::Label { artifact: ArtifactId { name, version }, label, expected, verified } => {
            match (verified, label.to_string().strip_prefix("last-good:")) {
                (Some(evidence), Some(target)) => store.mark_good(name, version, target, evidence).await?,
                (Some(_), None) => {
                    let reason = format!("--verified is for last-good:TARGET, and not for {label}");
                    return Err(Failure::Usage(reason));
                }
                (None, _) => store.label(name, version, label, &expected.into()).await?,
            }
        }
        Command::Unlabel { name, label, expected } => store.unlabel(name, label, &expected.into()).await?,
        Command::Gc { keep, keep_days, grace_days, apply } => {
            let days = |days: u16| Duration::from_secs(24 * 60 * 60) * u32::from(days);
            let retention =
                Retention { newest: *keep, younger_than: days(*keep_days), grace: days(*grace_days) };
            let mode = if *apply { Mode::Collect } else { Mode::DryRun };
            let collected = store.gc(&retention, jiff::Timestamp::now(), mode).await?;
            shell.print(&collected, || summary(&collected))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the store that is named, or the user's own. Credentials come from the variables that the clouds' tools read.
pub(crate) fn open(store: Option<&str>) -> Result<Store, Failure> {
    let Some(address) = store else {
        let folder = places::artifacts().ok_or_else(|| {
            Failure::Usage("no store is given, and HOME is not set; use --store or K1_HIL_STORE".to_owned())
        })?;
        return Ok(Store::at(&folder)?);
    };
    let of_clouds = |name: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix));
    let settings = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        of_clouds(&name).then(|| (name.to_ascii_lowercase(), value))
    });
    Ok(Store::open(address, settings)?)
}

async fn find(store: &Store, which: &Which) -> Result<Artifact, Failure> {
    Ok(store.show(&which.artifact.name, which.artifact.reference.as_deref()).await?)
}

async fn get(shell: &Shell, store: &Store, record: &Record, into: &Path) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = if record.is_image() {
        store.get_image(record, into).await?;
        record.files.iter().map(|file| into.join(&file.path)).collect()
    } else {
        store.get(record, into).await?
    };
    shell.print(&paths, || paths.iter().map(|path| format!("{}\n", path.display())).collect())
}

/// `FILE` or `FILE=NAME`.
fn add(artifact: NewArtifact, file: &str) -> Result<NewArtifact, Failure> {
    if let Some((from, name)) = file.rsplit_once('=') {
        return Ok(artifact.file(name, from));
    }
    match Path::new(file).file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(artifact.file(name, file)),
        None => Err(Failure::Usage(format!("{file} has no file name; use {file}=NAME"))),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn table(artifacts: &[Artifact]) -> String {
    let cells: Vec<[String; 5]> = artifacts
        .iter()
        .map(|Artifact { record, labels }| {
            let created = record.created.strftime("%Y-%m-%d %H:%M").to_string();
            [record.name.to_string(), record.version.to_string(), created, size(total(record)), names(labels)]
        })
        .collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    cells
        .iter()
        .map(|[name, version, created, size, labels]| {
            let line =
                format!("{name:<0$}  {version:<1$}  {created}  {size:>9}  {labels}", widths[0], widths[1]);
            format!("{}\n", line.trim_end())
        })
        .collect()
}

fn description(Artifact { record, labels }: &Artifact) -> String {
    let mut text = format!("{}@{}\nput      {}\n", record.name, record.version, record.created);
    if !labels.is_empty() {
        text += &format!("labels   {}\n", names(labels));
    }
    for (key, value) in &record.metadata {
        text += &format!("{key:<8} {value}\n");
    }
    for file in &record.files {
        text += &format!("{:>9}  {}  {}\n", size(file.bytes), file.sha256, file.path);
    }
    text
}

fn summary(collected: &Collected) -> String {
    let mut text = String::new();
    for removed in &collected.artifacts {
        text += &format!("{}@{}\n", removed.name, removed.version);
    }
    let (artifacts, files) = (collected.artifacts.len(), collected.files.len());
    let (moved, freed) = (size(collected.files_bytes), size(collected.deleted_bytes));
    let (would, end) = match collected.dry_run {
        true => ("would be ", "; do it with --apply"),
        false => ("", ""),
    };
    text += &format!(
        "{artifacts} artifacts {would}taken away, {} kept; {files} files ({moved}) {would}set aside, {} {would}put back, {} objects ({freed}) {would}deleted{end}\n",
        collected.kept,
        collected.restored.len(),
        collected.deleted,
    );
    if collected.unfinished {
        text += "it took too long to be safe; run it again for the rest\n";
    }
    text
}

fn names(labels: &[Label]) -> String {
    labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn total(record: &Record) -> u64 {
    record.files.iter().map(|file| file.bytes).sum()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

impl From<&ExpectedArgs> for Expected {
    fn from(args: &ExpectedArgs) -> Self {
        match &args.if_at {
            Some(version) => Self::At(version.clone()),
            None if args.if_unset => Self::Nowhere,
            None => Self::Anywhere,
        }
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, reference) = match text.split_once('@') {
            Some((name, reference)) => (name, Some(reference.to_owned())),
            None => (text, None),
        };
        Ok(Self { name: name.parse::<Name>().map_err(|error| error.to_string())?, reference })
    }
}
