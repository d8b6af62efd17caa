//! Generating C++ from graphs: what it looks like, what is left out of it, and what can never be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use k1_hil::graph::catalogue::{self, Kind, NodeType, Output, Param, ParamDefault, PortDefault};
use k1_hil::graph::types::Shape;
use k1_hil::graph::{Graph, load, parse};
use k1_hil::source::{GenerateError, Source, SourceFile, generate};
use proptest::prelude::*;
use proptest::sample::Index;
use rstest::rstest;

fn graph(nodes: &str) -> Graph {
    parse(&format!(r#"{{ "name": "sample", "version": "v1.0", "nodes": [{nodes}] }}"#), "sample.json")
        .unwrap()
}

fn file<'s>(source: &'s Source, path: &str) -> &'s SourceFile {
    source.files.iter().find(|file| file.path == path).unwrap()
}

fn header(graph: &Graph) -> String {
    let source = generate(std::slice::from_ref(graph)).unwrap();
    file(&source, &format!("{}.hpp", graph.name)).text.clone()
}

/// The statements of `draw`, without comments.
fn body(graph: &Graph) -> Vec<String> {
    let header = header(graph);
    let draw = header.split_once("draw(const PatternRenderContext& context) {\n").unwrap().1;
    let draw = draw.split_once("\n}\n").unwrap().0;
    let lines = draw.lines().map(|line| line.split("  //").next().unwrap().trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[rstest]
#[case("patterns/slow_bloom.json")]
#[case("patterns/two_voices.json")]
#[case("patterns/night_glass.json")]
#[case("fixtures/graphs/bloom_poc.json")]
#[case("fixtures/graphs/spectrum_example.json")]
fn the_header_of_a_pattern(#[case] path: &str) {
    let graph = load(Path::new(path)).unwrap();
    insta::assert_snapshot!(graph.name.clone(), header(&graph));
}

#[test]
fn the_registry_lists_patterns_in_the_order_given() {
    let graphs =
        ["two_voices", "slow_tide"].map(|name| load(Path::new(&format!("patterns/{name}.json"))).unwrap());
    let source = generate(&graphs).unwrap();
    insta::assert_snapshot!(file(&source, "registry.cpp").text);
    let listed: Vec<_> = source.patterns.iter().map(|p| (p.id.as_str(), p.audio_reactive)).collect();
    assert_eq!(listed, [("two_voices", true), ("slow_tide", false)]);
}

#[test]
fn constants_are_folded_and_equal_nodes_merged() {
    let graph = graph(
        r#"{ "id": "half", "type": "ParamF", "params": { "name": "speed", "min": 0.5, "max": 0.5 } },
           { "id": "quarter", "type": "Pow", "inputs": { "base": "half" } },
           { "id": "time", "type": "Time" }, { "id": "again", "type": "Time" },
           { "id": "hue", "type": "Mul", "inputs": { "a": "time", "b": "quarter" } },
           { "id": "value", "type": "Mul", "inputs": { "a": "again", "b": "quarter" } },
           { "id": "tint", "type": "Hsv", "inputs": { "h": "hue", "v": "value" } },
           { "id": "paint", "type": "Fill", "inputs": { "color": "tint" } },
           { "id": "flat", "type": "Blur", "inputs": { "src": "paint" } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "flat" } }"#,
    );
    assert_eq!(
        body(&graph),
        [
            "const float n_time = context.time;",
            "const float n_hue = n_time * 0.25f;",
            "const CRGBF n_tint = k1g_Hsv(n_hue, 1.0f, n_hue);",
            "for (int i = 0; i < NUM_LEDS; ++i) {",
            "context.leds[i] = k1g_Clamp01(n_tint);",
            "}",
        ]
    );
    let header = header(&graph);
    assert!(header.contains("// time: Time; also again\n"), "{header}");
    assert!(header.contains("// tint: Hsv; also paint, flat\n"), "{header}");
}

#[test]
fn what_is_not_finite_is_not_folded() {
    let graph = graph(
        r#"{ "id": "huge", "type": "Pow", "params": { "base": 1e30, "exponent": 2 } },
           { "id": "tint", "type": "Color", "inputs": { "r": "huge" }, "params": { "g": 0, "b": 0 } },
           { "id": "paint", "type": "Fill", "inputs": { "color": "tint" } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "paint" } }"#,
    );
    assert_eq!(body(&graph)[0], "const float n_huge = k1g_Pow(1e30f, 2.0f);");
}

