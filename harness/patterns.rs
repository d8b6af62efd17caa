//! The patterns that come with this program, and the baselines that they have on every machine.

use rust_embed::Embed;

use crate::graph::{self, Graph, GraphError};
use crate::stored::StoredError;
use crate::verdict::Baseline;

#[derive(Embed)]
#[folder = "patterns/"]
#[include = "*.json"]
#[include = "baselines/k1-virtual/*.json"]
struct Files;

/// The text of the graph of the pattern `name`; none if no pattern of that name comes with this program.
pub fn text(name: &str) -> Option<String> {
    // A name with a folder in it would be that of a baseline.
    let file = Files::get(&format!("{name}.json")).filter(|_| !name.contains('/'))?;
    Some(String::from_utf8_lossy(&file.data).into_owned())
}

/// All graphs, by name.
///
/// # Errors
///
/// [`GraphError`] if one of them is not valid, which is a mistake of this program.
pub fn graphs() -> Result<Vec<Graph>, GraphError> {
    let files = Files::iter().filter(|path| !path.contains('/'));
    let mut graphs = files
        .filter_map(|path| Some((Files::get(&path)?, path)))
        .map(|(file, path)| graph::parse(&String::from_utf8_lossy(&file.data), &path))
        .collect::<Result<Vec<_>, _>>()?;
    graphs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(graphs)
}

/// Their baselines on the virtual board.
///
/// # Errors
///
/// [`StoredError::Malformed`] if one of them is none, which is a mistake of this program.
pub fn baselines() -> Result<Vec<Baseline>, StoredError> {
    let files = Files::iter().filter(|path| path.contains('/'));
    files
        .filter_map(|path| Some((Files::get(&path)?, path)))
        .map(|(file, path)| {
            serde_json::from_slice(&file.data).map_err(|error| StoredError::Malformed {
                path: path.as_ref().into(),
                what: "a baseline",
                reason: error.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_pattern_has_its_baseline() {
        let graphs: Vec<String> = super::graphs().unwrap().into_iter().map(|graph| graph.name).collect();
        let mut baselines: Vec<String> =
            super::baselines().unwrap().into_iter().map(|baseline| baseline.plan.pattern).collect();
        baselines.sort();
        assert_eq!(graphs, baselines);
        assert!(
            super::text("ring_pulse").is_some() && super::text("baselines/k1-virtual/ring_pulse").is_none()
        );
    }
}
