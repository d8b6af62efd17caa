//! Whether the files of a checkout contradict each other, so that nobody's compiler takes them.
//!
//! What a compiler refuses may be k1-hil's concern: the checkout is built against stand-ins for the chip's SDK, and a name
//! that they lack is undeclared here and not there. Some errors have nothing to do with that, and then the message can
//! say so.

use super::{CHECKOUT, Diagnostic};

/// What the errors of a build say about the checkout.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Evidence {
    /// Errors that only the checkout can cause.
    sure: Vec<Diagnostic>,
    /// Errors that only the checkout can cause where no name is missing: a missing macro is a fault of syntax, too.
    likely: Vec<Diagnostic>,
    /// Types that are unknown or lack a member: the checkout's fault if the type is the checkout's.
    types: Vec<(Diagnostic, String)>,
    names_are_missing: bool,
}

impl Evidence {
    /// Takes an error into account that is in the expansion of macros which `macros` define.
    pub(super) fn add(&mut self, error: &Diagnostic, macros: &[String]) {
        self.names_are_missing |= lacks_a_name(&error.message);
        if !error.file.starts_with(CHECKOUT) {
            return;
        }
        if let Some(type_name) = type_at_fault(&error.message) {
            self.types.push((error.clone(), type_name.to_owned()));
        } else if error.message.starts_with("redefinition of ") {
            self.sure.push(error.clone());
        } else if error.message.starts_with("expected ") || error.message.starts_with("extraneous ") {
            let by_own_macro = !macros.is_empty() && macros.iter().all(|file| file.starts_with(CHECKOUT));
            let list = if by_own_macro { &mut self.sure } else { &mut self.likely };
            list.push(error.clone());
        }
    }

    /// An error that proves the checkout broken in itself; `defines` says whether it defines a type.
    pub(super) fn proof(&self, defines: impl Fn(&str) -> bool) -> Option<&Diagnostic> {
        let own_type = || self.types.iter().find(|(_, name)| defines(name)).map(|(error, _)| error);
        let likely = || self.likely.iter().min().filter(|_| !self.names_are_missing);
        self.sure.iter().min().or_else(own_type).or_else(likely)
    }
}

/// Whether `text` defines the type `name`.
pub(super) fn defines_type(text: &str, name: &str) -> bool {
    let is_it = |rest: &str| {
        let rest = rest.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['{', ':']))
    };
    ["struct ", "class ", "union "].iter().any(|kind| text.split(kind).skip(1).any(is_it))
        || text.contains(&format!("}} {name};"))
}

/// Whether an error may come from a name that the stand-ins for the SDK do not have.
fn lacks_a_name(message: &str) -> bool {
    const SAID: [&str; 8] = [
        "undeclared identifier",
        "unknown type name",
        "file not found",
        "undefined symbol",
        "no type named",
        "no template named",
        "no matching",
        "incomplete type",
    ];
    SAID.iter().any(|said| message.contains(said))
}

/// `SequencedAudioBuffer` of `no member named 'vu' in 'SequencedAudioBuffer'`, `CRGBF` of `unknown type name 'CRGBF'`.
fn type_at_fault(message: &str) -> Option<&str> {
    let member =
        message.strip_prefix("no member named '").and_then(|rest| Some(rest.split_once("' in '")?.1));
    let name = member.or_else(|| message.strip_prefix("unknown type name '"))?.split_once('\'')?.0;
    Some(name.trim_start_matches("struct ").trim_start_matches("const "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn proof(errors: &[(&str, &str, &[&str])]) -> Option<String> {
        let mut evidence = Evidence::default();
        for (line, (file, message, macros)) in errors.iter().enumerate() {
            let macros: Vec<String> = macros.iter().map(|file| (*file).to_owned()).collect();
            let error = Diagnostic {
                file: (*file).to_owned(),
                line: line as u32,
                column: 1,
                message: (*message).to_owned(),
                pattern: None,
                node: None,
            };
            evidence.add(&error, &macros);
        }
        evidence.proof(|name| name == "Own").map(|error| error.message.clone())
    }

    const OWN: &str = "checkout/src/a.h";

    #[rstest]
    #[case::twice(&[(OWN, "redefinition of 'f'", &[][..]), (OWN, "use of undeclared identifier 'x'", &[])], Some("redefinition of 'f'"))]
    #[case::own_macro(&[(OWN, "expected ')'", &["checkout/src/led.h"][..]), (OWN, "'b.h' file not found", &[])], Some("expected ')'"))]
    #[case::own_type(&[(OWN, "no member named 'vu' in 'Own'", &[][..])], Some("no member named 'vu' in 'Own'"))]
    #[case::own_type_not_included(&[(OWN, "unknown type name 'Own'", &[][..])], Some("unknown type name 'Own'"))]
    #[case::syntax(&[(OWN, "extraneous closing brace ('}')", &[][..])], Some("extraneous closing brace ('}')"))]
    #[case::our_macro(&[(OWN, "expected ')'", &["checkout/src/led.h", "compat/Arduino.h"][..]), (OWN, "unknown type name 'x'", &[])], None)]
    #[case::our_type(&[(OWN, "no member named 'x' in 'EspClass'", &[][..])], None)]
    #[case::a_macro_of_the_sdk_is_missing(&[(OWN, "unknown type name 'IRAM_ATTR'", &[][..]), (OWN, "expected ';'", &[])], None)]
    #[case::our_glue(&[("hosts/k1_node1/k1.h", "redefinition of 'f'", &[][..])], None)]
    fn only_what_the_checkout_alone_can_cause_is_a_proof(
        #[case] errors: &[(&str, &str, &[&str])],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(proof(errors).as_deref(), expected);
    }

    #[rstest]
    #[case("struct Own {", true)]
    #[case("class Own final : public Base {", false)]
    #[case("class Own: Base {", true)]
    #[case("struct Owner { Own own; };", false)]
    #[case("typedef struct {\n} Own;", true)]
    #[case("struct Own;", false)]
    fn a_type_is_defined_with_its_body(#[case] text: &str, #[case] defined: bool) {
        assert_eq!(defines_type(text, "Own"), defined);
    }
}
