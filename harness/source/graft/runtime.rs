//! The two files that patterns generated from graphs share in a checkout: what their C++ calls, which is the same text
//! as in this project's own firmware, and what that uses of the checkout.

use crate::source::checkout::Places;

/// Names of the files, as generated code includes them.
pub(super) const RUNTIME: &str = "graph_runtime.h";
pub(super) const ABI: &str = "pattern_abi.h";

/// The text of `graph_runtime.h`.
pub(super) const RUNTIME_TEXT: &str = include_str!("../../../firmware/core/graph_runtime.h");

/// The text of `pattern_abi.h`, which lies at `path`.
pub(super) fn abi(path: &str, places: &Places, with_palette: bool) -> String {
    let palette = places.palette.as_ref().filter(|_| with_palette);
    let headers = places.uses.iter().chain(palette.map(|palette| &palette.header));
    let mut text = format!("{ABI_BEGIN}\n#pragma once\n");
    text.extend(headers.map(|header| format!("#include \"{}\"\n", Places::relative(path, header))));
    if let Some(palette) = palette {
        text += &format!("\n#define K1G_PALETTE {}\n", palette.function);
    }
    text
}

/// Whether a file that lies where one of the two would is one of them, perhaps of another version.
pub(super) fn is_ours(text: &str) -> bool {
    let first = |text: &str| text.lines().next().map(str::to_owned);
    let found = first(text);
    found.is_some() && (found == first(RUNTIME_TEXT) || found.as_deref() == Some(ABI_BEGIN))
}

const ABI_BEGIN: &str = "// What patterns generated from graphs use of this firmware.";
