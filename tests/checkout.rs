//! Checkout → Source: what is taken from a working tree and from a commit, and what is refused; and what becomes of
//! firmware that does not compile, or misbehaves.

mod shaped;

use std::collections::BTreeMap;

use k1_hil::event::ignore;
use k1_hil::image::CompileError;
use k1_hil::source::{self, Checkout as Taken, CheckoutError, Firmware, Source};
use k1_hil::tools::Toolbox;
use k1_hil::{Blame, Error, session};
use rstest::rstest;
use shaped::Checkout;
use shaped::commands::{Bench, all_of, code, text};

const REGISTRY: &str = "firmware/src/pattern_registry.cpp";
const STATIC: &str = "firmware/src/patterns/static_family.hpp";

/// A cache of its own for each test; git from the search path.
struct Cache {
    _folder: tempfile::TempDir,
    toolbox: Toolbox,
}

fn cache() -> Cache {
    let folder = tempfile::tempdir().unwrap();
    let toolbox = Toolbox::at(folder.path());
    Cache { _folder: folder, toolbox }
}

async fn take(checkout: &Checkout, rev: Option<&str>) -> Result<Source, CheckoutError> {
    source::checkout(checkout.path(), rev, &cache().toolbox).await
}

fn taken(source: &Source) -> &Taken {
    match &source.firmware {
        Firmware::Checkout(checkout) => checkout,
        Firmware::Core => panic!("not a checkout"),
    }
}

/// What a refusal says, with the folder replaced.
async fn refused(checkout: &Checkout, rev: Option<&str>) -> String {
    let error = take(checkout, rev).await.expect_err("it is refused");
    assert_eq!(error.blame(), Blame::Input, "{error}");
    error.to_string().replace(checkout.path().to_str().unwrap(), "PATH")
}

fn files(source: &Source) -> BTreeMap<String, Vec<u8>> {
    taken(source).tree.read().unwrap()
}

#[tokio::test]
async fn a_working_tree_and_its_commit_are_the_same_source_and_nothing_is_touched() {
    let (checkout, cache) = (Checkout::new(), cache());
    let before = checkout.state();
    let worktree = source::checkout(checkout.path(), None, &cache.toolbox).await.unwrap();
    let commit = source::checkout(checkout.path(), Some("HEAD"), &cache.toolbox).await.unwrap();
    assert_eq!(checkout.state(), before);
    assert_eq!(worktree, commit);

    let origin = commit.origin().unwrap();
    assert_eq!((origin.manifest.as_str(), origin.dirty), ("K1.node1", false));
    assert_eq!(origin.commit, Some(checkout.head()));
    let files = files(&commit);
    assert!(files.contains_key(STATIC) && files.contains_key(REGISTRY));
    assert!(!files.contains_key("firmware/src/main.cpp"), "it is not compiled");
    let host = &taken(&commit).host;
    assert!(host.sources.contains(&REGISTRY.to_owned()));
    assert!(!host.sources.contains(&"firmware/src/beat_events.cpp".to_owned()), "it is optional and absent");
    assert_eq!(host.host, "hosts/k1_node1");
}

#[tokio::test]
async fn an_edited_working_tree_is_dirty_and_its_commit_is_not() {
    let checkout = Checkout::new();
    let clean = take(&checkout, None).await.unwrap();
    checkout.edit(STATIC, "0.9f - 0.8f", "0.8f - 0.8f");
    checkout.write("firmware/src/patterns/new.hpp", "#pragma once\n");
    let dirty = take(&checkout, None).await.unwrap();
    assert!(dirty.origin().unwrap().dirty);
    assert_eq!(dirty.origin().unwrap().commit, Some(checkout.head()));
    assert_ne!(dirty.sha256, clean.sha256);
    assert_eq!(take(&checkout, Some("main")).await.unwrap().sha256, clean.sha256);
}

#[tokio::test]
async fn a_commit_that_changes_only_what_is_not_compiled_is_the_same_source() {
    let checkout = Checkout::new();
    let before = take(&checkout, Some("HEAD")).await.unwrap();
    checkout.write("firmware/src/main.cpp", "// other\n");
    checkout.write("docs/notes.md", "other\n");
    checkout.commit("Notes");
    assert_eq!(take(&checkout, Some("HEAD")).await.unwrap().sha256, before.sha256);
}

