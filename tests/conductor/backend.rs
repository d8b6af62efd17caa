//! The data base of the tests' servers: SQLite, or what `cargo xtask test --backend` says, run for real.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k1_hil::conductor::server::Backend;

use crate::shared::PATIENCE;

/// A user that is not root, which PostgreSQL insists on.
const NOBODY: u32 = 65_534;

/// The data base of one server; it ends with the value, or with this process.
pub struct Data {
    pub backend: Backend,
    _program: Option<Child>,
}

impl Data {
    /// A new data base in `folder`, as this run has them.
    pub async fn start(folder: &Path) -> Self {
        let folder = folder.to_owned();
        let start = move || match std::env::var("K1_HIL_TEST_BACKEND").as_deref() {
            Err(_) | Ok("sqlite") => Self { backend: Backend::Sqlite, _program: None },
            Ok("postgres") => postgres(&prepared(&folder)),
            Ok("redis") => redis(&prepared(&folder)),
            Ok(other) => panic!("K1_HIL_TEST_BACKEND is {other:?}, not sqlite, postgres or redis"),
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }
}

fn postgres(folder: &Path) -> Data {
    let port = free_port();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(installed(program, "postgresql"));
        command.args(arguments).current_dir(folder);
        as_nobody(&mut command);
        command
    };
    let made = run("initdb", &["-D", "data", "-U", "conductor", "--auth=trust", "--no-sync", "-E", "UTF8"]);
    let made = { made }.output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let port_text = port.to_string();
    let server = guarded(&run(
        "postgres",
        &["-D", "data", "-p", &port_text, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
    ));
    let begun = Instant::now();
    let create = ["-h", "127.0.0.1", "-p", &port_text, "-U", "conductor", "conductor"];
    while !run("createdb", &create).output().unwrap().status.success() {
        assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start");
        std::thread::sleep(Duration::from_millis(100)); // it tells nobody when it is ready
    }
    let address = format!("127.0.0.1:{port}/conductor");
    let backend = Backend::Postgres { address, user: "conductor".to_owned(), password: String::new() };
    Data { backend, _program: Some(server) }
}

fn redis(folder: &Path) -> Data {
    let port = free_port();
    let mut command = Command::new(installed("redis-server", "redis-server"));
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).current_dir(folder);
    let server = guarded(&command);
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "Redis does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Data { backend: Backend::Redis { address: format!("127.0.0.1:{port}") }, _program: Some(server) }
}

/// A folder in `folder` that the servers may write to.
fn prepared(folder: &Path) -> PathBuf {
    let folder = folder.join("backend");
    std::fs::create_dir_all(&folder).unwrap();
    if nix::unistd::geteuid().is_root() {
        chown(&folder, Some(NOBODY), None).unwrap();
    }
    folder
}

fn as_nobody(command: &mut Command) {
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program of that package of the distribution, which keeps those of PostgreSQL out of the usual folders.
fn installed(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&path).map(|folder| folder.join(program));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin").join(program));
    let found = usual.chain(versions).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{program} is not installed; install the package {package} of your distribution")
    })
}

/// Starts the program, which is ended when this process is, however that ends. By SIGTERM: a shell's programs in the
/// background ignore other polite signals.
fn guarded(command: &Command) -> Child {
    let mut shell = Command::new("sh");
    let script = r#""$@" & child=$!; read -r _; kill -TERM $child; wait"#;
    let folder = command.get_current_dir().unwrap();
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(folder);
    as_nobody(&mut shell);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
