//! What must always hold of adding patterns, on files in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rstest::rstest;

use super::*;
use crate::graph;
use crate::source::checkout::{Palette, Places};

const LIST: &str = "src/registry.cpp";
const ALL: &str = "src/all.h";
const DECLARED: &str = "src/declared.h";

type Texts = BTreeMap<String, String>;

fn places() -> Places {
    Places {
        folder: "src/patterns".to_owned(),
        list: "g_list".to_owned(),
        listed: vec![LIST.to_owned(), ALL.to_owned()],
        included: ALL.to_owned(),
        declared: Some(DECLARED.to_owned()),
        uses: vec!["src/context.h".to_owned()],
        palette: Some(Palette { function: "color_of".to_owned(), header: "src/colors.h".to_owned() }),
    }
}

fn texts() -> Texts {
    let files = [
        (
            LIST,
            "#include \"all.h\"  // the patterns\n\nconst Info g_list[] = {\n\t{\"Ember\", \"ember\", \"\", \
             draw_ember, false},\n\t{\"Old Tide\", \"tide\", \"\", draw_water, true}\n};\n",
        ),
        (ALL, "#pragma once\n#include \"patterns/hand.hpp\"\n"),
        (DECLARED, "#pragma once\nvoid draw_ember(const PatternRenderContext& context);\n"),
        ("src/context.h", ""),
        ("src/colors.h", "Color color_of(uint8_t id, float progress, float brightness);\n"),
        ("src/patterns/hand.hpp", "#pragma once\n"),
    ];
    files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

fn graph(name: &str, title: &str) -> Graph {
    let text = format!(
        r#"{{ "name": "{name}", "version": "v1.0", "meta": {{ "title": "{title}" }}, "nodes": [
            {{ "id": "tint", "type": "Color", "params": {{ "r": 1, "g": 0, "b": 0 }} }},
            {{ "id": "fill", "type": "Fill", "inputs": {{ "color": "tint" }} }},
            {{ "id": "leds", "type": "LedOutput", "inputs": {{ "color": "fill" }} }} ] }}"#
    );
    graph::parse(&text, name).unwrap()
}

fn graphs(names: &[&str]) -> Vec<Graph> {
    names.iter().map(|name| graph(name, "A // k1-hil: b")).collect()
}

fn applied(texts: &Texts, edits: Vec<Edit>) -> Texts {
    let mut texts = texts.clone();
    for Edit { path, text, .. } in edits {
        match text {
            Some(text) => texts.insert(path, text),
            None => texts.remove(&path),
        };
    }
    texts
}

fn inserted_at(places: &Places, texts: &Texts, graphs: &[Graph]) -> Result<Texts, GraftError> {
    let read = |path: &str| Ok(texts.get(path).cloned());
    Ok(applied(texts, Site::at("mine", Some(places), &read)?.inserted(graphs)?))
}

fn inserted(texts: &Texts, graphs: &[Graph]) -> Result<Texts, GraftError> {
    inserted_at(&places(), texts, graphs)
}

fn removed(texts: &Texts, ids: &[&str]) -> Result<Texts, GraftError> {
    let (read, places) = (|path: &str| Ok(texts.get(path).cloned()), places());
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    Ok(applied(texts, Site::at("mine", Some(&places), &read)?.removed(&ids)?))
}

/// What a refusal says; the texts are not the ones above.
fn refusal(change: impl FnOnce(&mut Texts), names: &[&str]) -> String {
    let mut texts = texts();
    change(&mut texts);
    inserted(&texts, &graphs(names)).unwrap_err().to_string()
}

#[test]
fn one_marked_line_goes_into_each_place() {
    let after = inserted(&texts(), &graphs(&["glow"])).unwrap();
    insta::assert_snapshot!(
        [LIST, ALL, DECLARED, "src/patterns/pattern_abi.h"]
            .map(|p| &after[p])
            .map(|t| t.as_str())
            .join("----\n")
    );
    assert_eq!(after["src/patterns/graph_runtime.h"], runtime::RUNTIME_TEXT);
    assert!(after["src/patterns/glow.hpp"].contains("inline void draw_glow("));
}