#[tokio::test]
async fn without_a_repository_the_working_tree_is_good_and_a_commit_is_not() {
    let checkout = Checkout::without_git();
    let source = take(&checkout, None).await.unwrap();
    assert_eq!(source.origin().map(|origin| (origin.commit.clone(), origin.dirty)), Some((None, true)));
    let said = refused(&checkout, Some("HEAD")).await;
    assert!(said.starts_with("PATH is not in a git repository: not a git repository"), "{said}");
}

#[tokio::test]
async fn a_commit_is_read_from_a_bare_repository() {
    let checkout = Checkout::new();
    let wanted = take(&checkout, Some("HEAD")).await.unwrap();
    checkout.git(&["clone", "--quiet", "--bare", ".", "bare.git"]);
    let bare = source::checkout(&checkout.file("bare.git"), Some("main"), &cache().toolbox).await.unwrap();
    assert_eq!(bare.sha256, wanted.sha256);
}

#[tokio::test]
async fn what_is_no_checkout_is_told_by_what_is_missing() {
    let checkout = Checkout::new();
    std::fs::remove_file(checkout.file("firmware/src/pattern_registry.h")).unwrap();
    assert_eq!(
        refused(&checkout, None).await,
        "PATH is not a firmware checkout: the manifest K1.node1 knows one by firmware/src/pattern_registry.h, \
         which is not there"
    );
    let error = source::checkout(&checkout.file("nowhere"), None, &cache().toolbox).await.unwrap_err();
    assert!(error.to_string().ends_with("nowhere is not a folder that can be read"), "{error}");
}

#[tokio::test]
async fn everything_that_a_manifest_expects_in_vain_is_told_at_once() {
    let checkout = Checkout::new();
    std::fs::remove_file(checkout.file("firmware/src/palettes.cpp")).unwrap();
    checkout.edit(REGISTRY, "g_num_patterns", "g_pattern_count");
    checkout.commit("Other names");
    let said = refused(&checkout, Some("HEAD")).await;
    let expected = "does not fit the manifest K1.node1, which expects the source firmware/src/palettes.cpp, \
                    g_num_patterns in firmware/src/pattern_registry.cpp or firmware/src/generated_patterns.h";
    assert!(said.contains(expected), "{said}");
}

#[tokio::test]
async fn what_is_no_commit_is_named() {
    let checkout = Checkout::new();
    for rev in
        ["nowhere", "0123456789012345678901234567890123456789", "--all", "HEAD..HEAD", "HEAD:firmware", ""]
    {
        assert_eq!(refused(&checkout, Some(rev)).await, format!("PATH has no commit {rev}"));
    }
}

#[tokio::test]
async fn a_shallow_clone_is_blamed_for_what_it_does_not_hold() {
    let checkout = Checkout::new();
    let first = checkout.head();
    checkout.commit("Second");
    let url = format!("file://{}", checkout.path().display());
    checkout.git(&["clone", "--quiet", "--depth=1", &url, "shallow"]);
    let folder = checkout.file("shallow");
    let error = source::checkout(&folder, Some(&first), &cache().toolbox).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, CheckoutError::Shallow { .. }), "{said}");
    assert!(said.ends_with(&format!("is shallow and does not hold {first}")), "{said}");
    source::checkout(&folder, Some("HEAD"), &cache().toolbox).await.unwrap();
}

#[tokio::test]
async fn links_are_followed_inside_the_checkout_and_refused_outside() {
    use std::os::unix::fs::symlink;
    let checkout = Checkout::new();
    checkout.write("shared/helpers.h", "// shared\n");
    symlink("../../../shared/helpers.h", checkout.file("firmware/src/patterns/helpers.h")).unwrap();
    checkout.commit("A link");
    let cache = cache();
    for rev in [None, Some("HEAD")] {
        let source = source::checkout(checkout.path(), rev, &cache.toolbox).await.unwrap();
        assert_eq!(files(&source)["firmware/src/patterns/helpers.h"], b"// shared\n");
        assert!(!source.origin().unwrap().dirty);
    }
    for (target, reason) in [
        ("/etc/passwd", "it leaves the checkout"),
        ("../../../../outside.h", "it leaves the checkout"),
        ("../nowhere.h", "no file of the checkout is there"),
        ("../../../shared", "no file of the checkout is there"),
    ] {
        let outside = checkout.path().parent().unwrap().join("outside.h");
        std::fs::write(&outside, "").unwrap();
        let link = checkout.file("firmware/src/patterns/helpers.h");
        std::fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        checkout.commit("Another link");
        for rev in [None, Some("HEAD")] {
            assert_eq!(
                refused(&checkout, rev).await,
                format!(
                    "firmware/src/patterns/helpers.h is a symbolic link to {target:?}, which is not followed: {reason}"
                )
            );
        }
    }
}

