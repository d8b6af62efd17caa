//! From an error to what the user reads and the exit code.

use std::process::ExitCode;

use k1_hil::artifacts::ArtifactError;
use k1_hil::audio::AudioError;
use k1_hil::board::inventory::InventoryError;
use k1_hil::board::lease::LeaseError;
use k1_hil::board::serial::PortError;
use k1_hil::conductor::ConductorError;
use k1_hil::deploy::DeployError;
use k1_hil::graph::GraphError;
use k1_hil::image::CompileError;
use k1_hil::monitor::MonitorError;
use k1_hil::source::{CheckoutError, GraftError};
use k1_hil::tools::ToolsError;
use k1_hil::vboard::VirtualBoardError;
use k1_hil::verdict::Outcome;
use k1_hil::{Blame, Error};

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    Step(Error),
    /// One or several graphs that are not valid.
    Graphs(Vec<GraphError>),
    /// An argument that is well-formed but cannot be used.
    Usage(String),
    Output(std::io::Error),
    Runtime(std::io::Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Step(error.into())
    }
}

/// The exit code of an outcome.
pub(crate) fn code(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Pass | Outcome::Improved => 0,
        Outcome::Failed => 1,
        Outcome::Regressed => 3,
        Outcome::Invalid => 4,
        Outcome::Inconclusive => 5,
    })
}