#[test]
fn a_pattern_that_is_there_is_renewed_where_it_stands() {
    let before = inserted(&texts(), &graphs(&["glow", "shine"])).unwrap();
    let after = inserted(&before, &[graph("glow", "Brighter")]).unwrap();
    let rows: Vec<&str> = after[LIST].lines().filter(|line| line.contains("k1-hil:")).collect();
    assert!(rows[0].starts_with("\t, {\"Brighter\", \"glow\"") && rows[1].contains("\"shine\""), "{rows:?}");
    let others = |texts: &Texts| [ALL, DECLARED].map(|path| texts[path].clone());
    assert_eq!(others(&after), others(&before));
}

#[test]
fn where_the_list_is_in_the_including_header_the_pattern_comes_before_it() {
    let mut texts = texts();
    let list = texts.remove(LIST).unwrap();
    let all = format!("#pragma once\n{}void after();\n", list.split_once("\n\n").unwrap().1);
    texts.insert(ALL.to_owned(), all);
    texts.remove(DECLARED);
    texts.remove("src/colors.h");
    let after = inserted(&texts, &graphs(&["glow", "shine"])).unwrap();
    let place = |text: &str| after[ALL].find(text).unwrap();
    assert!(place("patterns/shine.hpp") < place("const Info g_list"), "{}", after[ALL]);
    assert!(place("const Info g_list") < place("draw_glow, false}"), "{}", after[ALL]);
    assert!(!after["src/patterns/pattern_abi.h"].contains("K1G_PALETTE"), "it has no palettes");
    assert_eq!(removed(&after, &["glow", "shine"]).unwrap(), texts);
}

#[test]
fn a_name_that_is_taken_is_told_with_both() {
    assert_eq!(
        refusal(|_| (), &["ember"]),
        "the graph ember cannot be added: src/registry.cpp:4 lists \"Ember\" with the id ember, drawn by draw_ember; \
         the graph needs another name"
    );
    assert_eq!(
        refusal(|_| (), &["water"]),
        "the graph water cannot be added: src/registry.cpp:5 lists \"Old Tide\" with the id tide, drawn by \
         draw_water; the graph needs another name"
    );
    assert_eq!(refusal(|_| (), &["hand"]), "src/patterns/hand.hpp is there already and was not generated");
    let own = |texts: &mut Texts| {
        _ = texts.insert("src/patterns/graph_runtime.h".to_owned(), "// mine\n".to_owned())
    };
    assert_eq!(
        refusal(own, &["glow"]),
        "src/patterns/graph_runtime.h is there already and was not generated"
    );
}

#[rstest]
#[case(LIST, None, "src/registry.cpp or src/all.h", "the definition of the array g_list")]
#[case(
    LIST,
    Some("#include \"all.h\"\nextern const Info g_list[];\n"),
    "src/registry.cpp or src/all.h",
    "the definition of the array g_list"
)]
#[case(
    LIST,
    Some("#include \"all.h\"\nInfo g_list[] = {{}};\n"),
    LIST,
    "the closing bracket of g_list at the beginning of a line of its own"
)]
#[case(LIST, Some("Info g_list[] = {\n};\n"), LIST, "#include \"all.h\"")]
#[case(ALL, None, ALL, "a header that includes those of the patterns")]
#[case(
    DECLARED,
    Some("void draw_ember(float time);\n"),
    DECLARED,
    "declarations like void draw_id(const PatternRenderContext& context);"
)]
#[case("src/context.h", None, "src/context.h", "what a pattern is given, and there is no such file")]
fn what_is_not_as_the_manifest_says_is_named(
    #[case] path: &str,
    #[case] text: Option<&str>,
    #[case] named: &str,
    #[case] expected: &str,
) {
    let change = |texts: &mut Texts| match text {
        Some(text) => _ = texts.insert(path.to_owned(), text.to_owned()),
        None => _ = texts.remove(path),
    };
    let said = refusal(change, &["glow"]);
    assert_eq!(said, format!("patterns cannot be added to {named}: the manifest mine expects {expected}"));
}