#[tokio::test]
async fn a_submodule_among_the_sources_is_named() {
    let checkout = Checkout::new();
    checkout.git(&["clone", "--quiet", "--bare", ".", ".git/other.git"]);
    checkout.git(&["submodule", "--quiet", "add", "./.git/other.git", "firmware/src/library"]);
    checkout.commit("A submodule");
    let said = refused(&checkout, Some("HEAD")).await;
    let place = format!("PATH at {}", &checkout.head()[..7]);
    assert_eq!(
        said,
        format!("firmware/src/library in {place} is a submodule, whose files are in another repository")
    );
}

#[tokio::test]
async fn a_checkout_may_bring_its_own_manifest() {
    let checkout = Checkout::new();
    let manifest = |sources: &str| {
        format!(
            "[budgets]\nmin_fps = 60\n[firmware]\nformat = 1\nname = \"mine\"\nroot = [\"{REGISTRY}\"]\n\
             host = \"hosts/k1_node1\"\ninclude = [\"firmware/src\"]\nsource = [{sources}]\n"
        )
    };
    checkout.write("hil.toml", &manifest(&format!("{{ path = \"{REGISTRY}\" }}")));
    // The commit has none: the working tree's describes it too.
    for rev in [None, Some("HEAD")] {
        let source = take(&checkout, rev).await.unwrap();
        assert_eq!(source.origin().unwrap().manifest, "mine");
        assert_eq!(taken(&source).host.sources, [REGISTRY]);
    }
    checkout.write("hil.toml", &manifest("{ path = \"firmware/src/gone.cpp\" }"));
    assert_eq!(
        refused(&checkout, None).await,
        "PATH does not fit the manifest mine, which expects the source firmware/src/gone.cpp"
    );
    checkout.write("hil.toml", "[firmware]\nflavour = 1\n");
    let said = refused(&checkout, None).await;
    assert!(said.starts_with("hil.toml of PATH holds no usable [firmware]: "), "{said}");
    assert!(said.contains("unknown field `flavour`"), "{said}");
}

#[tokio::test]
async fn nothing_that_a_repository_configures_is_started() {
    let checkout = Checkout::new();
    let mark = checkout.file("started");
    let program = checkout.file(".git/program");
    std::fs::write(&program, format!("#!/bin/sh\ntouch '{}'\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "filter.x.clean",
        "filter.x.smudge",
        "diff.x.textconv",
        "gpg.program",
        "core.pager",
    ] {
        checkout.git(&["config", key, program]);
    }
    checkout.git(&["config", "log.showSignature", "true"]);
    checkout.write(".git/info/attributes", "* filter=x diff=x\n");
    std::fs::remove_file(&mark).ok();
    take(&checkout, None).await.unwrap();
    take(&checkout, Some("HEAD")).await.unwrap();
    assert!(!mark.exists());
}

const PALETTES: &str = "firmware/src/palettes.cpp";

#[rstest]
#[case::in_itself(
    STATIC,
    "const float wave =",
    "const int NUM_LEDS = 3; const float wave =",
    "the firmware is broken in itself, whatever it is built for: firmware/src/patterns/static_family.hpp:19:19: \
     expected unqualified-id (in the macro NUM_LEDS of firmware/src/led_driver.h:8)"
)]
#[case::by_a_call_that_the_virtual_board_does_not_have(
    STATIC,
    "const float wave =",
    "analogRead(3); const float wave =",
    "the compiler refused the source: firmware/src/patterns/static_family.hpp:19:9: use of undeclared identifier \
     'analogRead'"
)]
#[case::by_a_function_that_is_nowhere(
    PALETTES,
    "const CRGBF* const palette =",
    "void tune(int); tune(1); const CRGBF* const palette =",
    "the compiler refused the source: firmware/src/palettes.cpp:12:0: undefined symbol: tune(int), which neither k1-hil \
     nor a source that the manifest names defines"
)]
#[tokio::test]
async fn a_source_that_does_not_compile_is_told_with_file_and_line(
    #[case] path: &str,
    #[case] old: &str,
    #[case] new: &str,
    #[case] message: &str,
) {
    let checkout = Checkout::new();
    checkout.edit(path, old, new);
    checkout.edit(STATIC, "#pragma once", "#pragma once\n#include \"../led_driver.h\"");
    let toolbox = Toolbox::from_env().unwrap();
    let error = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.blame()), (message, Blame::Input));
}

