//! Source → Image: real builds of small hand-written sources.

use std::path::Path;
use std::sync::Mutex;

use k1_hil::Event;
use k1_hil::digest::Sha;
use k1_hil::image::{CompileError, Target, compile};
use k1_hil::source::{Firmware, Pattern, Source, SourceFile};
use k1_hil::tools::{Toolbox, setup};
use rstest::rstest;

/// An empty build cache with this machine's tools, and the compiler's run-time library once it is built.
struct Cache {
    folder: tempfile::TempDir,
    toolbox: Toolbox,
}

impl Cache {
    async fn new() -> Self {
        let tools = Toolbox::from_env().unwrap();
        setup(&tools, &k1_hil::event::ignore).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tools.cache().join("zig")).unwrap();
        for shared in ["python", "zig"] {
            std::os::unix::fs::symlink(tools.cache().join(shared), folder.path().join(shared)).unwrap();
        }
        let toolbox = Toolbox::at(folder.path());
        Self { folder, toolbox }
    }

    /// The build folders that exist.
    fn builds(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path().join("builds")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }
}

/// A firmware with one pattern, whose body is the line after `// body`.
fn source(body: &str) -> Source {
    let registry = r#"#include "core/pattern_abi.h"
#include "one.hpp"

const PatternInfo g_pattern_registry[] = {{"One", "one", "", draw_one, false}};
const uint8_t g_num_patterns = 1;
const PatternReset g_pattern_resets[] = {nullptr};
"#;
    let pattern = format!(
        "#pragma once\n\nstatic void draw_one(const PatternRenderContext& context) {{\n    // body\n    {body}\n}}\n"
    );
    let line_of_body = 5;
    let files = [("registry.cpp", registry.to_owned(), None), ("one.hpp", pattern, Some("one"))];
    Source {
        sha256: Sha::of(body),
        firmware: Firmware::Core,
        patterns: vec![Pattern { id: "one".to_owned(), title: "One".to_owned(), audio_reactive: false }],
        files: files
            .map(|(path, text, pattern)| SourceFile {
                path: path.to_owned(),
                text,
                pattern: pattern.map(str::to_owned),
                nodes: pattern.map(|_| (line_of_body, "fill".to_owned())).into_iter().collect(),
            })
            .to_vec(),
    }
}

const GOOD: &str = "context.leds[0] = CRGBF(context.time, 0.0f, 0.0f);";

/// Compiles, and returns the events too.
async fn compiled(
    source: &Source,
    cache: &Cache,
) -> (Result<k1_hil::image::Image, CompileError>, Vec<Event>) {
    let events = Mutex::new(Vec::new());
    let result =
        compile(source, Target::Virtual, &cache.toolbox, &|event| events.lock().unwrap().push(event.clone()))
            .await;
    (result, events.into_inner().unwrap())
}

fn sha_of(path: &Path) -> Sha {
    Sha::of(std::fs::read(path).unwrap())
}

#[tokio::test]
async fn a_source_becomes_an_image_and_is_found_again() {
    let cache = Cache::new().await;
    let (image, events) = compiled(&source(GOOD), &cache).await;
    let image = image.unwrap();
    assert_eq!(events.first(), Some(&Event::CompileStarted));
    assert!(
        events.iter().any(|event| matches!(event, Event::CompileStep { action, .. } if action == "Linking"))
    );
    let Some(Event::Compiled { flash_bytes, ram_bytes, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((*flash_bytes, *ram_bytes), (image.flash.used, image.ram.used));

    assert_eq!((image.sha256, image.elf_sha256), (sha_of(&image.bin), sha_of(&image.elf)));
    assert_eq!((image.flash.of, image.ram.of), (1_966_080, 327_680));
    assert!(image.flash.used > 1000 && image.flash.used < image.flash.of, "{:?}", image.flash);
    assert!(image.ram.used > 1000 && image.ram.used < image.ram.of, "{:?}", image.ram);
    assert_eq!(image.warnings, []);
    assert_eq!(image.patterns, ["one"]);
    assert_eq!(image.tools["platformio"], "6.2.0");
    assert_eq!(cache.builds(), 0);
    // The image carries the hash by which the running board names it: behind 24 bytes of image header, 8 of segment
    // header, and 144 of the application descriptor.
    assert_eq!(std::fs::read(&image.bin).unwrap()[176..208], *image.elf_sha256.bytes());

    // No tool is started: the one event is that the image was there.
    let (again, events) = compiled(&source(GOOD), &cache).await;
    assert_eq!(events, [Event::CompileCached]);
    assert_eq!(again.unwrap(), image);

    // A file that was changed is not taken for what was built.
    std::fs::write(&image.bin, "changed").unwrap();
    let (mended, events) = compiled(&source(GOOD), &cache).await;
    assert_eq!(events.first(), Some(&Event::CompileStarted));
    assert_eq!(mended.unwrap(), image);
    assert_eq!(image.sha256, sha_of(&image.bin));
}

#[tokio::test]
async fn the_same_source_is_the_same_image_in_another_cache() {
    let (first, second) = (Cache::new().await, Cache::new().await);
    let source = source(GOOD);
    let ((first, _), (second, _)) = tokio::join!(compiled(&source, &first), compiled(&source, &second));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.sha256, first.elf_sha256), (second.sha256, second.elf_sha256));
}