#[test]
fn what_cannot_be_taken_out_is_told() {
    let texts = texts();
    let said = |texts: &Texts, id| removed(texts, &[id]).unwrap_err().to_string();
    assert_eq!(said(&texts, "ember"), "no pattern ember was added to the checkout");
    let mut with = inserted(&texts, &graphs(&["glow", "shine"])).unwrap();
    assert_eq!(said(&with, "ember"), "no pattern ember was added to the checkout; added were glow, shine");
    // Somebody wrote a row behind ours, and gave ours a comma for it.
    let edited = with[LIST].replace("draw_glow, false}", "draw_glow, false},");
    with.insert(LIST.to_owned(), edited);
    let reason = said(&with, "glow");
    assert!(
        reason.contains("src/registry.cpp: the manifest mine expects `, {…}` or `{…},` in line 6, "),
        "{reason}"
    );
}

#[test]
fn a_list_holds_as_many_as_its_firmware_counts() {
    let row = "{\"A\", \"a\", \"\", draw_a, false},\n".repeat(255);
    let full = |texts: &mut Texts| {
        _ = texts.insert(LIST.to_owned(), format!("#include \"all.h\"\nInfo g_list[] = {{\n{row}}};\n"));
    };
    assert_eq!(refusal(full, &["glow"]), "src/registry.cpp lists 255 patterns already, and more do not fit");
}

#[test]
fn a_manifest_that_does_not_say_how_is_named() {
    let read = |_: &str| Ok(None);
    let error = Site::at("mine", None, &read).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the manifest mine does not say how patterns are added: it has no table `patterns`"
    );
}

prop_compose! {
    /// The files above, written in another style.
    fn styled()(
        windows: bool,
        comma: bool,
        rows in 0usize..4,
        end in select(vec!["", "\n", "\n\n", " \n\t\n", "\n// the end"]),
        declared: bool,
        split: bool,
        indent in select(vec!["", "  ", "\t"]),
    ) -> Texts {
        let mut texts = texts();
        let break_at = if split { "\n\t\t" } else { " " };
        let row = |n| format!("{indent}{{\"Row {n}\",{break_at}\"row{n}\", \"}};\", draw_row{n}, true}}");
        let mut list = (0..rows).map(row).collect::<Vec<_>>().join(",\n");
        list += if comma && rows > 0 { ",\n" } else { "\n" };
        texts.insert(LIST.to_owned(), format!("#include \"all.h\"\nconst Info g_list[] = {{\n{list}}};{end}"));
        for path in [ALL, DECLARED] {
            let text = format!("{}{end}", texts[path].trim_end());
            texts.insert(path.to_owned(), text);
        }
        if !declared {
            texts.remove(DECLARED);
        }
        if windows {
            texts.values_mut().for_each(|text| *text = text.replace('\n', "\r\n"));
        }
        texts
    }
}

const NAMES: [&str; 4] = ["glow", "shine", "my_glow", "a"];

proptest! {
    #[test]
    fn what_is_added_and_taken_out_leaves_the_same_bytes(
        before in styled(),
        first in subsequence(&NAMES[..], 1..4).prop_shuffle(),
        second in subsequence(&NAMES[..], 1..4).prop_shuffle(),
        out in Just(NAMES.to_vec()).prop_shuffle(),
    ) {
        let once = inserted(&before, &graphs(&first)).unwrap();
        prop_assert_eq!(&inserted(&once, &graphs(&first)).unwrap(), &once, "twice is once");
        let mut texts = inserted(&once, &graphs(&second)).unwrap();
        let list = list::find(&texts[LIST], "g_list").unwrap().unwrap();
        let mut added: Vec<&str> = list.rows.iter().map(|row| row.id.as_str()).filter(|id| NAMES.contains(id)).collect();
        added.sort_unstable();
        let mut wanted: Vec<&str> = first.iter().chain(&second).copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        prop_assert_eq!(&added, &wanted);
        let out: Vec<String> = out.iter().filter(|id| added.contains(id)).map(|id| (*id).to_owned()).collect();
        for id in &out {
            texts = removed(&texts, &[id]).unwrap();
        }
        prop_assert_eq!(texts, before);
    }
}
