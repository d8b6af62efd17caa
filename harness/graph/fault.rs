//! The codes of faults, and the list in which a reading collects them.

use super::{Fault, Severity};

/// A kind of fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    name: &'static str,
    severity: Severity,
}

// The codes of the K1 graph documents. (E1008 is not used there.)
pub(super) const UNKNOWN_TYPE: Code = error("E1001");
pub(super) const MISSING_INPUT: Code = error("E1002");
pub(super) const PARAM_TYPE: Code = error("E1003");
pub(super) const BELOW_BOUNDS: Code = warning("E1004");
pub(super) const ABOVE_BOUNDS: Code = warning("E1005");
pub(super) const MUCH_NODE_STATE: Code = warning("E1006");
pub(super) const TOO_MUCH_NODE_STATE: Code = error("E1006");
pub(super) const CYCLE: Code = error("E1007");
pub(super) const UNKNOWN_PORT: Code = error("E1009");
pub(super) const DANGLING_SOURCE: Code = error("E1010");
pub(super) const TOO_MUCH_STATE: Code = error("E1011");
pub(super) const TYPE_MISMATCH: Code = error("E1012");

// This project's own.
/// The text is not JSON.
pub(super) const SYNTAX: Code = error("E1013");
/// A part of the document is not the kind of JSON value that belongs there.
pub(super) const WRONG_VALUE: Code = error("E1014");
/// A key that must be there is not.
pub(super) const MISSING_KEY: Code = error("E1015");
/// A key that the schema does not have.
pub(super) const UNKNOWN_KEY: Code = error("E1016");
/// A key that stands twice in one object.
pub(super) const REPEATED_KEY: Code = error("E1017");
/// A version of the schema that is not read here.
pub(super) const VERSION: Code = error("E1018");
/// A pattern name or node id that is not `^[a-z][a-z0-9_]*$`, is too long, or is reserved.
pub(super) const BAD_NAME: Code = error("E1019");
/// Two nodes with one id.
pub(super) const REPEATED_ID: Code = error("E1020");
/// A parameter that the node's type does not have.
pub(super) const UNKNOWN_PARAM: Code = error("E1021");
/// No LedOutput or LedOutputMirror.
pub(super) const NO_OUTPUT: Code = error("E1022");
/// More than one of them.
pub(super) const SEVERAL_OUTPUTS: Code = error("E1023");
/// A node that no output depends on; it is left out of the generated code.
pub(super) const UNUSED_NODE: Code = warning("E1024");
/// More nodes or bytes than are read.
pub(super) const TOO_LARGE: Code = error("E1025");
/// A node that gives back its input unchanged.
pub(super) const NO_EFFECT: Code = warning("E1026");

const fn error(name: &'static str) -> Code {
    Code { name, severity: Severity::Error }
}

const fn warning(name: &'static str) -> Code {
    Code { name, severity: Severity::Warning }
}

/// So many faults are listed; a file with more of them is not a graph with mistakes in it.
const LISTED: usize = 1_000;
/// So many faults get a search for what was meant, which compares one word with all others.
const SUGGESTIONS: usize = 50;

/// The faults found so far in one text.
pub(super) struct Faults<'t> {
    text: &'t str,
    /// With the byte offset of each.
    found: Vec<(usize, Fault)>,
    suggestions: usize,
}

impl<'t> Faults<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, found: Vec::new(), suggestions: SUGGESTIONS }
    }

    /// Adds a fault at a byte offset of the text; node, port and hint are set on what is returned.
    pub(super) fn report(&mut self, code: Code, at: usize, message: impl Into<String>) -> &mut Fault {
        let fault = Fault {
            code: code.name,
            severity: code.severity,
            node: None,
            port: None,
            line: 0,
            column: 0,
            message: message.into(),
            hint: None,
        };
        let index = self.found.len();
        self.found.push((at, fault));
        &mut self.found[index].1
    }

    /// The offset in the text at which `part`, a piece of it, begins.
    pub(super) fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len())
    }

    /// `did you mean …` for a misspelt `word`, else the choices where they are few.
    pub(super) fn meant(&mut self, word: &str, choices: &[&str]) -> Option<String> {
        let nearest = match self.suggestions.checked_sub(1) {
            Some(left) => {
                self.suggestions = left;
                super::suggest::nearest(word, choices.iter().copied())
            }
            None => None,
        };
        match nearest {
            Some(choice) => Some(format!("did you mean `{choice}`?")),
            None if choices.is_empty() || choices.len() > 60 => None,
            None => Some(format!("one of {}", choices.join(", "))),
        }
    }

    pub(super) fn any_error(&self) -> bool {
        self.found.iter().any(|(_, fault)| fault.severity == Severity::Error)
    }

    /// All faults in file order, with line and column.
    pub(super) fn in_file_order(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|(at, _)| *at);
        if self.found.len() > LISTED {
            let rest = self.found.split_off(LISTED).len();
            let at = self.text.len();
            self.report(TOO_LARGE, at, format!("{rest} more faults are not listed"));
        }
        let (mut line, mut line_start, mut seen) = (1, 0, 0);
        self.found
            .into_iter()
            .map(|(at, mut fault)| {
                for (index, _) in self.text[seen..at].match_indices('\n') {
                    line += 1;
                    line_start = seen + index + 1;
                }
                seen = at;
                fault.line = line;
                fault.column =
                    1 + self.text[line_start..at].chars().count().try_into().unwrap_or(u32::MAX - 1);
                fault
            })
            .collect()
    }
}

impl Fault {
    pub(super) fn of_node(&mut self, id: &str) -> &mut Self {
        self.node = Some(id.to_owned());
        self
    }

    pub(super) fn at_port(&mut self, port: &str) -> &mut Self {
        self.port = Some(port.to_owned());
        self
    }

    pub(super) fn hint(&mut self, hint: impl Into<Option<String>>) -> &mut Self {
        self.hint = hint.into();
        self
    }
}

/// Text of the file as it may stand in a message: quoted, without control characters, and short.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 48;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