#[test]
fn nodes_that_remember_are_never_merged() {
    let graph = graph(
        r#"{ "id": "sound", "type": "AudioSnapshot" },
           { "id": "a", "type": "LowPass", "inputs": { "signal": "sound" } },
           { "id": "b", "type": "LowPass", "inputs": { "signal": "sound" } },
           { "id": "tint", "type": "Hsv", "inputs": { "h": "a", "v": "b" } },
           { "id": "paint", "type": "Fill", "inputs": { "color": "tint" } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "paint" } }"#,
    );
    let header = header(&graph);
    assert!(header.contains("static float s_a;") && header.contains("static float s_b;"), "{header}");
    assert!(header.contains("    s_a = 0.0f;") && header.contains("    s_b = 0.0f;"), "{header}");
}

#[test]
fn what_is_not_drawn_is_neither_computed_nor_heard() {
    let graph = graph(
        r#"{ "id": "sound", "type": "AudioSnapshot" },
           { "id": "paint", "type": "Fill", "params": { "color": [1, 0, 0.5] } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "paint" } }"#,
    );
    assert_eq!(
        body(&graph),
        [
            "for (int i = 0; i < NUM_LEDS; ++i) {",
            "context.leds[i] = k1g_Clamp01(CRGBF(1.0f, 0.0f, 0.5f));",
            "}",
        ]
    );
    assert!(!generate(&[graph]).unwrap().patterns[0].audio_reactive);
}

#[test]
fn a_buffer_is_read_elsewhere_from_what_it_remembers() {
    let graph = graph(
        r#"{ "id": "dots", "type": "DotRender", "params": { "indices": [80] } },
           { "id": "trail", "type": "BufferPersist", "inputs": { "src": "dots" } },
           { "id": "turned", "type": "Mirror", "inputs": { "src": "trail" } },
           { "id": "both", "type": "Add", "inputs": { "a": "turned", "b": "trail" } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "both" } }"#,
    );
    let body = body(&graph);
    assert!(!body.iter().any(|line| line.contains("Scratch")), "{body:#?}");
    assert!(body.contains(&"const CRGBF n_turned = s_trail[NUM_LEDS - 1 - i];".to_owned()), "{body:#?}");
    assert!(body.contains(&"const CRGBF n_both = n_turned + s_trail[i];".to_owned()), "{body:#?}");
}

#[test]
fn only_the_half_that_is_drawn_is_computed() {
    let graph = graph(
        r#"{ "id": "sound", "type": "AudioSpectrum" },
           { "id": "band", "type": "BandShape", "inputs": { "src": "sound" } },
           { "id": "paint", "type": "ColorizeBuffer", "inputs": { "index_buf": "band" } },
           { "id": "leds", "type": "LedOutputMirror", "inputs": { "color": "paint" } }"#,
    );
    let loops: Vec<_> = body(&graph).into_iter().filter(|line| line.starts_with("for ")).collect();
    assert_eq!(loops, ["for (int i = 0; i < NUM_LEDS / 2; ++i) {"]);
}

