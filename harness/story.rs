//! An error together with what caused it.

use std::error::Error;
use std::iter::successors;

/// The messages of `error` and of its causes, outermost first.
pub fn messages(error: &dyn Error) -> impl Iterator<Item = String> {
    successors(Some(error), |&error| error.source().map(|cause| cause as &dyn Error)).map(ToString::to_string)
}

/// The whole story of `error` in one line: `cannot read a.json: permission denied`.
pub fn one_line(error: &dyn Error) -> String {
    messages(error).collect::<Vec<_>>().join(": ")
}

/// The cause at the bottom of the chain: `connection refused` rather than `error sending request`. The others repeat an
/// address, which may hold a password.
pub(crate) fn innermost(error: &dyn Error) -> String {
    messages(error).last().unwrap_or_default()
}
