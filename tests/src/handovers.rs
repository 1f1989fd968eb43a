//! An ambulance hands over to the emergency department, between three real nodes: the crew writes on its own node's pages, the
//! hospital's clinician takes over on the board, the patient's practice gets its letter; the hospital is killed meanwhile.

use serde_json::json;

use crate::client::http::{Answer, Client};
use crate::faults::people::{PASSWORD, account, form_token, hidden};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, patient, wait_for};

const ANSWER_SECONDS: u64 = 60;
const WAYS: &str =
    "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\", \"password\"]\n";

fn opened(site: &Site) {
    let settings = site.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(settings, text + WAYS).unwrap();
}

fn staff(site: &Site, login: &str, name: &str, role: &str) -> Client {
    account(site, login, name, role);
    let mut client = Client::new(site.pages);
    let csrf = form_token(&client.get("/staff/login").unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("login", login),
        ("password", PASSWORD),
    ];
    let answer = client.post_form("/staff/login", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

/// Puts Amina on record there, with her practice.
fn register(site: &Site) {
    let mut amina = patient();
    amina["generalPractitioner"] = json!([{ "identifier": {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": PRACTICE,
    } }]);
    let answer = site.client().send_json("POST", "/fhir/Patient", &amina);
    assert_eq!(answer.unwrap().status, 201);
}

fn says(client: &mut Client, address: &str, words: &str) -> bool {
    let page = client.get(address);
    page.is_ok_and(|page| page.text().contains(words))
}

/// Sends the form at an address with what is changed of it.
fn send(client: &mut Client, form: &str, to: &str, typed: &[(&str, &str)]) -> Answer {
    let page = client.get(form).unwrap();
    assert_eq!(page.status, 200, "{}", page.text());
    let kept = ["csrf", "attempt", "seen"].map(|name| {
        let has = page.text().contains(&format!("name=\"{name}\""));
        (
            name,
            if has {
                hidden(&page, name)
            } else {
                String::new()
            },
        )
    });
    let mut fields: Vec<(&str, &str)> = kept.iter().map(|it| (it.0, it.1.as_str())).collect();
    fields.extend(typed);
    client.post_form(to, &fields).unwrap()
}

/// Where it leads, without what was done.
fn led(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let to = answer.header("location").unwrap();
    to.split('?').next().unwrap().to_owned()
}

/// The address of the handover on the board that has these words in its row.
fn on_board(client: &mut Client, words: &str) -> Option<String> {
    let text = client.get("/staff/handover-board").ok()?.text();
    let text = text.replace("&#x2f;", "/");
    let row = text.split("<tr ").find(|row| row.contains(words))?;
    let id = row.split("href=\"/staff/handovers/").nth(1)?;
    Some(format!("/staff/handovers/{}", id.split('"').next()?))
}

const OBSERVED: [(&str, &str); 8] = [
    ("rate", "24"),
    ("saturation", "93"),
    ("oxygen", "oxygen"),
    ("systolic", "98"),
    ("diastolic", "60"),
    ("pulse", "112"),
    ("consciousness", "A"),
    ("temperature", "38.4"),
];

#[test]
fn a_handover_is_seen_and_taken_over_only_by_receipts_though_the_hospital_is_killed_before_them() {
    let (mut nodes, mut ambulance, to_ambulance) = Neighbourhood::set_up_with_ambulance();
    for site in [&nodes.hospital, &nodes.practice, &ambulance] {
        opened(site);
    }
    nodes.hospital.process.start();
    nodes.practice.process.start();
    ambulance.process.start();
    register(&nodes.hospital);
    register(&nodes.practice);
    let mut paula = staff(&ambulance, "paula", "Paula Medic", "clinician");
    let mut shah = staff(&nodes.hospital, "ravi", "Dr Ravi Shah", "clinician");
    let mut clara = staff(&nodes.practice, "clara", "Clara Clerk", "clerk");

    nodes.hospital.process.kill();
    let new = "/staff/handovers/new";
    let who = [
        ("nhs_number", "999 000 0018"),
        ("born", "1951-03-04"),
        ("family", "Tester"),
        ("to", HOSPITAL),
        ("happened", "Short of breath since noon"),
        ("what0", "Salbutamol 5 mg"),
        ("pre_alert", "yes"),
    ];
    let unfit = send(&mut paula, new, new, &[&who[..], &OBSERVED[..]].concat());
    assert!(unfit.text().contains("send it as told"), "{}", unfit.text());
    assert!(unfit.text().contains("Salbutamol"), "nothing typed is lost");
    let told = [("as_told", "yes")];
    let sent = send(
        &mut paula,
        new,
        new,
        &[&who[..], &OBSERVED[..], &told].concat(),
    );
    let here = led(&sent);
    let page = paula.get(&here).unwrap().text();
    assert!(page.contains("Not yet delivered"), "{page}");
    assert!(
        !page.contains(">Seen<") && !page.contains("Delivered, not seen"),
        "{page}"
    );
    let unknown = [
        ("unknown", "yes"),
        ("age", "50"),
        ("sex", "male"),
        ("to", HOSPITAL),
        ("happened", "Found in the street"),
        ("pulse", "130"),
    ];
    let found = led(&send(&mut paula, new, new, &unknown));

    nodes.hospital.process.start();
    let there = wait_for("the handover on the board", ANSWER_SECONDS, || {
        on_board(&mut shah, "Short of breath since noon")
    });
    wait_for("its delivery at the crew", ANSWER_SECONDS, || {
        says(&mut paula, &here, "Delivered, not seen").then_some(())
    });
    let board = shah.get("/staff/handover-board").unwrap().text();
    assert!(
        board.contains("11 high") && board.contains("Pre-alert"),
        "{board}"
    );
    assert!(board.contains("Incomplete, 6 missing"), "{board}");
    let page = shah.get(&there).unwrap().text();
    for words in ["Amina", "Salbutamol 5 mg", "The shared record"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("not measured"), "{page}");
    wait_for("that it was seen", ANSWER_SECONDS, || {
        says(&mut paula, &here, "Dr Ravi Shah").then_some(())
    });

    let update = format!("{here}/update");
    let more = [
        ("happened", "Short of breath since noon"),
        ("rate", "18"),
        ("due", "23:59"),
        ("what0", "Oxygen 15 l"),
    ];
    led(&send(&mut paula, &update, &update, &more));
    led(&send(&mut paula, &here, &format!("{here}/arrived"), &[]));
    wait_for("the arrival on the board", ANSWER_SECONDS, || {
        says(&mut shah, &there, "Oxygen 15 l").then_some(())?;
        says(&mut shah, &there, "Waited ").then_some(())
    });
    assert!(
        says(&mut shah, &there, "Incomplete, 6 missing"),
        "the newest is incomplete"
    );
    assert!(says(
        &mut shah,
        &format!("{there}?sheet=1"),
        "This is an older sheet"
    ));
    let receive = format!("{there}/receive");
    // Otherwise the receipt is there within milliseconds, before the hospital can be killed.
    to_ambulance.cut();
    led(&send(&mut shah, &there, &receive, &[("words", "To resus")]));
    nodes.hospital.process.kill();
    let page = paula.get(&here).unwrap();
    assert_eq!(page.status, 200, "{}", page.text());
    let page = page.text();
    assert!(
        !page.contains("Taken over") && !page.contains("To resus"),
        "nobody has told the crew: {page}"
    );
    to_ambulance.mend();
    nodes.hospital.process.start();
    wait_for("the receipt at the crew", ANSWER_SECONDS, || {
        let page = paula.get(&here).ok()?.text();
        (page.contains("Taken over") && page.contains("To resus")).then_some(())
    });
    wait_for("the letter at the practice", ANSWER_SECONDS, || {
        says(
            &mut clara,
            "/staff/inbox",
            "Brought to the emergency department",
        )
        .then_some(())
    });

    let board = on_board(&mut shah, "Found in the street").unwrap();
    let page = shah.get(&board).unwrap().text();
    assert!(
        page.contains("No record is shown: nobody has said yet who this is"),
        "{page}"
    );
    let matching = format!("{board}/match");
    let candidates = shah.get(&format!("{matching}?find=Tester")).unwrap();
    let id = candidates.text().replace("&#x2f;", "/");
    let id = id.split("name=\"patient\" value=\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap().to_owned();
    let none = send(&mut shah, &matching, &matching, &[]);
    assert_eq!(none.status, 422, "{}", none.text());
    led(&send(
        &mut shah,
        &matching,
        &matching,
        &[("patient", id.as_str())],
    ));
    let page = shah.get(&board).unwrap().text();
    assert!(page.contains("names somebody else"), "{page}");
    let withdraw = format!("{found}/withdraw");
    led(&send(
        &mut paula,
        &found,
        &withdraw,
        &[("words", "Refuses to come")],
    ));
    wait_for("the withdrawal at the hospital", ANSWER_SECONDS, || {
        says(&mut shah, &board, "Refuses to come").then_some(())
    });
    assert!(says(&mut shah, "/staff/inbox", "is not coming"));

    let count = |site: &Site, sql: &str| {
        site.rows
            .number(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}"))
    };
    let received = "crew_handover WHERE state = 'received'";
    assert_eq!(count(&nodes.hospital, received), 1);
    let letters = "parcel WHERE kind = 'letter'";
    assert_eq!(count(&nodes.practice, letters), 1, "one letter, once");
    let acted = "parcel_event WHERE event = 'acted-on'";
    assert_eq!(count(&ambulance, acted), 1, "one receipt, once");
    for site in [&nodes.hospital, &nodes.practice, &ambulance] {
        site.rows.assert_sound();
    }
}

/// Somebody whom the crew does not know; where the handover is at the crew.
fn unknown_man(crew: &mut Client) -> String {
    let new = "/staff/handovers/new";
    let typed = [
        ("unknown", "yes"),
        ("age", "70"),
        ("sex", "male"),
        ("to", HOSPITAL),
        ("happened", "Found on the stairs"),
        ("pulse", "130"),
    ];
    led(&send(crew, new, new, &typed))
}

/// The candidate with that family name on the page that says whose it is.
fn candidate(client: &mut Client, matching: &str, family: &str) -> String {
    let page = client.get(&format!("{matching}?find={family}")).unwrap();
    let text = page.text().replace("&#x2f;", "/");
    let mut found = text.split("name=\"patient\" value=\"").skip(1);
    let fits = |it: &&str| {
        it.split("</label>")
            .next()
            .unwrap()
            .to_lowercase()
            .contains(&family.to_lowercase())
    };
    let of_name = found.find(fits);
    let of_name = of_name.unwrap_or_else(|| panic!("{family}: {text}"));
    of_name.split('"').next().unwrap().to_owned()
}

/// How many Encounters of a patient stand so.
fn encounters(site: &Site, patient: &str, status: &str) -> u64 {
    let query = format!("/fhir/Encounter?patient={patient}&status={status}&_summary=count");
    let found = site.client().get(&query).unwrap().json();
    found["total"].as_u64().unwrap()
}

#[test]
fn a_handover_in_a_wrong_record_is_put_into_the_right_one_and_back_and_the_crew_reads_it() {
    let (mut nodes, mut ambulance, _way) = Neighbourhood::set_up_with_ambulance();
    for site in [&nodes.hospital, &nodes.practice, &ambulance] {
        opened(site);
    }
    nodes.hospital.process.start();
    nodes.practice.process.start();
    ambulance.process.start();
    register(&nodes.hospital);
    register(&nodes.practice);
    let mut walter = patient();
    walter["identifier"][0]["value"] = "9990000026".into();
    walter["birthDate"] = "1948-08-09".into();
    walter["name"] = json!([{ "family": "Stairs", "given": ["Walter"] }]);
    let put = nodes
        .hospital
        .client()
        .send_json("POST", "/fhir/Patient", &walter);
    assert_eq!(put.unwrap().status, 201);
    let mut paula = staff(&ambulance, "paula", "Paula Medic", "clinician");
    let mut shah = staff(&nodes.hospital, "ravi", "Dr Ravi Shah", "clinician");
    let mut clara = staff(&nodes.practice, "clara", "Clara Clerk", "clerk");

    let here = unknown_man(&mut paula);
    let there = wait_for("the handover on the board", ANSWER_SECONDS, || {
        on_board(&mut shah, "Found on the stairs")
    });
    // Each step has receipts of its own.
    assert!(says(&mut shah, &there, "Found on the stairs"));
    wait_for("that the first was seen", ANSWER_SECONDS, || {
        let page = paula.get(&here).ok()?.text();
        (page.matches("Seen at ").count() == 1).then_some(())
    });
    led(&send(&mut paula, &here, &format!("{here}/arrived"), &[]));
    let page = wait_for("the second, not seen", ANSWER_SECONDS, || {
        let page = paula.get(&here).ok()?.text();
        page.contains("Delivered, not seen").then_some(page)
    });
    assert_eq!(page.matches("Seen at ").count(), 1, "{page}");
    wait_for("that both were seen", ANSWER_SECONDS, || {
        assert!(says(&mut shah, &there, "Found on the stairs"));
        let page = paula.get(&here).ok()?.text();
        (page.matches("Seen at ").count() == 2).then_some(())
    });

    let matching = format!("{there}/match");
    let amina = candidate(&mut shah, &matching, "Tester");
    let wrong = [("patient", amina.as_str())];
    led(&send(&mut shah, &matching, &matching, &wrong));
    let receive = format!("{there}/receive");
    led(&send(&mut shah, &there, &receive, &[("words", "")]));
    let letter = "Brought to the emergency department";
    wait_for("the letter at the practice", ANSWER_SECONDS, || {
        says(&mut clara, "/staff/inbox", letter).then_some(())
    });
    assert_eq!(encounters(&nodes.hospital, &amina, "finished"), 1);

    let walter = candidate(&mut shah, &matching, "Stairs");
    let moving = format!("{there}/move");
    let mut right = vec![("patient", walter.as_str())];
    let without = send(&mut shah, &matching, &moving, &right);
    assert_eq!(without.status, 422, "{}", without.text());
    right.push(("words", "The wallet was another man's"));
    led(&send(&mut shah, &matching, &moving, &right));
    assert!(says(&mut shah, &there, "WALTER") || says(&mut shah, &there, "Walter"));
    assert_eq!(encounters(&nodes.hospital, &amina, "finished"), 0);
    assert_eq!(encounters(&nodes.hospital, &amina, "entered-in-error"), 1);
    assert_eq!(encounters(&nodes.hospital, &walter, "finished"), 1);
    let measured = |patient: &str, status: &str| {
        let query = format!("/fhir/Observation?patient={patient}&status={status}&_summary=count");
        let found = nodes.hospital.client().get(&query).unwrap().json();
        found["total"].as_u64().unwrap()
    };
    assert_eq!(measured(&amina, "final"), 0);
    assert_eq!(measured(&walter, "final"), 1);
    wait_for("that the crew is told", ANSWER_SECONDS, || {
        let page = paula.get(&here).ok()?.text();
        (page.contains("another person") && page.contains("another man")).then_some(())
    });
    let withdrawn = "parcel WHERE kind = 'letter' AND state = 'withdrawn'";
    let count = |site: &Site, sql: &str| {
        site.rows
            .number(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}"))
    };
    wait_for(
        "the letter withdrawn at the practice",
        ANSWER_SECONDS,
        || (count(&nodes.practice, withdrawn) == 1).then_some(()),
    );

    // It was right after all.
    led(&send(&mut shah, &there, &format!("{there}/move-back"), &[]));
    assert_eq!(encounters(&nodes.hospital, &walter, "finished"), 0);
    assert_eq!(encounters(&nodes.hospital, &amina, "finished"), 1);
    assert!(!says(&mut shah, &there, "Undo"), "it can be put back once");
    wait_for("a letter anew", ANSWER_SECONDS, || {
        (count(&nodes.practice, "parcel WHERE kind = 'letter'") == 2).then_some(())
    });
    let traced = "audit WHERE query LIKE 'act=move&handover=%'";
    assert_eq!(
        count(&nodes.hospital, traced),
        4,
        "each of the two, each time"
    );
    for site in [&nodes.hospital, &nodes.practice, &ambulance] {
        site.rows.assert_sound();
    }
}