#[test]
fn scratch_buffers_are_used_again_once_they_have_been_read() {
    let mut nodes = r#"{ "id": "b0", "type": "DotRender", "params": { "indices": [80] } },"#.to_owned();
    for n in 1..=6 {
        write!(nodes, r#"{{ "id": "b{n}", "type": "Blur", "inputs": {{ "src": "b{}" }} }},"#, n - 1).unwrap();
    }
    let graph = graph(&(nodes + r#"{ "id": "leds", "type": "LedOutput", "inputs": { "color": "b6" } }"#));
    let scratch = body(&graph).into_iter().filter(|line| line.contains("k1g_ColorScratch")).count();
    assert_eq!(scratch, 2);
}

#[test]
fn dots_are_cut_off_at_the_ends_of_the_strip() {
    let graph = graph(
        r#"{ "id": "dots", "type": "DotRender",
             "params": { "indices": [0, 159, -5, 9007199254740992, 33], "peak_width": 3 } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "dots" } }"#,
    );
    let table = "= {0x00000003u, 0x00000007u, 0x00000000u, 0x00000000u, 0xc0000000u};";
    assert!(header(&graph).contains(table), "{}", header(&graph));
}

#[rstest]
#[case::quotes("\"; } static Evil evil; //")]
#[case::comment("*/ #include \"/etc/passwd\" /*")]
#[case::lines("a\n#define NUM_LEDS 1\r\u{2028}\\\n")]
#[case::trigraphs("??/??'??=")]
#[case::other_letters("Мрак ✨ \u{202e}")]
#[case::long(&"long ".repeat(5_000))]
fn titles_and_descriptions_stay_in_their_strings(#[case] text: &str) {
    let json = serde_json::to_string(text).unwrap();
    let graph = parse(
        &format!(
            r#"{{ "name": "sample", "version": "v1.0", "meta": {{ "title": {json}, "description": {json} }}, "nodes": [
               {{ "id": "paint", "type": "Fill", "params": {{ "color": 1 }} }},
               {{ "id": "leds", "type": "LedOutput", "inputs": {{ "color": "paint" }} }}] }}"#
        ),
        "sample.json",
    )
    .unwrap();
    let source = generate(&[graph]).unwrap();
    let harmless = generate(&[self::graph(
        r#"{ "id": "paint", "type": "Fill", "params": { "color": 1 } },
           { "id": "leds", "type": "LedOutput", "inputs": { "color": "paint" } }"#,
    )])
    .unwrap();
    assert_eq!(file(&source, "sample.hpp"), file(&harmless, "sample.hpp"));
    // Without its strings, the registry is the one of a harmless title.
    assert_eq!(
        without_strings(&file(&source, "registry.cpp").text),
        without_strings(&file(&harmless, "registry.cpp").text)
    );
    assert!(file(&source, "registry.cpp").text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)));
}

/// C++ with the contents of its string literals left out.
fn without_strings(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|c| {
            let was_inside = inside;
            match c {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                _ => {}
            }
            !was_inside
        })
        .collect()
}

#[test]
fn one_image_has_each_pattern_once_and_no_more_than_the_firmware_counts() {
    let tide = load(Path::new("patterns/slow_tide.json")).unwrap();
    assert!(matches!(generate(&[]), Err(GenerateError::Nothing)));
    let twice = generate(&[tide.clone(), tide.clone()]).unwrap_err();
    assert_eq!(twice.to_string(), "two patterns are named slow_tide");
    let many: Vec<_> = (0..256).map(|n| Graph { name: format!("tide_{n}"), ..tide.clone() }).collect();
    assert_eq!(generate(&many[..255]).unwrap().patterns.len(), 255);
    assert_eq!(
        generate(&many).unwrap_err().to_string(),
        "256 patterns do not fit into one image, whose list holds 255"
    );
}

#[test]
fn the_hash_follows_the_text() {
    let [tide, bloom] =
        ["slow_tide", "slow_bloom"].map(|name| load(Path::new(&format!("patterns/{name}.json"))).unwrap());
    let hash = |graphs: &[Graph]| generate(graphs).unwrap().sha256;
    assert_eq!(hash(&[tide.clone(), bloom.clone()]), hash(&[tide.clone(), bloom.clone()]));
    assert_ne!(hash(&[tide.clone(), bloom.clone()]), hash(&[bloom, tide]));
}

#[test]
fn lines_know_the_node_they_stem_from() {
    let source = generate(&[load(Path::new("patterns/slow_bloom.json")).unwrap()]).unwrap();
    let file = file(&source, "slow_bloom.hpp");
    let lines: Vec<_> = file.text.lines().collect();
    assert!(file.nodes.is_sorted_by_key(|(line, _)| *line));
    for (number, node) in &file.nodes {
        let line = lines[*number as usize - 1];
        assert!(
            line.contains(&format!("// {node}: ")) || line.contains(&format!("s_{node}")),
            "{node}: {line}"
        );
    }
    let told: BTreeSet<_> = file.nodes.iter().map(|(_, node)| node.as_str()).collect();
    assert!(told.contains("glow") && told.contains("leds"), "{told:?}");
}