#[tokio::test]
async fn of_two_compiles_at_once_one_builds() {
    let cache = Cache::new().await;
    let source = source(GOOD);
    let ((first, mut events), (second, other)) =
        tokio::join!(compiled(&source, &cache), compiled(&source, &cache));
    assert_eq!(first.unwrap(), second.unwrap());
    events.extend(other);
    let count = |wanted: &Event| events.iter().filter(|event| *event == wanted).count();
    assert_eq!((count(&Event::CompileStarted), count(&Event::CompileCached)), (1, 1));
}

#[rstest]
#[case::compiler("context.leds[0].r = uv_time;", "use of undeclared identifier 'uv_time'")]
#[case::linker("context.leds[0].r = context.time * 2.1;", "undefined symbol: __muldf3")]
#[tokio::test]
async fn a_fault_in_generated_code_names_its_node(#[case] body: &str, #[case] message: &str) {
    let cache = Cache::new().await;
    let (result, _) = compiled(&source(body), &cache).await;
    let error = result.unwrap_err();
    let CompileError::Refused { errors, log_end } = &error else { panic!("{error}: {error:?}") };
    let found = errors.iter().find(|error| error.message == message).unwrap_or_else(|| panic!("{errors:?}"));
    assert_eq!((found.file.as_str(), found.line), ("generated/one.hpp", 5));
    assert_eq!((found.pattern.as_deref(), found.node.as_deref()), (Some("one"), Some("fill")));
    assert!(log_end.contains(message), "{log_end}");
    assert_eq!(cache.builds(), 0);
}

#[tokio::test]
async fn warnings_stay_with_the_image() {
    let cache = Cache::new().await;
    let source = source("float unused; (void)context;");
    let (image, _) = compiled(&source, &cache).await;
    let warnings = image.unwrap().warnings;
    let found: Vec<_> =
        warnings.iter().map(|w| (w.file.as_str(), w.line, w.message.as_str(), w.node.as_deref())).collect();
    let message = "unused variable 'unused' [-Wunused-variable]";
    assert_eq!(found, [("generated/one.hpp", 5, message, Some("fill"))]);
    let (cached, events) = compiled(&source, &cache).await;
    assert_eq!(events, [Event::CompileCached]);
    assert_eq!(cached.unwrap().warnings, warnings);
}

#[tokio::test]
async fn messages_of_compilers_that_run_at_once_do_not_mix() {
    let cache = Cache::new().await;
    let mut source = source(GOOD);
    for unit in 0..6 {
        let lines = (0..40).map(|n| format!("void f{unit}_{n}() {{ int unused_{unit}_{n}; }}\n"));
        source.files.push(SourceFile {
            path: format!("unit_{unit}.cpp"),
            text: lines.collect(),
            pattern: None,
            nodes: Vec::new(),
        });
    }
    let (image, _) = compiled(&source, &cache).await;
    let found: Vec<_> = image.unwrap().warnings.into_iter().map(|w| (w.file, w.line, w.message)).collect();
    let expected = (0..6).flat_map(|unit| {
        (0..40).map(move |n| {
            let message = format!("unused variable 'unused_{unit}_{n}' [-Wunused-variable]");
            (format!("generated/unit_{unit}.cpp"), n + 1, message)
        })
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dropped_compile_leaves_nothing_behind() {
    let cache = Cache::new().await;
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let on_event = move |event: &Event| sender.send(event.clone()).unwrap();
    let source = source(GOOD);
    {
        let running = compile(&source, Target::Virtual, &cache.toolbox, &on_event);
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => panic!("{ended:?}"),
                event = events.recv() => if matches!(event, Some(Event::CompileStep { .. })) { break },
            }
        }
        assert_eq!(cache.builds(), 1);
    }
    assert_eq!(cache.builds(), 0);
    let folder = cache.folder.path().to_str().unwrap();
    let processes = std::process::Command::new("ps").args(["-A", "-o", "args="]).output().unwrap();
    let alive = String::from_utf8_lossy(&processes.stdout);
    assert!(!alive.contains(folder), "{alive}");
}

#[rstest]
#[case("../core/frame_loop.cpp")]
#[case("/tmp/a.cpp")]
#[case("one.hpp")] // which is there already
#[tokio::test]
async fn a_source_cannot_name_files_elsewhere(#[case] path: &str) {
    let mut source = source(GOOD);
    source.files[0].path = path.to_owned();
    let toolbox = Toolbox::at("/nonexistent");
    let error = compile(&source, Target::Virtual, &toolbox, &k1_hil::event::ignore).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the source names a file {path:?}, which cannot be laid out"));
    assert_eq!(error.blame(), k1_hil::Blame::Input);
}

#[tokio::test]
async fn without_tools_the_remedy_is_the_set_up() {
    let toolbox = Toolbox::at("/nonexistent");
    let error = compile(&source(GOOD), Target::Virtual, &toolbox, &k1_hil::event::ignore).await.unwrap_err();
    assert_eq!(error.to_string(), "the build tool PlatformIO is not installed");
}
