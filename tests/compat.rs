//! The C library that a checkout is linked with on the virtual board (`firmware/compat`), against this machine's.

use std::path::Path;
use std::process::Command;

use k1_hil::tools::{Toolbox, setup};

/// The functions that are compared. Under other names, or they would be this machine's.
const RENAMED: &[&str] = &[
    "snprintf",
    "vsnprintf",
    "sprintf",
    "strtol",
    "atoi",
    "qsort",
    "rand",
    "srand",
    "abs",
    "labs",
    "asinf",
    "acosf",
    "coshf",
    "sinhf",
    "log10f",
    "hypotf",
    "cbrtf",
    "rintf",
    "nearbyintf",
    "lroundf",
    "lrintf",
    "modff",
    "ldexpf",
    "sin",
    "cos",
    "tan",
    "atan",
    "atan2",
    "exp",
    "log",
    "log2",
    "log10",
    "pow",
    "sqrt",
    "floor",
    "ceil",
    "round",
    "fmod",
    "tanh",
    "fmax",
    "fmin",
];

/// The compiler's own calls: `__adddf3` is compared as `our_adddf3`.
const SOFT_DOUBLE: &[&str] = &[
    "adddf3",
    "subdf3",
    "muldf3",
    "divdf3",
    "negdf2",
    "eqdf2",
    "nedf2",
    "ltdf2",
    "ledf2",
    "gtdf2",
    "gedf2",
    "unorddf2",
    "extendsfdf2",
    "truncdfsf2",
    "floatunsidf",
    "floatundidf",
    "floatsidf",
    "floatdidf",
    "fixunsdfsi",
    "fixunsdfdi",
    "fixdfsi",
    "fixdfdi",
];

/// A compiler for this machine, with headers so plain that names in them can be changed.
struct Compiler {
    toolbox: Toolbox,
    folder: tempfile::TempDir,
}

impl Compiler {
    fn run(&self, driver: &str, arguments: &[String]) {
        let target = format!("{}-linux-musl", std::env::consts::ARCH);
        let done = Command::new(self.toolbox.python().unwrap())
            .args(["-I", "-m", "ziglang", driver, "-target", &target])
            .args(arguments)
            .env("ZIG_GLOBAL_CACHE_DIR", self.toolbox.cache().join("zig"))
            .env("ZIG_LOCAL_CACHE_DIR", self.folder.path().join("zig"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Compiles a file of this repository, and returns the object.
    fn compile(&self, source: &str, defines: &[String]) -> String {
        let object = self.folder.path().join(source.replace('/', "_")).with_extension("o");
        let object = object.to_str().unwrap().to_owned();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let options = ["-std=gnu++17", "-O2", "-ffp-contract=off", "-fno-builtin", "-w", "-c"];
        let mut arguments: Vec<String> = options.map(str::to_owned).into();
        arguments.extend_from_slice(defines);
        arguments.extend([source.to_str().unwrap().to_owned(), "-o".to_owned(), object.clone()]);
        self.run("c++", &arguments);
        object
    }
}

#[tokio::test]
async fn the_boards_c_library_agrees_with_this_machines() {
    let toolbox = Toolbox::from_env().unwrap();
    setup(&toolbox, &k1_hil::event::ignore).await.unwrap();
    let compiler = Compiler { toolbox, folder: tempfile::tempdir().unwrap() };
    let renamed: Vec<String> = RENAMED.iter().map(|name| format!("-D{name}=our_{name}")).collect();
    let soft: Vec<String> = SOFT_DOUBLE.iter().map(|name| format!("-D__{name}=our_{name}")).collect();
    let sources: &[(&str, &[String])] = &[
        ("firmware/compat/format.cpp", &renamed),
        ("firmware/compat/math.cpp", &renamed),
        ("firmware/compat/stdlib.cpp", &renamed),
        ("firmware/compat/soft_double.cpp", &soft),
        ("firmware/core/math/exponential.cpp", &renamed),
        ("firmware/core/math/rounding.cpp", &renamed),
        ("firmware/core/math/trigonometry.cpp", &renamed),
        ("tests/compat/main.cpp", &[]),
    ];
    let mut link: Vec<String> =
        sources.iter().map(|(source, defines)| compiler.compile(source, defines)).collect();
    let program = compiler.folder.path().join("compare");
    link.extend(["-o".to_owned(), program.to_str().unwrap().to_owned()]);
    compiler.run("cc", &link);
    let compared = Command::new(&program).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
}
