//! The list of all patterns of an image, which its firmware draws from.

use super::cpp::{Writer, string};
use super::is_audio_reactive;
use crate::graph::Graph;

/// The text of `registry.cpp`.
pub(super) fn registry(graphs: &[Graph]) -> String {
    let mut out = Writer::with_capacity(1024 + 256 * graphs.len());
    out.line("// The patterns of this image, generated from their graphs.");
    out.line("#include \"pattern_abi.h\"");
    out.line("");
    for graph in graphs {
        out.line(format!("#include \"{}.hpp\"", graph.name));
    }
    out.line("");
    out.line("const PatternInfo g_pattern_registry[] = {");
    for graph in graphs {
        let Graph { name, title, description, .. } = graph;
        out.line(format!(
            "{{{}, {}, {}, draw_{name}, {}}},",
            string(title),
            string(name),
            string(description),
            is_audio_reactive(graph)
        ));
    }
    out.line("};");
    out.line("");
    out.line(format!("const uint8_t g_num_patterns = {};", graphs.len()));
    out.line("");
    out.line("const PatternReset g_pattern_resets[] = {");
    for graph in graphs {
        out.line(format!("k1g_{}::reset,", graph.name));
    }
    out.line("};");
    out.finish().0
}