#[tokio::test]
async fn every_file_that_does_not_compile_is_told_at_once() {
    let checkout = Checkout::new();
    let broken = [PALETTES, "firmware/src/audio/tempo.cpp", "firmware/src/audio/vu.cpp"];
    for path in broken {
        checkout.write(path, "nonsense\n");
    }
    let toolbox = Toolbox::from_env().unwrap();
    let error = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap_err();
    let Error::Compile(CompileError::Refused { errors, .. }) = &error else { panic!("{error:?}") };
    for path in broken {
        assert!(errors.iter().any(|e| e.file == path && e.line == 1), "{path}: {errors:?}");
    }
}

/// Patterns that misbehave after half a second, each in its way.
const MISBEHAVING: [(&str, &str); 11] = [
    ("never_returns", "for (;;) asm volatile(\"\");"),
    ("sleeps_too_long", "delay(2000);"),
    ("writes_behind", "context.leds[context.num_leds].g = 1.0f;"),
    ("writes_in_front", "context.leds[-1].r = 2.0f;"),
    ("writes_far_in_front", "context.leds[-300].r = 2.0f;"),
    (
        "writes_behind_what_is_sent",
        "reinterpret_cast<volatile uint8_t*>(fastled_leds)[3 * context.num_leds] = 1;",
    ),
    ("follows_null", "*reinterpret_cast<volatile int*>(static_cast<uintptr_t>(context.time * 0.0f)) = 1;"),
    ("fills_the_stack", "volatile char big[20000]; for (int i = 0; i < 20000; ++i) big[i] = 1;"),
    ("gives_up", "abort();"),
    ("calls_delay", "delay(3);"),
    ("crashes_in_warm_up", "*reinterpret_cast<volatile int*>(4) = 1;"),
];

#[test]
fn firmware_that_misbehaves_is_named_and_the_others_are_measured() {
    let (bench, checkout) = (Bench::new(), Checkout::new());
    let mut patterns = "#pragma once\n#include <Arduino.h>\n#include \"../led_driver.h\"\n".to_owned();
    let mut rows = String::new();
    for (id, what) in MISBEHAVING {
        let late = if id.ends_with("warm_up") { "0.2f" } else { "0.5f" };
        patterns += &format!(
            "inline void draw_{id}(const PatternRenderContext& context) {{\n    for (int i = 0; i < context.num_leds; \
             ++i) context.leds[i] = CRGBF();\n    if (context.time > {late}) {{ {what} }}\n}}\n"
        );
        rows += &format!("    {{\"{id}\", \"{id}\", \"\", draw_{id}, false}},\n");
    }
    checkout.write("firmware/src/patterns/misbehaving.hpp", &patterns);
    checkout.edit(
        "firmware/src/generated_patterns.h",
        "#pragma once",
        "#pragma once\n#include \"patterns/misbehaving.hpp\"",
    );
    checkout.edit(REGISTRY, "draw_breath, true},\n", &format!("draw_breath, true}},\n{rows}"));
    let run = bench.run(&["run", "--out", "out", "--frames", "60"], &checkout);
    assert_eq!(code(&run), 1, "{}", all_of(&run));
    let said = text(&run.stdout);
    let reasons: Vec<&str> =
        said.lines().filter(|line| line.contains("the firmware died")).map(str::trim).collect();
    insta::assert_snapshot!(reasons.join("\n"));
    for measured in ["ember", "tide", "fold", "breath", "calls_delay"] {
        assert!(said.lines().any(|line| line.starts_with(measured) && line.contains("PASS")), "{said}");
    }
    // What it waited is part of the frame: 3 ms are 750,000 instructions.
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bench.out.path().join("out/result.json")).unwrap()).unwrap();
    let delayed =
        result["results"].as_array().unwrap().iter().find(|r| r["pattern"] == "calls_delay").unwrap();
    let p99 = delayed["verdict"]["statistics"]["render"]["p99_ticks"].as_u64().unwrap();
    assert!((750_000..800_000).contains(&p99), "{p99}");
    assert_eq!(result["notes"].as_array().unwrap().len(), 1);
    assert_eq!(result["image"]["origin"]["dirty"], true);

    let unknown = bench.run(&["run", "glow"], &checkout);
    assert_eq!(code(&unknown), 2, "{}", all_of(&unknown));
    let said = text(&unknown.stderr);
    assert!(said.contains("has no pattern glow; it has ember, tide, fold, breath, never_returns"), "{said}");
}
