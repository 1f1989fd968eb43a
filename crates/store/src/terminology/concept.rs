//! A concept as it is kept, and as it is shown.

use fhir::problem::{Kind, Problem};
use fhir::terminology::code_system::{Concept, Property, Relationship};
use fhir::terminology::compose::Designation;
use fhir::terminology::ecl::is_concrete;
use serde::{Deserialize, Serialize};

use super::system::SystemRow;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Numbers asked for in one statement.
const AT_ONCE: usize = 500;

/// What a concept has beside code and display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConceptDetail {
    pub definition: String,
    pub inactive: bool,
    pub designations: Vec<Designation>,
    /// Its relationships are among them.
    pub properties: Vec<Property>,
    pub(crate) relationships: Vec<Relationship>,
    /// The numbers of its parents.
    pub(crate) parents: Vec<u32>,
}

/// A concept as a page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub system: String,
    /// Empty if the system has none.
    pub version: String,
    pub code: String,
    /// Empty if there is none.
    pub display: String,
    pub inactive: bool,
    pub designations: Vec<Designation>,
}

/// The JSON of a row, with short names: there are hundreds of thousands.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Packed {
    #[serde(skip_serializing_if = "String::is_empty")]
    f: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    i: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    d: Vec<(String, String, String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    p: Vec<(String, String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    r: Vec<(u32, String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    u: Vec<u32>,
}

/// The row's `detail`.
pub(super) fn packed(concept: &Concept, parents: &[u32]) -> Result<String, Problem> {
    let designation = |it: &Designation| {
        (
            it.language.clone(),
            it.used_as.0.clone(),
            it.used_as.1.clone(),
            it.value.clone(),
        )
    };
    let property = |it: &Property| (it.code.clone(), it.kind.clone(), it.value.clone());
    let relationship = |it: &Relationship| (it.group, it.attribute.clone(), it.value.clone());
    let packed = Packed {
        f: concept.definition.clone(),
        i: concept.inactive,
        d: concept.designations.iter().map(designation).collect(),
        p: concept.properties.iter().map(property).collect(),
        r: concept.relationships.iter().map(relationship).collect(),
        u: parents.to_vec(),
    };
    serde_json::to_string(&packed).map_err(|error| misread().because(error))
}

pub(super) fn unpacked(text: &str) -> Result<ConceptDetail, Problem> {
    let packed: Packed = serde_json::from_str(text).map_err(|error| misread().because(error))?;
    let designation = |(language, system, code, value)| Designation {
        language,
        used_as: (system, code),
        value,
    };
    let relationships = packed.r.into_iter();
    let relationships: Vec<Relationship> = relationships
        .map(|(group, attribute, value)| Relationship {
            group,
            attribute,
            value,
        })
        .collect();
    let told = relationships.iter().map(told);
    Ok(ConceptDetail {
        definition: packed.f,
        inactive: packed.i,
        designations: packed.d.into_iter().map(designation).collect(),
        properties: packed
            .p
            .into_iter()
            .map(|(code, kind, value)| Property { code, kind, value })
            .chain(told)
            .collect(),
        relationships,
        parents: packed.u,
    })
}

/// A relationship as a property: a concrete value without the signs that release files put around it.
fn told(relationship: &Relationship) -> Property {
    let value = relationship.value.as_str();
    let text = || value.strip_prefix('"')?.strip_suffix('"');
    let (kind, value) = match (value.strip_prefix('#'), text()) {
        (Some(number), _) => ("Decimal", number),
        (_, Some(text)) => ("String", text),
        _ if is_concrete(value) => ("Boolean", value),
        _ => ("Code", value),
    };
    Property {
        code: relationship.attribute.clone(),
        kind: kind.into(),
        value: value.to_string(),
    }
}

fn misread() -> Problem {
    Problem::new(Kind::Exception, "A concept of the store does not read.")
}

/// A row of `ts_concept`.
#[derive(Clone, Debug)]
pub(super) struct ConceptRow {
    pub num: u32,
    pub code: String,
    pub display: String,
    pub detail: ConceptDetail,
}

impl ConceptRow {
    /// From the columns num, code, display, detail.
    fn from_row(row: &Row) -> Result<ConceptRow, Problem> {
        Ok(ConceptRow {
            num: number(row, 0)?,
            code: row.text(1)?.to_string(),
            display: row.text(2)?.to_string(),
            detail: unpacked(row.text(3)?)?,
        })
    }

    /// As a page shows it: in that language, if it is known in it.
    pub(super) fn shown(
        self,
        system: &SystemRow,
        language: Option<&str>,
        with_designations: bool,
    ) -> Shown {
        let display =
            language.and_then(|language| in_language(&self.detail.designations, language));
        Shown {
            display: display.map_or(self.display, str::to_string),
            system: system.url.clone(),
            version: system.version.clone(),
            code: self.code,
            inactive: self.detail.inactive,
            designations: if with_designations {
                self.detail.designations
            } else {
                Vec::new()
            },
        }
    }
}

/// The display in a language: `cy` is served by `cy-GB` too.
pub(super) fn in_language<'d>(designations: &'d [Designation], language: &str) -> Option<&'d str> {
    let is_it = |known: &str| {
        known
            .get(..language.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(language))
            && known
                .as_bytes()
                .get(language.len())
                .is_none_or(|next| *next == b'-')
    };
    let found = designations
        .iter()
        .filter(|it| !language.is_empty() && is_it(&it.language));
    // A fully specified name is no display where there is another.
    let full = |it: &&Designation| it.used_as.1 == "900000000000003001";
    found
        .clone()
        .find(|it| !full(it))
        .or_else(|| found.clone().next())
        .map(|it| it.value.as_str())
}