impl Failure {
    /// Prints the failure and gives the exit code.
    pub(crate) fn show(&self, json: bool) -> ExitCode {
        let (message, advice) = (self.message(), self.advice());
        if json {
            let faults: Vec<_> = match self {
                Self::Graphs(errors) => errors.iter().flat_map(faults).collect(),
                Self::Step(Error::Graph(error)) => faults(error).collect(),
                _ => Vec::new(),
            };
            let document = serde_json::json!({
                "error": { "message": message, "advice": advice, "exit_code": self.code(), "faults": faults }
            });
            println!("{document:#}");
        } else {
            let red = anstyle::AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{red}error{red:#}: {message}");
            if let Some(evidence) = self.evidence() {
                anstream::eprintln!("{}", evidence.trim_end());
            }
            if let Some(advice) = advice {
                anstream::eprintln!("  {advice}");
            }
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Step(Error::Inventory(InventoryError::NoMatch { .. } | InventoryError::TooFew { .. })) => 6,
            Self::Step(error) => match error.blame() {
                Blame::Input | Blame::Configuration => 2,
                Blame::Firmware => 1,
                Blame::Infrastructure | Blame::Bug => 4,
            },
            Self::Graphs(_) | Self::Usage(_) => 2,
            Self::Output(_) | Self::Runtime(_) => 4,
        }
    }

    /// The error and its causes, in one sentence.
    fn message(&self) -> String {
        match self {
            Self::Step(error) => k1_hil::story::one_line(error),
            Self::Graphs(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Self::Usage(message) => message.clone(),
            Self::Output(error) => format!("cannot write to standard output: {error}"),
            Self::Runtime(error) => format!("cannot start: {error}"),
        }
    }

    /// What the tool said, or every fault of a graph.
    fn evidence(&self) -> Option<String> {
        let shown = |error: &GraphError| match error {
            GraphError::Invalid { file, faults } => {
                faults.iter().map(|fault| format!("{}\n", fault.display(file))).collect()
            }
            other => format!("{other}\n"),
        };
        match self {
            Self::Graphs(errors) => Some(errors.iter().map(shown).collect()),
            Self::Step(Error::Graph(error)) => Some(shown(error)),
            Self::Step(Error::Compile(
                CompileError::Refused { errors, .. } | CompileError::Contradictory { errors, .. },
            )) => Some(errors.iter().map(|e| format!("{e}\n")).collect()),
            Self::Step(
                Error::Compile(CompileError::Tool { log_end, .. })
                | Error::Tools(ToolsError::Install { log_end, .. })
                | Error::Conductor(
                    ConductorError::Start { log_end, .. }
                    | ConductorError::Tools(ToolsError::Install { log_end, .. }),
                ),
            ) => Some(log_end.clone()),
            _ => None,
        }
    }

    /// What to do about it.
    fn advice(&self) -> Option<String> {
        let Self::Step(error) = self else { return None };
        Some(match error {
            Error::Tools(e)
            | Error::Compile(CompileError::Missing(e))
            | Error::Conductor(ConductorError::Tools(e)) => match e {
                ToolsError::Missing { remedy, .. } | ToolsError::Version { remedy, .. } => {
                    format!("run: {remedy}")
                }
                ToolsError::Install { .. } => {
                    "`k1-hil setup` goes on where it stopped; `k1-hil doctor` lists what is there".into()
                }
                _ => "choose another folder with --cache or K1_HIL_CACHE".into(),
            },
            Error::Checkout(error) => match error {
                CheckoutError::Tools(
                    ToolsError::Missing { remedy, .. } | ToolsError::Version { remedy, .. },
                ) => {
                    format!("run: {remedy}")
                }
                CheckoutError::Shallow { .. } => {
                    "run: git fetch --unshallow (in GitHub Actions: `fetch-depth: 0` of actions/checkout)"
                        .into()
                }
                CheckoutError::NotACheckout { .. } | CheckoutError::Misfit { .. } => {
                    "docs/manifest.md says how a hil.toml describes other firmware".into()
                }
                _ => return None,
            },
            Error::Graft(GraftError::NoPlaces { .. } | GraftError::Unfit { .. }) => {
                "docs/manifest.md says how a hil.toml tells where patterns are added".into()
            }
            Error::Audio(AudioError::TooLong { .. }) => {
                "`k1-hil audio FILE --from SECONDS --seconds SECONDS --output PART.k1s` cuts a part out"
                    .into()
            }
            Error::VirtualBoard(VirtualBoardError::Port { .. }) => {
                "end the program that uses the port, or choose another one (0 takes any free one)".into()
            }
            Error::Inventory(InventoryError::NoMatch { .. } | InventoryError::TooFew { .. }) => {
                "`k1-hil boards list` shows the boards, `k1-hil boards scan` finds them".into()
            }
            Error::Inventory(InventoryError::Secret { .. }) | Error::Lease(LeaseError::TooSick { .. }) => {
                "`k1-hil boards doctor` says what to do".into()
            }
            Error::Lease(error) => match error {
                LeaseError::Held { .. } | LeaseError::NoneFree { .. } => {
                    "--lease-timeout waits longer; a lease ends with its process, however that ends".into()
                }
                LeaseError::Reserved { .. } | LeaseError::NotYours { .. } => {
                    "`k1-hil boards unlock --force` ends it for another user".into()
                }
                LeaseError::NoPort { .. } => "enter its `serial_port`, or name the port with --port".into(),
                LeaseError::WrongMac { .. } => {
                    "`k1-hil boards scan NETWORK` finds where the board is now and corrects the inventory"
                        .into()
                }
                LeaseError::Sick { .. } => {
                    "`k1-hil boards doctor` says more; the next lease that finds it well clears the mark"
                        .into()
                }
                LeaseError::Lock { .. } => "HIL_LOCKS names another folder, the same for all users".into(),
                _ => return None,
            },
            Error::Deploy(DeployError::NoConnection { .. }) => {
                "the board connects back to this host: let the firewall accept incoming TCP connections"
                    .into()
            }
            Error::Deploy(DeployError::Password { given: true, .. }) => {
                "HIL_OTA_PASSWORD holds another password than the board's".into()
            }
            Error::Deploy(DeployError::Password { given: false, .. }) => {
                "set HIL_OTA_PASSWORD to the board's password".into()
            }
            Error::Deploy(DeployError::Changed { .. }) => "compile it again".into(),
            Error::Deploy(DeployError::Port(PortError::Open { .. }))
            | Error::Monitor(MonitorError::Port(PortError::Open { .. })) => {
                "check the cable (some only charge) and that you may use the port (group `dialout` or `uucp`)"
                    .into()
            }
            Error::Deploy(DeployError::Port(PortError::Busy { .. }))
            | Error::Monitor(MonitorError::Port(PortError::Busy { .. })) => {
                "end the other session, or wait for it".into()
            }
            Error::Deploy(DeployError::Serial { .. }) => {
                "try a lower --baud, or another --reset; docs/serial.md says which".into()
            }
            Error::Deploy(DeployError::NoSlot { .. }) => "give the table with --partition-table".into(),
            Error::Deploy(DeployError::WrongBoard { .. }) => {
                "nothing was written; check --port, --board and --mac".into()
            }
            Error::Artifact(error) => match error {
                ArtifactError::Exists { .. } => "choose another version, or replace it with --replace".into(),
                ArtifactError::Unverified { .. } => "say by which check with --verified TEXT".into(),
                ArtifactError::Checksum { .. } | ArtifactError::Gone { .. } => {
                    "put the same files once more with --replace".into()
                }
                ArtifactError::Unknown { .. } => "`k1-hil artifacts list` shows what is there".into(),
                ArtifactError::Store { blame: Blame::Configuration, .. } => {
                    "check the credentials in the environment: AWS_…, GOOGLE_…, AZURE_…".into()
                }
                _ => return None,
            },
            Error::Conductor(error) => match error {
                ConductorError::NoServer => {
                    "`k1-hil conductor up` starts one; --server or CONDUCTOR_SERVER_URL names another".into()
                }
                ConductorError::Unreachable { .. } => {
                    "check the address; `k1-hil conductor status` says whether the local server runs".into()
                }
                ConductorError::Key { .. } => {
                    "CONDUCTOR_AUTH_KEY and CONDUCTOR_AUTH_SECRET hold a key that this server does not know"
                        .into()
                }
                ConductorError::Refused { status: 401 | 403, .. } => {
                    "set CONDUCTOR_AUTH_KEY and CONDUCTOR_AUTH_SECRET to a key of this server".into()
                }
                ConductorError::Port { .. } => {
                    "end the program that uses the port, or choose another one (0 takes any free one)".into()
                }
                _ => return None,
            },
            Error::Board(_) => {
                "check the address and that the board is on; `k1-hil vboard` starts a virtual one".into()
            }
            _ => return None,
        })
    }
}

fn faults(error: &GraphError) -> impl Iterator<Item = serde_json::Value> {
    let (file, faults) = match error {
        GraphError::Invalid { file, faults } => (file.clone(), faults.clone()),
        _ => (String::new(), Vec::new()),
    };
    faults.into_iter().map(move |fault| {
        let mut value = serde_json::json!(fault);
        value["file"] = file.clone().into();
        value
    })
}
