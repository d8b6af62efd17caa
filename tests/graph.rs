//! Reading and checking pattern graphs: what is accepted, and how what is not is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use k1_hil::graph::{Fault, Graph, GraphError, Input, Severity, catalogue, load, parse};
use proptest::prelude::*;
use rstest::rstest;

fn faults(text: &str) -> Vec<Fault> {
    match parse(text, "graph.json") {
        Ok(graph) => graph.warnings,
        Err(GraphError::Invalid { faults, .. }) => faults,
        Err(other) => panic!("{other}"),
    }
}

fn codes(text: &str) -> Vec<&'static str> {
    faults(text).iter().map(|fault| fault.code).collect()
}

fn rendered(text: &str, file: &str) -> String {
    let mut out = String::new();
    for fault in faults(text) {
        writeln!(out, "{}", fault.display(file)).unwrap();
    }
    out
}

/// A graph of these nodes and an output of a node `paint`.
fn with_nodes(nodes: &str) -> String {
    format!(
        r#"{{ "name": "sample", "version": "v1.0", "nodes": [{nodes}
        {{ "id": "leds", "type": "LedOutput", "inputs": {{ "color": "paint" }} }}] }}"#
    )
}

fn node<'g>(graph: &'g Graph, id: &str) -> &'g k1_hil::graph::Node {
    graph.nodes.iter().find(|node| node.id == id).unwrap()
}

#[rstest]
fn a_bad_graph_is_told_with_code_place_and_advice(#[files("fixtures/graphs/e1*.json")] path: PathBuf) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let rendered = rendered(&text, &format!("{name}.json"));
    for code in name.split('_').take_while(|part| part.starts_with("e1")) {
        assert!(rendered.contains(&format!("[{}]", code.to_uppercase())), "{rendered}");
    }
    insta::assert_snapshot!(name, rendered);
}

#[test]
fn every_code_has_a_fixture() {
    let told: BTreeSet<_> = std::fs::read_dir("fixtures/graphs")
        .unwrap()
        .flat_map(|file| codes(&std::fs::read_to_string(file.unwrap().path()).unwrap()))
        .collect();
    // E1008 does not exist; E1025 is about size and has a test of its own.
    let all = (1001..=1026).filter(|number| ![1008, 1025].contains(number));
    let missing: Vec<_> = all.filter(|number| !told.contains(format!("E{number}").as_str())).collect();
    assert_eq!(missing, Vec::<i32>::new());
}

#[rstest]
fn our_patterns_are_valid_and_without_warnings(#[files("patterns/*.json")] path: PathBuf) {
    let graph = load(&path).unwrap();
    assert_eq!(graph.warnings, []);
    assert_eq!(graph.name, path.file_stem().unwrap().to_str().unwrap());
    assert!(!graph.description.is_empty());
}

#[test]
fn the_proof_of_concept_of_k1_is_valid() {
    let graph = load(Path::new("fixtures/graphs/bloom_poc.json")).unwrap();
    assert_eq!(graph.title, "Bloom Poc");
    let chain: Vec<_> =
        graph.nodes.iter().map(|node| (node.kind.name, node.output.map(|t| t.name()))).collect();
    assert_eq!(
        chain,
        [
            ("AudioSpectrum", Some("audio_spectrum")),
            ("BandShape", Some("led_buffer_float")),
            ("BufferPersist", Some("led_buffer_float")),
            ("ColorizeBuffer", Some("led_buffer_vec3")),
            ("Mirror", Some("led_buffer_vec3")),
            ("LedOutput", None),
        ]
    );
}

#[test]
fn the_spectrum_example_of_the_specification_is_valid_with_a_warning() {
    let graph = load(Path::new("fixtures/graphs/spectrum_example.json")).unwrap();
    let codes: Vec<_> = graph.warnings.iter().map(|fault| (fault.code, fault.severity)).collect();
    assert_eq!(codes, [("E1026", Severity::Warning)]);
}