pub(super) fn number(row: &Row, column: usize) -> Result<u32, Problem> {
    u32::try_from(row.int(column)?).map_err(|error| misread().because(error))
}

impl Store {
    /// The concepts of these numbers, in this order; those that are not there are left out.
    pub(super) async fn concepts(
        &self,
        system: &SystemRow,
        nums: &[u32],
    ) -> Result<Vec<ConceptRow>, Problem> {
        let mut found = Vec::with_capacity(nums.len());
        for some in nums.chunks(AT_ONCE) {
            let mut sql =
                Sql::new("SELECT num, code, display, detail FROM ts_concept WHERE system = ");
            sql.bind(system.id).push(" AND num IN (");
            for (at, num) in some.iter().enumerate() {
                if at > 0 {
                    sql.push(", ");
                }
                sql.bind(*num);
            }
            sql.push(")");
            let mut rows: Vec<ConceptRow> = self
                .rows_apart(sql)
                .await?
                .iter()
                .map(ConceptRow::from_row)
                .collect::<Result<_, _>>()?;
            rows.sort_unstable_by_key(|row| row.num);
            for num in some {
                if let Ok(at) = rows.binary_search_by_key(num, |row| row.num) {
                    found.extend(rows.get(at).cloned());
                }
            }
        }
        Ok(found)
    }

    /// The concept of a code.
    pub(super) async fn concept(
        &self,
        system: &SystemRow,
        code: &str,
    ) -> Result<Option<ConceptRow>, Problem> {
        let Some(num) = self.num_of(system, code).await? else {
            return Ok(None);
        };
        Ok(self.concepts(system, &[num]).await?.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concept_unpacks_to_what_was_packed() {
        let concept = Concept {
            definition: "what it is".into(),
            inactive: true,
            designations: vec![Designation {
                language: "cy".into(),
                used_as: ("s".into(), "c".into()),
                value: "enw".into(),
            }],
            properties: vec![Property {
                code: "p".into(),
                kind: "Code".into(),
                value: "v".into(),
            }],
            ..Concept::default()
        };
        let found = unpacked(&packed(&concept, &[3, 4]).unwrap()).unwrap();
        assert_eq!(
            (found.definition, found.inactive, found.parents),
            (concept.definition, true, vec![3, 4])
        );
        assert_eq!(
            (found.designations, found.properties),
            (concept.designations, concept.properties)
        );
    }

    #[test]
    fn a_language_is_served_by_its_regions() {
        let of = |language: &str, value: &str| Designation {
            language: language.into(),
            value: value.into(),
            ..Designation::default()
        };
        let known = [of("cymraeg", "x"), of("cy-GB", "y")];
        assert_eq!(in_language(&known, "CY"), Some("y"));
        assert_eq!(in_language(&known, "fr"), None);
        assert_eq!(in_language(&known, ""), None);
    }
}
