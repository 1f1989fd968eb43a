//! The compartments of Device, Encounter, Practitioner and RelatedPerson
//! (<https://hl7.org/fhir/R4/compartmentdefinition.html>) as conditions: a resource is in one if it refers
//! to what the compartment is of by one of the parameters that the definition names. Patients' compartments
//! decide who may read what, and stand in rows of their own.

use super::clause::{Clause, Criterion};
use super::query::ALL_TYPES;
use crate::definitions::Definitions;
use crate::problem::{Kind, Problem};

/// Stands in the definitions for what the compartment is of.
const ITSELF: &str = "{def}";

/// The condition that a resource of that type (or of any) is in the compartment.
pub(super) fn members(of: &str, ty: &str, (id, base_url): (&str, &str)) -> Result<Clause, Problem> {
    let definitions = Definitions::r4();
    let Some(types) = definitions.compartments.get(of) else {
        let message = "Compartments are those of Device, Encounter, Patient, Practitioner and \
                       RelatedPerson.";
        return Err(Problem::new(Kind::NotSupported, message));
    };
    let base_url = base_url.trim_end_matches('/');
    let mut targets = vec![format!("{of}/{id}")];
    if !base_url.is_empty() {
        targets.push(format!("{base_url}/{of}/{id}"));
    }
    if ty != ALL_TYPES {
        let codes = types.get(ty).ok_or_else(|| {
            let message = format!("{ty} is in no compartment of a resource of the type {of}.");
            Problem::new(Kind::Value, message)
        })?;
        return Ok(refers(codes, id, &targets));
    }
    let mut names: Vec<&str> = types.keys().copied().collect();
    names.sort_unstable();
    let typed = names.into_iter().filter_map(|ty| {
        let clause = Box::new(refers(types.get(ty)?, id, &targets));
        let ty = ty.to_string();
        Some(Criterion::Typed { ty, clause })
    });
    Ok(Clause {
        code: String::new(),
        negated: false,
        criteria: typed.collect(),
    })
}

/// By one of these parameters.
fn refers(codes: &[&'static str], id: &str, targets: &[String]) -> Clause {
    let one = |code: &str| match code {
        ITSELF => Clause::one("_id", Criterion::Id(id.to_string())),
        code => {
            let targets = targets.to_vec();
            Clause::one(code, Criterion::Reference { targets })
        }
    };
    match codes {
        [code] => one(code),
        codes => Clause {
            code: String::new(),
            negated: false,
            criteria: codes
                .iter()
                .map(|code| Criterion::All(vec![one(code)]))
                .collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{ParameterKind, parameter};

    #[test]
    fn every_parameter_of_a_compartment_is_one_that_resources_are_indexed_by() {
        let definitions = Definitions::r4();
        for (of, types) in &definitions.compartments {
            for (ty, codes) in types {
                for code in codes.iter().filter(|code| **code != ITSELF) {
                    let known = parameter(ty, code);
                    let known = known.filter(|known| known.is_indexed());
                    let kind = known.map(|known| known.kind);
                    assert_eq!(kind, Some(ParameterKind::Reference), "{of} {ty} {code}");
                }
            }
        }
    }

    #[test]
    fn what_is_in_no_compartment_is_refused_by_name() {
        let of = |of: &str, ty: &str| members(of, ty, ("1", "")).map_err(|it| it.kind);
        assert_eq!(of("Location", "Encounter"), Err(Kind::NotSupported));
        assert_eq!(of("Encounter", "Patient"), Err(Kind::Value));
        let target = "Encounter/1".to_string();
        let expected = Criterion::Reference {
            targets: vec![target],
        };
        let found = of("Encounter", "Observation").unwrap();
        assert_eq!(found, Clause::one("encounter", expected));
        assert_eq!(of("Encounter", ALL_TYPES).unwrap().criteria.len(), 25);
    }
}
