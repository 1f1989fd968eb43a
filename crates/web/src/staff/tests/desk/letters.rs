//! Letters that are written here, from a team's text to what leaves.

use http::StatusCode;
use store::testing::on_each_database;

use super::super::discharges::{hidden, hospital, sent, staff, stocked};
use crate::testing::Browser;

const TEXT: &str = "Dear colleague,\n\nI saw {patient} ({nhs number}), born {born}.\n\nProblems:\n{problems}\n\n\
     Medicines:\n{medicines}\n\nAllergies:\n{allergies}\n\n{own text}\n\n{shoe size}";

/// Keeps a text, and gives its name in addresses.
async fn kept_text(browser: &mut Browser) -> String {
    let page = browser.get("/staff/templates/new").await.text;
    let attempt = hidden(&page, "attempt").to_owned();
    let fields = [
        ("attempt", attempt.as_str()),
        ("name", "Clinic"),
        ("body", TEXT),
    ];
    let kept = browser.post("/staff/templates/new", &fields).await;
    assert_eq!(
        kept.location(),
        "/staff/templates?done=kept",
        "{}",
        kept.text
    );
    attempt
}

#[test]
fn a_letter_with_a_gap_is_not_signed_and_one_without_goes_to_each_reader_as_previewed() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        stocked(&node).await;
        let mut bo = staff(&node, "bo").await;
        let template = kept_text(&mut bo).await;
        let address = format!("/staff/letters/new?patient=jane&template={template}");
        let form = bo.get(&address).await.text;
        for merged in [
            "Jane EXAMPLE",
            "943 476 5919",
            "3 Feb 1961",
            "Pneumonia",
            "Ramipril, 5mg",
            "Penicillin",
        ] {
            assert!(form.contains(merged), "{merged}: {form}");
        }
        assert!(!form.contains("Labelled canary"));
        for gap in [
            "[[own text: write it here]]",
            "[[shoe size: there is no field of this name]]",
        ] {
            assert!(form.contains(gap), "{gap}: {form}");
        }
        let attempt = hidden(&form, "attempt").to_owned();
        let with_gap = [
            ("patient", "jane"),
            ("attempt", attempt.as_str()),
            ("title", "Clinic"),
            ("body", "All is well. [[own text: write it here]]"),
            ("to-0", "a81002 – The gp-practice"),
            ("to-1", "FZZ01"),
            ("to-patient", "yes"),
            ("then", "look"),
        ];
        let begun = bo.post("/staff/letters/new", &with_gap).await;
        let sign = begun.location().to_owned();
        assert!(sign.ends_with("/sign"), "{}", begun.text);
        let draft = sign.trim_end_matches("/sign").to_owned();
        let look = bo.get(&sign).await;
        assert_eq!(look.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(look.text.contains("The letter has gaps"), "{}", look.text);
        let forced = bo.post(&sign, &[("version", "1")]).await;
        assert_eq!(
            forced.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "a gap is never signed"
        );
        assert!(
            bo.get("/staff/unsigned")
                .await
                .text
                .contains("Unsigned (1)")
        );
        let mut whole = with_gap.to_vec();
        whole[3] = ("body", "All is well, and {allergies} holds.");
        whole.push(("version", "1"));
        bo.get(&draft).await;
        let saved = bo.post(&draft, &whole).await;
        assert_eq!(saved.location(), sign, "{}", saved.text);
        let look = bo.get(&sign).await.text;
        assert!(
            look.contains("All is well, and Penicillin holds."),
            "{look}"
        );
        assert!(
            look.contains("these 3 copies") && look.contains("To its node, signed."),
            "{look}"
        );
        let done = bo.post(&sign, &[("version", "2")]).await;
        assert_eq!(done.location(), "/staff/sent?done=signed", "{}", done.text);
        let scope = sent(&node).await;
        assert_eq!(
            node.store.letter_counts(&scope).await.unwrap().on_the_way,
            2
        );
        let again = bo.post(&sign, &[("version", "2")]).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND, "signed once");
        // The patient has their copy at once, and not yet those of others.
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let letters = jane.get("/record").await.text;
        assert!(letters.contains("Clinic"), "{letters}");
        let listed = letters.matches("record&#x2f;letters&#x2f;").count();
        assert_eq!(listed, 1, "{letters}");
    });
}

#[test]
fn a_draft_of_somebody_who_left_stands_on_the_list_of_what_is_unsigned_for_their_team() {
    on_each_database(async |ground| {
        let (_folder, node) = hospital(ground).await;
        let mut ann = staff(&node, "ann").await;
        let form = ann.get("/staff/letters/new?patient=jane").await.text;
        let attempt = hidden(&form, "attempt").to_owned();
        let fields = [
            ("patient", "jane"),
            ("attempt", attempt.as_str()),
            ("title", "Clinic"),
            ("body", "Half a letter"),
        ];
        ann.post("/staff/letters/new", &fields).await;
        // A clerk writes, and does not sign.
        let look = ann.get(&format!("/staff/letters/{attempt}/sign")).await;
        assert_eq!(
            look.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "to nobody yet"
        );
        let version = [("version", "1")];
        let sign = format!("/staff/letters/{attempt}/sign");
        let refused = ann.post(&sign, &version).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        node.store.close_account("ann").await.unwrap();
        ground.clock().advance(60_000);
        assert_eq!(ann.get("/staff/inbox").await.status, StatusCode::SEE_OTHER);
        let mut bo = staff(&node, "bo").await;
        let unsigned = bo.get("/staff/unsigned").await.text;
        assert!(
            unsigned.contains("Ann Secretary") && unsigned.contains("anybody may take it on"),
            "{unsigned}"
        );
        assert!(unsigned.contains("Unsigned (1)"), "the head counts it");
        let draft = bo.get(&format!("/staff/letters/{attempt}")).await;
        assert!(draft.text.contains("Half a letter"), "{}", draft.text);
        let discard = bo
            .post(&format!("/staff/letters/{attempt}/discard"), &version)
            .await;
        assert_eq!(
            discard.location(),
            "/staff/unsigned?done=discarded",
            "{}",
            discard.text
        );
    });
}
