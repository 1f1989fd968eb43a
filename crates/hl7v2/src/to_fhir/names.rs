//! Names of systems: identifier systems, code systems and the ones of our own.

use super::tables::Tables;
use crate::message::Value;

/// The NHS number.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Organisations by ODS code.
pub const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// HL7 v2 messages by MSH-3, MSH-4 and MSH-10.
pub const MESSAGE: &str = "urn:handover:hl7v2:message";

/// The system of an identifier that is sent with an assigning authority (HD) and a type code.
///
/// Known ones come from `ours.json`; others from the authority's universal id; what is left is
/// named after the sender and the authority, so that two senders' numbers never meet.
pub fn identifier_system(
    tables: &Tables,
    authority: Value<'_>,
    type_code: &str,
    facility: &str,
) -> String {
    let (name, id, kind) = (
        authority.component(1).text(),
        authority.component(2).text(),
        authority.component(3).text(),
    );
    by_authority(
        tables,
        [name.trim(), id.trim()],
        kind.trim(),
        type_code,
        facility,
    )
}

fn by_authority(
    tables: &Tables,
    names: [&str; 2],
    kind: &str,
    type_code: &str,
    facility: &str,
) -> String {
    let known = tables.ours.identifier_systems.iter().find(|s| {
        let by_name = s.authorities.iter().any(|a| names.contains(&a.as_str()));
        by_name || (!type_code.is_empty() && s.types.iter().any(|t| t == type_code))
    });
    if let Some(known) = known {
        return known.system.clone();
    }
    match (kind, names[1]) {
        (_, "") => {}
        ("ISO", oid) if is_oid(oid) => return format!("urn:oid:{oid}"),
        ("UUID" | "GUID", uuid) => return format!("urn:uuid:{}", part(&uuid.to_ascii_lowercase())),
        ("URI" | "URL", uri) if !uri.contains(char::is_whitespace) => return uri.to_owned(),
        _ => {}
    }
    let authority = names
        .iter()
        .copied()
        .find(|n| !n.is_empty())
        .unwrap_or_default();
    let kind = if authority.is_empty() {
        type_code
    } else {
        authority
    };
    local("identifier", facility, kind)
}

/// The system of an EI, whose components 2 to 4 are an authority's.
pub fn entity_system(tables: &Tables, value: Value<'_>, facility: &str) -> String {
    let (name, id, kind) = (
        value.component(2).text(),
        value.component(3).text(),
        value.component(4).text(),
    );
    by_authority(tables, [name.trim(), id.trim()], kind.trim(), "", facility)
}

/// The system of a CNN, whose components 9 to 11 are an authority's.
pub fn name_system(tables: &Tables, value: Value<'_>, facility: &str) -> String {
    let (name, id, kind) = (
        value.component(9).text(),
        value.component(10).text(),
        value.component(11).text(),
    );
    by_authority(tables, [name.trim(), id.trim()], kind.trim(), "", facility)
}

/// The system of organisations that a sender names by words of its own.
pub fn organisation_system(facility: &str) -> String {
    local("organisation", facility, "name")
}

/// The system of a sender's wards, rooms and beds.
pub fn place_system(facility: &str) -> String {
    local("place", facility, "name")
}

/// Whether the number of that system names the same thing whoever sends it.
pub fn is_everywhere(tables: &Tables, system: &str) -> bool {
    tables
        .ours
        .identifier_systems
        .iter()
        .any(|s| s.everywhere && s.system == system)
        || system.starts_with("urn:oid:")
        || system.starts_with("urn:uuid:")
}

/// The code system that a name of HL7 table 0396 stands for; `None` for no name. What is not
/// known is named after the sender.
pub fn code_system(tables: &Tables, name: &str, facility: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    if let Some(uri) = tables.ours.code_systems.get(name) {
        return Some(uri.clone());
    }
    let number = name.strip_prefix("HL7").filter(|n| n.len() == 4);
    if let Some(number) = number.filter(|n| n.bytes().all(|b| b.is_ascii_digit())) {
        return Some(format!("http://terminology.hl7.org/CodeSystem/v2-{number}"));
    }
    if is_oid(name) {
        return Some(format!("urn:oid:{name}"));
    }
    Some(local("codes", facility, name))
}

/// Whether the text has the shape of an ODS code: three to ten capitals and digits with a digit
/// among them, or the three letters that start with R of an older NHS trust.
pub fn is_ods_code(text: &str) -> bool {
    let upper = text
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let digit = text.bytes().any(|b| b.is_ascii_digit());
    let starts = text.starts_with(|c: char| c.is_ascii_uppercase());
    upper
        && (digit && starts && (3..=10).contains(&text.len())
            || text.len() == 3 && text.starts_with('R'))
}

/// Whether the text has the shape of a GP practice's code: a letter and five digits.
pub fn is_practice_code(text: &str) -> bool {
    text.len() == 6
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().skip(1).all(|b| b.is_ascii_digit())
}

/// The ODS code of a practice in an XCN (PD1-4): its assigning facility (XCN.14), or the id
/// itself where ODS assigned it or it has a practice's shape.
pub fn practice_in_xcn(value: Value<'_>) -> Option<String> {
    let text = |n: u16| value.component(n).component(1).text().trim().to_owned();
    let (id, authority, facility) = (text(1), text(9), text(14));
    if is_ods_code(&facility) {
        return Some(facility);
    }
    practice_is_id(&id, &authority).then_some(id)
}

/// Whether an XCN's id is a practice's rather than a person's.
pub fn practice_is_id(id: &str, authority: &str) -> bool {
    is_practice_code(id) || (matches!(authority, "ODS" | "NACS") && is_ods_code(id))
}

/// The ODS code of a practice in an XON (PD1-3): XON.10, else XON.3.
pub fn practice_in_xon(value: Value<'_>) -> Option<String> {
    [10, 3]
        .iter()
        .map(|n| value.component(*n).text().trim().to_owned())
        .find(|c| is_ods_code(c))
}

fn is_oid(text: &str) -> bool {
    text.contains('.')
        && text
            .split('.')
            .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

fn local(kind: &str, facility: &str, name: &str) -> String {
    format!(
        "urn:handover:hl7v2:{kind}:{}:{}",
        part(facility),
        part(name)
    )
}

/// Text made fit for a part of a URN.
fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.trim().bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_organisations_are_told_by_their_shape() {
        for code in ["RXX01", "RJ1", "RXH", "A99999", "FXX99", "X26"] {
            assert!(is_ods_code(code), "{code}");
        }
        for text in ["SFAC", "XYZHOSPITAL", "", "99", "rxx01", "GHH"] {
            assert!(!is_ods_code(text), "{text}");
        }
        assert!(is_practice_code("A99999") && !is_practice_code("G9999981"));
    }
}