#[test]
fn every_node_type_becomes_code() {
    for entry in catalogue::all() {
        let graph = graph(&showcase(entry));
        let header = header(&graph);
        assert!(header.contains(&format!("// it: {}", entry.name)) || entry.name == "Fill", "{header}");
        check_names(&header).unwrap();
    }
}

/// A graph in which `entry` is the node `it`, fed by what varies and drawn.
fn showcase(entry: &NodeType) -> String {
    let source = |shape| match shape {
        Shape::Float => "level",
        Shape::Color => "tint",
        Shape::Spectrum => "sound",
        Shape::FloatLeds => "band",
        Shape::ColorLeds => "paint",
    };
    let inputs: Vec<_> = entry
        .inputs
        .iter()
        .map(|port| format!(r#""{}": "{}""#, port.name, source(port.accepts[0])))
        .collect();
    let params: Vec<_> =
        entry.params.iter().filter(|param| param.default == ParamDefault::Required).map(any_value).collect();
    let shapes: Vec<_> = entry.inputs.iter().map(|port| port.accepts[0]).collect();
    let drawn = match entry.output {
        Output::Terminal { .. } => None,
        Output::Is(kind) => Some(kind.shape()),
        Output::Of(rule) => rule(&shapes),
    };
    let drawing = match drawn {
        None => "",
        Some(Shape::Float) => {
            r#", { "id": "c", "type": "Hsv", "inputs": { "h": "it" } },
               { "id": "f", "type": "Fill", "inputs": { "color": "c" } },
               { "id": "leds", "type": "LedOutput", "inputs": { "color": "f" } }"#
        }
        Some(Shape::Color) => {
            r#", { "id": "f", "type": "Fill", "inputs": { "color": "it" } },
               { "id": "leds", "type": "LedOutput", "inputs": { "color": "f" } }"#
        }
        Some(Shape::Spectrum) => {
            r#", { "id": "b", "type": "BandShape", "inputs": { "src": "it" } },
               { "id": "f", "type": "ColorizeBuffer", "inputs": { "index_buf": "b" } },
               { "id": "leds", "type": "LedOutput", "inputs": { "color": "f" } }"#
        }
        Some(Shape::FloatLeds) => {
            r#", { "id": "f", "type": "ColorizeBuffer", "inputs": { "index_buf": "it" } },
               { "id": "leds", "type": "LedOutput", "inputs": { "color": "f" } }"#
        }
        Some(Shape::ColorLeds) => r#", { "id": "leds", "type": "LedOutput", "inputs": { "color": "it" } }"#,
    };
    format!(
        r#"{{ "id": "it", "type": "{}", "inputs": {{ {} }}, "params": {{ {} }} }},
           {{ "id": "level", "type": "LowPass", "inputs": {{ "signal": "loudness" }} }},
           {{ "id": "loudness", "type": "AudioSnapshot" }},
           {{ "id": "hue", "type": "ParamF", "params": {{ "name": "color" }} }},
           {{ "id": "tint", "type": "Hsv", "inputs": {{ "h": "hue" }} }},
           {{ "id": "sound", "type": "AudioSpectrum" }},
           {{ "id": "band", "type": "BandShape", "inputs": {{ "src": "sound" }} }},
           {{ "id": "paint", "type": "ColorizeBuffer", "inputs": {{ "index_buf": "band" }} }} {drawing}"#,
        entry.name,
        inputs.join(", "),
        params.join(", ")
    )
}

fn any_value(param: &Param) -> String {
    let value = match param.kind {
        Kind::Choice(choices) => format!("{:?}", choices[0]),
        Kind::Number { min, .. } => format!("{min:?}"),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Color => "[1, 1, 1]".to_owned(),
        Kind::Integers | Kind::Colors => "[]".to_owned(),
        Kind::Text => r#""""#.to_owned(),
    };
    format!(r#""{}": {value}"#, param.name)
}

/// Every name of the header is declared before it is read, in the same or an outer block, once; and it is read.
fn check_names(header: &str) -> Result<(), String> {
    let mut blocks: Vec<BTreeMap<String, bool>> = vec![BTreeMap::new()];
    for line in header.lines() {
        let code = line.split("  //").next().unwrap_or_default();
        if code.starts_with('#') || code.starts_with("//") {
            continue;
        }
        let declared = declared(code);
        for word in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| is_ours(word))
        {
            if declared != Some(word) {
                let known = blocks.iter_mut().rev().find_map(|block| block.get_mut(word));
                *known.ok_or(format!("{word} is not declared in {line:?}"))? = true;
            }
        }
        if let (Some(name), Some(block)) = (declared, blocks.last_mut())
            && block.insert(name.to_owned(), name.starts_with("s_")).is_some()
        {
            return Err(format!("{name} is declared twice"));
        }
        if code.trim_start().starts_with('}') {
            let block = blocks.pop().ok_or("a block ends that did not begin")?;
            if let Some((name, _)) = block.iter().find(|(_, read)| !**read) {
                return Err(format!("{name} is not used"));
            }
        }
        if code.ends_with('{') {
            blocks.push(BTreeMap::new());
        }
    }
    (blocks.len() == 1).then_some(()).ok_or("a block does not end".to_owned())
}

fn is_ours(word: &str) -> bool {
    let numbered = |prefix| word.strip_prefix(prefix).is_some_and(|n: &str| n.parse::<u32>().is_ok());
    ["n_", "s_", "band_", "dots_", "colors_"].iter().any(|prefix| word.starts_with(prefix))
        || numbered("floats")
        || numbered("colors")
}

fn declared(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let rest =
        ["const float* const ", "const float ", "const CRGBF ", "float* const ", "CRGBF* const ", "float "]
            .iter()
            .chain(&["static const float ", "static const uint32_t ", "static float ", "static CRGBF "])
            .find_map(|kind| code.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}

/// Numbers with a point are floats.
fn has_double(header: &str) -> bool {
    header.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')).any(|word| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && !word.ends_with('f')
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_valid_graph_becomes_well_formed_code(text in arbitrary::text()) {
        let graph = parse(&text, "arbitrary.json");
        prop_assert!(graph.is_ok(), "{text}\n{graph:?}");
        let graph = graph.unwrap();
        let source = generate(std::slice::from_ref(&graph)).unwrap();
        let header = &file(&source, "arbitrary.hpp").text;
        prop_assert_eq!(check_names(header), Ok(()), "{}", header);
        prop_assert!(!has_double(header), "{}", header);
        prop_assert_eq!(&source, &generate(&[graph]).unwrap());
    }
}

/// Graphs built from the catalogue alone, so that they cover every node type there is.
mod arbitrary {
    use super::*;

    /// Choices for one node: its type, the source of each input, and the values of its parameters.
    type Choices = (Index, Vec<Index>, Vec<Index>);

    pub(super) fn text() -> impl Strategy<Value = String> {
        let node = (
            any::<Index>(),
            prop::collection::vec(any::<Index>(), 4),
            prop::collection::vec(any::<Index>(), 4),
        );
        (prop::collection::vec(node, 1..40), any::<Index>()).prop_map(|(nodes, output)| graph(&nodes, output))
    }

    fn graph(choices: &[Choices], output: Index) -> String {
        let types: Vec<_> = catalogue::all().filter(|entry| !entry.is_terminal()).collect();
        let mut nodes =
            vec![r#"{ "id": "n", "type": "Fill", "params": { "color": [0.2, 0.4, 0.6] } }"#.to_owned()];
        let mut shapes = vec![Shape::ColorLeds];
        let mut state = 0;
        for choice in choices {
            let entry = types[choice.0.index(types.len())];
            if let Some((text, shape)) = node(entry, choice, &shapes, nodes.len()) {
                let keeps = if entry.state == catalogue::State::Nothing { 0 } else { shape.bytes() };
                if state + keeps <= 16 * 1024 {
                    state += keeps;
                    nodes.push(text);
                    shapes.push(shape);
                }
            }
        }
        let colored: Vec<_> = (0..shapes.len()).filter(|n| shapes[*n] == Shape::ColorLeds).collect();
        let kind = ["LedOutput", "LedOutputMirror"][output.index(2)];
        // The latest buffer, so that the graph is deep.
        let last = "n".repeat(colored[colored.len() - 1] + 1);
        nodes.push(format!(r#"{{ "id": "leds", "type": "{kind}", "inputs": {{ "color": "{last}" }} }}"#));
        format!(r#"{{ "name": "arbitrary", "version": "v1.0", "nodes": [{}] }}"#, nodes.join(",\n"))
    }

    /// The JSON and the shape of a node, if there is something for each of its inputs.
    fn node(
        entry: &NodeType,
        (_, sources, values): &Choices,
        before: &[Shape],
        place: usize,
    ) -> Option<(String, Shape)> {
        let (mut inputs, mut params, mut shapes) = (Vec::new(), Vec::new(), Vec::new());
        for (port, choice) in entry.inputs.iter().zip(sources) {
            let fits: Vec<_> =
                (0..before.len()).filter(|n| before[*n].coerced(port.accepts).is_some()).collect();
            if !fits.is_empty() && choice.index(8) != 0 {
                // The later ones twice as often.
                let source = fits[choice.index(2 * fits.len()).max(fits.len() / 2).min(fits.len() - 1)];
                shapes.push(before[source].coerced(port.accepts)?);
                inputs.push(format!(r#""{}": "{}""#, port.name, "n".repeat(source + 1)));
            } else if let Some(shape) = Shape::Float.coerced(port.accepts) {
                shapes.push(shape);
                let (min, max) = port.bounds.unwrap_or((-2.0, 2.0));
                params.push(format!(
                    r#""{}": {:?}"#,
                    port.name,
                    min + (max - min) * choice.index(9) as f32 / 8.0
                ));
            } else if port.default == PortDefault::Optional {
                shapes.push(Shape::Float);
            } else {
                return None;
            }
        }
        let shape = match entry.output {
            Output::Is(kind) => kind.shape(),
            Output::Of(rule) => rule(&shapes)?,
            Output::Terminal { .. } => return None,
        };
        params.extend(entry.params.iter().zip(values).map(|(param, choice)| value(param, *choice)));
        if params.iter().any(|param| param.contains("custom\"")) {
            params.retain(|param| !param.starts_with(r#""colors""#));
            params.push(r#""colors": [[0, 0, 0.5], [1, 0.5, 0]]"#.to_owned());
        } else {
            params.retain(|param| !param.starts_with(r#""colors""#));
        }
        // Ids may be long, and alike.
        let id = "n".repeat(place + 1);
        let (inputs, params) = (inputs.join(", "), params.join(", "));
        let text = format!(
            r#"{{ "id": "{id}", "type": "{}", "inputs": {{ {inputs} }}, "params": {{ {params} }} }}"#,
            entry.name
        );
        Some((text, shape))
    }

    fn value(param: &Param, choice: Index) -> String {
        let value = match (param.name, param.kind) {
            ("min", _) => "0.0".to_owned(),
            ("max", _) => "1.0".to_owned(),
            (_, Kind::Number { min, max }) => {
                let (min, max) = (min.max(-1e6), max.min(1e6));
                format!("{:?}", min + (max - min) * choice.index(9) as f32 / 8.0)
            }
            (_, Kind::Integer { min, max }) => {
                (min + choice.index(1 + (max - min) as usize) as i64).to_string()
            }
            (_, Kind::Choice(choices)) => format!("{:?}", choices[choice.index(choices.len())]),
            (_, Kind::Integers) => {
                format!("[{}, {}, 79, 80]", choice.index(200), choice.index(70) as i64 - 20)
            }
            (_, Kind::Colors) => "[[1, 0.5, 0], [0, 0, 1.5]]".to_owned(),
            (_, Kind::Color) => "[1, 1, 1]".to_owned(),
            (_, Kind::Text) => r#""any""#.to_owned(),
        };
        format!(r#""{}": {value}"#, param.name)
    }
}