#[test]
fn nodes_come_after_their_sources_whatever_their_order_in_the_file() {
    let text = with_nodes(
        r#"{ "id": "paint", "type": "Fill", "inputs": { "color": "tint" } },
           { "id": "tint", "type": "Hsv", "inputs": { "h": "time" } },
           { "id": "time", "type": "Time" },"#,
    );
    let graph = parse(&text, "graph.json").unwrap();
    for (place, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            assert!(!matches!(input, Input::Node(source) if *source >= place), "{} is too early", node.id);
        }
    }
    assert_eq!(node(&graph, "tint").inputs[1..], [Input::Number(1.0), Input::Number(1.0)]);
}

#[rstest]
#[case::float_with_float(r#""params": { "a": 1, "b": 2 }"#, "float")]
#[case::float_with_color(r#""params": { "a": 1, "b": [1, 0, 0] }"#, "color")]
#[case::buffer_with_float(r#""inputs": { "a": "band" }, "params": { "b": 2 }"#, "led_buffer_float")]
#[case::float_with_colored_buffer(r#""inputs": { "b": "paint" }, "params": { "a": 2 }"#, "led_buffer_vec3")]
#[case::colored_buffers(r#""inputs": { "a": "paint", "b": "paint" }"#, "led_buffer_vec3")]
fn add_and_mul_take_numbers_colors_and_buffers(
    #[case] operands: &str,
    #[case] result: &str,
    #[values("Add", "Mul")] kind: &str,
) {
    let text = with_nodes(&format!(
        r#"{{ "id": "sound", "type": "AudioSpectrum" }},
           {{ "id": "band", "type": "BandShape", "inputs": {{ "src": "sound" }} }},
           {{ "id": "paint", "type": "Fill", "params": {{ "color": 1 }} }},
           {{ "id": "result", "type": "{kind}", {operands} }},"#
    ));
    let graph = parse(&text, "graph.json").unwrap();
    assert_eq!(node(&graph, "result").output.unwrap().name(), result);
}

#[test]
fn a_connection_wins_over_a_constant() {
    let text = with_nodes(
        r#"{ "id": "time", "type": "Time" },
           { "id": "tint", "type": "Hsv", "inputs": { "h": "time" }, "params": { "h": 0.5 } },
           { "id": "paint", "type": "Fill", "inputs": { "color": "tint" } },"#,
    );
    let graph = parse(&text, "graph.json").unwrap();
    assert_eq!(node(&graph, "tint").inputs[0], Input::Node(0));
}

