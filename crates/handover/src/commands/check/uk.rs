//! Identifiers of the United Kingdom, in whatever resources were found.

use serde_json::Value;

use super::fhir::Found;
use super::run::{Ask, Rest, Run};
use super::shown::encoded;

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Systems that NHS numbers had before, or that are made up of the right one.
const NOT_NHS_NUMBER: [&str; 7] = [
    "nhs-number",
    "nhs_number",
    "nhsnumber",
    "2.16.840.1.113883.2.1.4.1",
    "fhir.nhs.net",
    "nhs.uk/id/nhs",
    "fhir.nhs.uk/Id/NHS",
];

pub(super) async fn check(run: &mut Run, found: &[Found]) {
    if !run.wants("uk") {
        return;
    }
    numbers(run, found);
    codes(run, found);
    let looked = search(run, found).await;
    run.ends(&["uk-nhs-number-search"], looked);
}

/// The identifiers of resources of that type: which resource, system, value.
fn identifiers<'f>(found: &'f [Found], ty: &str) -> Vec<(&'f Found, &'f str, &'f str)> {
    let of = found.iter().filter(|it| it.ty == ty);
    of.flat_map(|it| {
        let all = it.resource.get("identifier").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(move |one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str);
            Some((it, text("system").unwrap_or_default(), text("value")?))
        })
    })
    .collect()
}

fn numbers(run: &mut Run, found: &[Found]) {
    let ids = ["uk-nhs-number-system", "uk-nhs-number-digit"];
    let all = identifiers(found, "Patient");
    let of_nhs: Vec<_> = all
        .iter()
        .filter(|(_, system, _)| *system == NHS_NUMBER)
        .collect();
    let near = |system: &str| {
        let small = system.to_ascii_lowercase();
        system != NHS_NUMBER
            && NOT_NHS_NUMBER
                .iter()
                .any(|it| small.contains(&it.to_ascii_lowercase()))
    };
    let mistaken = all.iter().find(|(_, system, _)| near(system));
    if of_nhs.is_empty() && mistaken.is_none() {
        run.leaves(&ids, "No Patient that was found has an NHS number.");
        return;
    }
    match mistaken {
        Some((it, system, _)) => {
            let place = format!("{}.identifier.system is {system}", it.told());
            run.holds("uk-nhs-number-system", false, &it.seen, place);
        }
        None => {
            if let Some((it, ..)) = of_nhs.first() {
                run.holds(
                    "uk-nhs-number-system",
                    true,
                    &it.seen,
                    format!("{} numbers", of_nhs.len()),
                );
            }
        }
    }
    let wrong = of_nhs.iter().find(|(_, _, value)| !is_nhs_number(value));
    match (wrong, of_nhs.first()) {
        (Some((it, ..)), _) => {
            let place = format!(
                "{}.identifier.value is no NHS number: ten digits, the last of them right",
                it.told()
            );
            run.holds("uk-nhs-number-digit", false, &it.seen, place);
        }
        (None, Some((it, ..))) => {
            run.holds(
                "uk-nhs-number-digit",
                true,
                &it.seen,
                format!("{} numbers", of_nhs.len()),
            );
        }
        (None, None) => run.leaves(
            &["uk-nhs-number-digit"],
            "No number is under the right system.",
        ),
    }
}

/// Ten digits, the last of which is right by modulus 11.
fn is_nhs_number(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|it| it.len() == 10) else {
        return false;
    };
    let weights = (2..=10).rev();
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let right = match 11 - sum % 11 {
        11 => 0,
        right => right,
    };
    digits.last() == Some(&right)
}

fn codes(run: &mut Run, found: &[Found]) {
    let all = identifiers(found, "Organization");
    let of_ods: Vec<_> = all.iter().filter(|(_, system, _)| *system == ODS).collect();
    let Some((first, ..)) = of_ods.first() else {
        run.leaves(
            &["uk-ods-code"],
            "No Organization that was found has an ODS code.",
        );
        return;
    };
    match of_ods.iter().find(|(_, _, value)| !is_ods(value)) {
        Some((it, ..)) => {
            let place = format!(
                "{}.identifier.value is no ODS code: 3 to 12 capitals and digits",
                it.told()
            );
            run.holds("uk-ods-code", false, &it.seen, place);
        }
        None => run.holds(
            "uk-ods-code",
            true,
            &first.seen,
            format!("{} codes", of_ods.len()),
        ),
    }
}

pub(super) fn is_ods(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit();
    (3..=12).contains(&text.len()) && text.bytes().all(plain)
}

/// A number that was seen leads to its patient.
async fn search(run: &mut Run, found: &[Found]) -> Rest {
    let all = identifiers(found, "Patient");
    let one = all.iter().find(|(_, system, _)| *system == NHS_NUMBER);
    let (it, _, value) = one.ok_or("No Patient that was found has an NHS number.")?;
    let query = format!(
        "/Patient?identifier={}%7C{}",
        encoded(NHS_NUMBER),
        encoded(value)
    );
    let seen = run.ask(Ask::get(query)).await?;
    let bundle = seen.json().unwrap_or_default();
    let entries = bundle.get("entry").and_then(Value::as_array);
    let there = entries
        .into_iter()
        .flatten()
        .any(|entry| entry.pointer("/resource/id").and_then(Value::as_str) == Some(it.id.as_str()));
    let found = match there {
        true => "the patient is found by system and value",
        false => "the patient is not found by system and value",
    };
    run.holds("uk-nhs-number-search", there, &seen, found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers_and_ods_codes_are_told_from_others() {
        assert!(is_nhs_number("9990000018"));
        for wrong in ["9990000019", "999000001", "999 000 0018", "999000001x", ""] {
            assert!(!is_nhs_number(wrong), "{wrong}");
        }
        assert!(is_ods("RZZ98") && is_ods("A99998"));
        assert!(!is_ods("rzz98") && !is_ods("General Hospital") && !is_ods("A"));
    }
}
