//! The parts of R4's composite parameters
//! (<https://hl7.org/fhir/R4/searchparameter-registry.html>). Written by hand: three of the
//! published ones name a part by the wrong expression (`relationship` has its two parts swapped,
//! `code-value-date` asks for a type `DateTime`, and parts that stand elsewhere in the resource use
//! a variable), and what is left is nine shapes.

use super::parameter::ParameterKind;
use crate::definitions::Definitions;
use crate::path::Path;

/// One part of a composite.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) kind: ParameterKind,
    pub(crate) path: Path,
    /// Whether the path starts at the resource, not at the composite's own element.
    pub(crate) from_resource: bool,
}

use ParameterKind::{Date, Number, Quantity, Reference, String, Token};

/// The parts of the composite of that code; empty if it is not known.
pub(crate) fn components(code: &str, definitions: &Definitions) -> Vec<Component> {
    let value_of = |kind, path| vec![(Token, "code", false), (kind, path, false)];
    let between = |from_resource, name, start, end| {
        vec![
            (Token, name, from_resource),
            (Number, start, false),
            (Number, end, false),
        ]
    };
    let parts = match code {
        "context-type-quantity" => value_of(Quantity, "value.as(Quantity) | value.as(Range)"),
        "context-type-value" => value_of(Token, "value.as(CodeableConcept)"),
        "characteristic-value" => value_of(Token, "value"),
        "relationship" => vec![(Reference, "target", false), (Token, "code", false)],
        "code-value-date" => value_of(Date, "value.as(dateTime) | value.as(Period)"),
        "code-value-string" => value_of(String, "value.as(string)"),
        "code-value-concept" | "combo-code-value-concept" | "component-code-value-concept" => {
            value_of(Token, "value.as(CodeableConcept)")
        }
        "code-value-quantity" | "combo-code-value-quantity" | "component-code-value-quantity" => {
            value_of(Quantity, "value.as(Quantity)")
        }
        "chromosome-variant-coordinate" => between(
            true,
            "MolecularSequence.referenceSeq.chromosome",
            "start",
            "end",
        ),
        "referenceseqid-variant-coordinate" => between(
            true,
            "MolecularSequence.referenceSeq.referenceSeqId",
            "start",
            "end",
        ),
        "chromosome-window-coordinate" => between(false, "chromosome", "windowStart", "windowEnd"),
        "referenceseqid-window-coordinate" => {
            between(false, "referenceSeqId", "windowStart", "windowEnd")
        }
        _ => return Vec::new(),
    };
    let compiled = parts.into_iter().map(|(kind, path, from_resource)| {
        Some(Component {
            kind,
            path: Path::compile(path, definitions).ok()?,
            from_resource,
        })
    });
    compiled.collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::parameters;

    #[test]
    fn every_composite_of_r4_can_be_indexed() {
        let definitions = Definitions::r4();
        let published = definitions.parameters.iter();
        let composites = published.filter(|parameter| parameter.kind == "composite");
        let mut count = 0;
        for composite in composites {
            for base in &composite.bases {
                let found = parameters(base).find(|parameter| parameter.code == composite.code);
                assert!(found.is_some(), "{base} {}", composite.code);
                count += 1;
            }
        }
        assert!(count > 60, "{count}");
    }
}