#[rstest]
#[case::given(r#""title": "Ebbe und Flut ✨""#, "Ebbe und Flut ✨")]
#[case::made(r#""author": ["anyone", 3]"#, "Sample")]
fn the_title_is_given_or_made_of_the_name(#[case] meta: &str, #[case] title: &str) {
    let text = with_nodes(r#"{ "id": "paint", "type": "Fill", "params": { "color": 1 } },"#).replacen(
        r#""nodes""#,
        &format!(r#""meta": {{ {meta} }}, "nodes""#),
        1,
    );
    assert_eq!(parse(&text, "graph.json").unwrap().title, title);
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let text = with_nodes(r#"{ "id": "paint", "type": "Fill", "params": { "color": 1 } },"#);
    assert!(parse(&format!("\u{feff}{text}"), "graph.json").is_ok());
}

#[rstest]
#[case("{\n  \"é✨\": 1 }", "E1016", 2, 3)]
#[case("{\"é✨\": 1, 2}", "E1013", 1, 11)]
fn columns_count_characters(#[case] text: &str, #[case] code: &str, #[case] line: u32, #[case] column: u32) {
    let faults = faults(text);
    let fault = faults.iter().find(|fault| fault.code == code).unwrap();
    assert_eq!((fault.line, fault.column), (line, column));
}

#[test]
fn an_unreadable_file_is_named() {
    let error = load(Path::new("patterns/no_such_pattern.json")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the graph patterns/no_such_pattern.json");
}

#[test]
fn ten_thousand_nodes_get_one_clear_answer() {
    let mut nodes = String::new();
    for n in 0..10_000 {
        write!(nodes, r#"{{ "id": "n{n}", "type": "Sqrt", "inputs": {{ "value": "n{}" }} }},"#, n + 1)
            .unwrap();
    }
    let rendered = rendered(&with_nodes(&nodes), "big.json");
    assert_eq!(rendered, "big.json:1:49: error[E1025]: the graph has 10001 nodes; at most 1000 are read\n");
}

#[test]
fn a_thousand_nodes_in_one_chain_or_one_circle_are_handled() {
    let chain = |last: &str| {
        let mut nodes = String::new();
        for n in 0..998 {
            let source = if n == 997 { last.to_owned() } else { format!("n{}", n + 1) };
            write!(nodes, r#"{{ "id": "n{n}", "type": "Sqrt", "inputs": {{ "value": "{source}" }} }},"#)
                .unwrap();
        }
        nodes + r#"{ "id": "paint", "type": "Fill", "inputs": { "color": "n0" } },"#
    };
    let circle = faults(&with_nodes(&chain("n0")));
    assert_eq!(circle.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["E1007"]);
    assert!(circle[0].message.len() < 200, "{}", circle[0].message);
    assert_eq!(codes(&with_nodes(&chain("nothing"))), ["E1010"]);
}

#[test]
fn so_many_mistakes_are_listed_and_the_rest_counted() {
    let mut nodes = String::new();
    for n in 0..999 {
        write!(nodes, r#"{{ "id": "n{n}", "type": "Sqrt{n}", "inputs": {{ "valeu{n}": "m{n}" }} }},"#)
            .unwrap();
    }
    let faults = faults(&with_nodes(&nodes));
    assert_eq!(faults.len(), 1_001);
    assert_eq!(faults[1_000].message, "999 more faults are not listed");
}

#[rstest]
#[case::arrays("[", "]")]
#[case::objects("{\"a\":", "}")]
fn nesting_does_not_exhaust_the_stack(#[case] open: &str, #[case] close: &str) {
    let deep = format!("{}0{}", open.repeat(200_000), close.repeat(200_000));
    assert!(!faults(&deep).is_empty());
    let text =
        with_nodes(&format!(r#"{{ "id": "paint", "type": "Fill", "params": {{ "color": {deep} }} }},"#));
    assert_eq!(codes(&text), ["E1003"]);
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let text = " ".repeat((4 << 20) + 1);
    assert_eq!(codes(&text), ["E1025"]);
}

#[test]
fn what_a_file_contains_cannot_disturb_a_terminal() {
    let text = with_nodes("{ \"id\": \"\\u001b[2J\\nx\", \"type\": \"\\u0007\" },");
    let rendered = rendered(&text, "graph.json");
    assert!(rendered.contains("\\u{1b}[2J"), "{rendered:?}");
    assert!(rendered.chars().all(|c| c == '\n' || !c.is_control()), "{rendered:?}");
}

#[test]
fn names_of_the_catalogue_are_unique_and_every_entry_explains_itself() {
    let mut names = BTreeSet::new();
    for entry in catalogue::all() {
        assert!(names.insert(entry.name), "{} stands twice", entry.name);
        assert!(entry.aliases.iter().all(|alias| names.insert(*alias)));
        assert!(!entry.summary.is_empty());
        let mut own = BTreeSet::new();
        let ports = entry.inputs.iter().flat_map(|port| port.aliases.iter().chain([&port.name]));
        let params = entry.params.iter().flat_map(|param| param.aliases.iter().chain([&param.name]));
        assert!(ports.chain(params).all(|name| own.insert(*name)), "{} uses a name twice", entry.name);
    }
}

proptest! {
    /// Whatever the text, there is an answer, and its places lie within the text.
    #[test]
    fn no_text_is_too_strange(text in prop_oneof![any::<String>(), mangled()]) {
        for fault in faults(&text) {
            prop_assert!(fault.line >= 1 && fault.line as usize <= text.split('\n').count());
            let line = text.split('\n').nth(fault.line as usize - 1).unwrap_or_default();
            prop_assert!(fault.column >= 1 && fault.column as usize <= line.chars().count() + 1);
        }
    }
}

/// A good graph with a piece of it replaced.
fn mangled() -> impl Strategy<Value = String> {
    let text = std::fs::read_to_string("patterns/slow_bloom.json").unwrap();
    let pieces = prop_oneof![
        Just(""),
        Just("\""),
        Just("{"),
        Just("]"),
        Just("null"),
        Just("-1e9"),
        Just("é"),
        Just(",")
    ];
    (0..text.len(), 0usize..12, pieces).prop_map(move |(at, length, piece)| {
        let mut text = text.clone();
        text.replace_range(at..(at + length).min(text.len()), piece);
        text
    })
}
