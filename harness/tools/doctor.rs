//! What is installed, what is missing, and how to get it. Changes nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::system::{self, Found};
use super::{Toolbox, ToolsError, conductor, pins};

/// One tool, as [`doctor`] found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ToolStatus {
    pub name: String,
    /// `6.2.0` where the version is pinned, `7.2 or newer` where it is not.
    pub wanted: String,
    /// The version found, if any; it may be the wrong one.
    pub found: Option<String>,
    /// Where it is.
    pub path: Option<PathBuf>,
    /// Whether it can be used as it is.
    pub ready: bool,
    /// Whether it is left out until a command asks for it; the others are what every run needs.
    #[serde(default)]
    pub on_demand: bool,
    /// Which steps need it.
    pub needed_by: String,
    /// If it cannot be used: a whole command that changes that.
    pub remedy: Option<String>,
}

/// Looks at every tool, the system's first. Takes well under a second.
pub fn doctor(toolbox: &Toolbox) -> Vec<ToolStatus> {
    let python = from_system(
        "python3",
        pins::PYTHON_AT_LEAST,
        "set-up: holds the tools from the Python package index",
        system::python(toolbox),
    );
    let mut tools = vec![python];
    tools.extend(from_index(toolbox));
    tools.push(from_system(
        pins::QEMU_PROGRAM,
        pins::QEMU_AT_LEAST,
        "the virtual board: emulates its CPU",
        system::qemu(toolbox),
    ));
    tools.push(from_system(
        pins::GIT_PROGRAM,
        pins::GIT_AT_LEAST,
        "a firmware checkout: reads the files of its commits",
        system::git(toolbox),
    ));
    tools.extend(for_conductor(toolbox));
    tools
}

fn from_system(
    name: &str,
    wanted: (u32, u32),
    needed_by: &str,
    found: Result<Found, ToolsError>,
) -> ToolStatus {
    let (path, found, remedy) = match found {
        Ok(found) => (Some(found.path), Some(found.version), None),
        Err(ToolsError::Version { found, remedy, .. }) => (None, Some(found), Some(remedy)),
        Err(ToolsError::Missing { remedy, .. }) => (None, None, Some(remedy)),
        Err(_) => (None, None, None),
    };
    ToolStatus {
        name: name.to_owned(),
        wanted: format!("{}.{} or newer", wanted.0, wanted.1),
        ready: path.is_some(),
        on_demand: false,
        found,
        path,
        needed_by: needed_by.to_owned(),
        remedy,
    }
}

fn from_index(toolbox: &Toolbox) -> impl Iterator<Item = ToolStatus> {
    let environment = toolbox.environment();
    // An environment without its marker was left half-finished: nothing in it counts.
    let whole = environment.is_whole();
    pins::PYTHON_PACKAGES.into_iter().map(move |pin| ToolStatus {
        name: pin.name.to_owned(),
        wanted: pin.version.to_owned(),
        found: whole.then(|| pin.version.to_owned()),
        path: whole.then(|| environment.folder().to_owned()),
        ready: whole,
        on_demand: false,
        needed_by: pin.needed_by.to_owned(),
        remedy: (!whole).then(|| pins::SETUP_COMMAND.to_owned()),
    })
}

fn for_conductor(toolbox: &Toolbox) -> [ToolStatus; 2] {
    let status = |name: &str, version: &str, needed_by: &str, path: Option<PathBuf>| ToolStatus {
        name: name.to_owned(),
        wanted: version.to_owned(),
        found: path.is_some().then(|| version.to_owned()),
        ready: path.is_some(),
        on_demand: true,
        needed_by: needed_by.to_owned(),
        remedy: path.is_none().then(|| pins::SETUP_ALL_COMMAND.to_owned()),
        path,
    };
    let (java, jar) = (pins::JAVA_PACKAGE, pins::CONDUCTOR_JAR);
    [
        status(java.name, java.version, java.needed_by, conductor::java(toolbox)),
        status(jar.artifact, jar.version, jar.needed_by, conductor::jar(toolbox)),
    ]
}
