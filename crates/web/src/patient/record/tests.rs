mod there;

use http::StatusCode;
use store::testing::on_each_database;
use store::{Release, Store};

use crate::testing::{Browser, letters, node};

async fn result(store: &Store, id: &str, (day, value, unit): (&str, f64, &str), rest: &str) {
    let text = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"Haemoglobin"}},
        "subject":{{"reference":"Patient/jane"}},"effectiveDateTime":"{day}",{rest}
        "valueQuantity":{{"value":{value},"unit":"{unit}"}},"referenceRange":[{{"low":{{"value":115,"unit":"g/L"}},
        "high":{{"value":165,"unit":"g/L"}}}}]}}"#
    );
    letters::put(store, id, &text, Release::At(1)).await;
}

async fn jane(node: &std::sync::Arc<crate::node::Node>) -> Browser {
    letters::patient(&node.store).await;
    let text = r#"{"resourceType":"Patient","name":[{"family":"Example","given":["Jane"]}],"birthDate":"1961-02-03"}"#;
    letters::put(&node.store, "jane", text, Release::At(1)).await;
    let mut jane = Browser::new(node);
    jane.sign_in("/login", "jane").await;
    jane
}

/// A page as it is read: the slashes of what is filled in are escaped in it.
async fn seen(browser: &mut Browser, address: &str) -> String {
    browser.get(address).await.text.replace("&#x2f;", "/")
}

#[test]
fn a_result_that_is_not_released_is_on_no_page_and_in_no_file() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        result(&node.store, "shown", ("2026-01-02", 121.0, "g/L"), "").await;
        let hidden = r#"{"resourceType":"Observation","status":"final","code":{"text":"Secret marker"},
            "subject":{"reference":"Patient/jane"},"effectiveDateTime":"2026-01-03","valueString":"Found"}"#;
        letters::put(&node.store, "hidden", hidden, Release::Never).await;
        let page = seen(&mut jane, "/record").await;
        assert!(page.contains("121 g/L"), "{page}");
        assert!(
            page.contains("Some entries are held back"),
            "it is said that some may be"
        );
        for address in [
            "/",
            "/record",
            "/record?only=results",
            "/record/results/shown",
            "/export",
        ] {
            let page = jane.get(address).await;
            assert_eq!(page.status, StatusCode::OK, "{address}");
            assert!(!page.text.contains("Secret"), "{address}");
        }
        for address in ["/record/results/hidden", "/record/query/Observation~hidden"] {
            assert_eq!(
                jane.get(address).await.status,
                StatusCode::NOT_FOUND,
                "{address}"
            );
        }
        for kind in ["pdf", "ips", "fhir"] {
            jane.get("/export").await;
            let file = jane.post(&format!("/export/{kind}"), &[]).await;
            assert_eq!(file.status, StatusCode::OK, "{kind}: {}", file.text);
            assert!(file.text.contains("121"), "{kind}: {}", file.text);
            assert!(!file.text.contains("Secret"), "{kind}");
            let name = file.headers["content-disposition"].to_str().unwrap();
            assert!(name.starts_with("attachment; filename="), "{name}");
        }
        let listed = jane.get("/export").await.text;
        for told in ["To read (PDF), ", "(IPS), ", "(FHIR), "] {
            assert!(listed.contains(told), "{told}: {listed}");
        }
    });
}

#[test]
fn where_no_allergy_was_recorded_the_page_does_not_say_that_there_is_none() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        let page = jane.get("/record").await.text;
        assert!(
            page.contains("No allergy is recorded here. That does not mean that you have none.")
        );
        assert!(
            !page.contains("No known") && !page.contains("none known"),
            "{page}"
        );
        let welsh = jane.get("/record?lang=cy").await.text;
        assert!(
            welsh.contains("Nid yw hynny&#x27;n golygu nad oes gennych un."),
            "{welsh}"
        );
        assert!(welsh.contains("<main") && welsh.contains("lang=\"cy\""));
        jane.get("/record?lang=en").await;
        let allergy = r#"{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},
            "patient":{"reference":"Patient/jane"},"clinicalStatus":{"coding":[{"system":
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}"#;
        letters::put(&node.store, "a", allergy, Release::At(1)).await;
        let page = jane.get("/record").await.text;
        assert!(page.contains("Penicillin") && !page.contains("No allergy is recorded"));
    });
}

#[test]
fn a_trend_never_mixes_units_and_says_where_each_value_lies_by_the_laboratorys_range() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        let store = &node.store;
        result(store, "r1", ("2026-01-02", 112.0, "g/L"), "").await;
        result(store, "r2", ("2026-02-02", 121.0, "g/L"), "").await;
        result(store, "r3", ("2026-03-02", 12.4, "g/dL"), "").await;
        let page = seen(&mut jane, "/record/results/r1").await;
        assert!(
            page.contains("These results were measured in different units"),
            "{page}"
        );
        assert!(
            page.contains("Below the range given by the laboratory"),
            "{page}"
        );
        assert!(page.contains("Over time, in g/L") && page.contains("Over time, in g/dL"));
        let drawings: Vec<&str> = page.split("<svg class=\"trend\"").skip(1).collect();
        assert_eq!(drawings.len(), 1, "one result in a unit is no trend");
        let drawing = drawings[0].split("</svg>").next().unwrap();
        assert_eq!(drawing.matches("<circle").count(), 2, "{drawing}");
        assert!(
            drawing.contains("<title") && drawing.contains("<desc"),
            "{drawing}"
        );
        // A table of each unit, that of the newest result first.
        let tables: Vec<&str> = page
            .split("<table")
            .skip(1)
            .map(|it| it.split("</table>").next().unwrap())
            .collect();
        assert_eq!(tables.len(), 2, "{page}");
        let (newest, older) = (tables[0], tables[1]);
        assert!(
            newest.contains("12.4 g/dL")
                && !newest.contains("112 g/L")
                && !newest.contains("121 g/L"),
            "{newest}"
        );
        assert!(
            newest.contains("115 g/L – 165 g/L"),
            "a range in another unit than the number names it: {newest}"
        );
        assert!(
            older.contains("112 g/L")
                && older.contains("121 g/L")
                && older.contains("115 – 165")
                && !older.contains("g/dL"),
            "{older}"
        );
        // Plain words first, the clinical ones one tap away.
        assert!(page.contains("Red blood pigment") && page.contains("<summary>Clinical words"));
        let home = seen(&mut jane, "/").await;
        assert!(
            home.contains("href=\"/record/results/r3\""),
            "the newest is on the home page"
        );
    });
}

#[test]
fn a_patients_question_about_an_entry_is_answered_by_who_is_shown_it_and_read_with_its_times() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        result(&node.store, "r1", ("2026-01-02", 112.0, "g/L"), "").await;
        let address = "/record/query/Observation~r1";
        let page = seen(&mut jane, address).await;
        assert!(page.contains("Haemoglobin): 112 g/L"), "{page}");
        let empty = jane.post(address, &[("words", " ")]).await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
        let sent = jane
            .post(address, &[("words", "I had no blood test then.")])
            .await;
        assert_eq!(sent.location(), format!("{address}?done=asked"));
        assert!(
            jane.get("/record")
                .await
                .text
                .contains("You asked about this on")
        );

        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let list = seen(&mut clerk, "/staff/access-queries").await;
        let link = list.split("/staff/access-queries/").nth(1).unwrap();
        let link = format!("/staff/access-queries/{}", link.split('"').next().unwrap());
        let one = clerk.get(&link).await;
        assert!(
            one.text.contains("I had no blood test then."),
            "{}",
            one.text
        );
        assert!(jane.get(address).await.text.contains("Opened"));
        // Opening it was a version of its own.
        let version = one.text.split("name=\"version\" value=\"").nth(1).unwrap();
        let version = version.split('"').next().unwrap().to_owned();
        let words = [
            ("words", "It was your sister’s. We moved it."),
            ("version", &version),
        ];
        let answered = clerk.post(&link, &words).await;
        assert_eq!(answered.location(), "/staff/access-queries?done=answered");
        let read = jane.get(address).await.text;
        assert!(
            read.contains("It was your sister’s.") && read.contains("Ann Secretary"),
            "{read}"
        );
        let log = seen(&mut jane, "/access-log").await;
        assert!(log.contains("Opened or answered a question"), "{log}");
        assert!(
            log.contains("/record/query/look~"),
            "each look can be asked about"
        );
    });
}

#[test]
fn why_did_you_look_goes_to_the_privacy_officer_and_not_to_who_looked() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get("/staff/patient/jane").await;
        let log = seen(&mut jane, "/access-log").await;
        let link = log.split("/record/query/look~").nth(1).unwrap();
        let link = format!("/record/query/look~{}", link.split('"').next().unwrap());
        assert!(jane.get(&link).await.text.contains("Why did you look?"));
        jane.post(&link, &[("words", "I do not know her.")]).await;
        let hers = clerk.get("/staff/access-queries").await.text;
        assert!(hers.contains("No question waits"), "{hers}");
        let mut officer = Browser::new(&node);
        officer.sign_in("/staff/login", "olu").await;
        let list = officer.get("/staff/access-queries").await.text;
        assert!(list.contains("Ann Secretary"), "{list}");
        assert_eq!(
            jane.get("/record/query/look~999999").await.status,
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn plain_words_are_the_practices_own_to_write() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        result(&node.store, "r1", ("2026-01-02", 112.0, "g/L"), "").await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get("/staff/glossary?term=haemoglobin").await;
        let half = [
            ("term", "Haemoglobin"),
            ("english", "Blood iron carrier"),
            ("welsh", ""),
        ];
        let refused = clerk.post("/staff/glossary", &half).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let both = [
            ("term", "Haemoglobin"),
            ("english", "Blood iron carrier"),
            ("welsh", "Cludwr haearn"),
        ];
        let kept = clerk.post("/staff/glossary", &both).await;
        assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
        assert!(
            jane.get("/record")
                .await
                .text
                .contains("Blood iron carrier")
        );
        assert!(
            jane.get("/record?lang=cy")
                .await
                .text
                .contains("Cludwr haearn")
        );
    });
}

#[test]
fn patient_and_practice_write_to_each_other_and_each_sees_what_was_opened() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut jane = jane(&node).await;
        let form = jane.get("/messages/new").await.text;
        assert!(
            form.contains("For an emergency ring 999"),
            "before one writes"
        );
        let faulty = jane
            .post("/messages/new", &[("subject", ""), ("words", "")])
            .await;
        assert_eq!(faulty.status, StatusCode::UNPROCESSABLE_ENTITY);
        let words = [("subject", "My knee"), ("words", "It hurts <b>")];
        let sent = jane
            .post("/messages/new", &words)
            .await
            .location()
            .to_owned();
        let sent = sent.strip_suffix("?done=sent").unwrap().to_owned();
        assert!(
            jane.get(&sent)
                .await
                .text
                .contains("Not opened at Willow Road Surgery yet")
        );

        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let list = clerk.get("/staff/messages").await.text;
        assert!(list.contains("My knee"), "{list}");
        let there = format!("/staff{sent}");
        assert!(clerk.get(&there).await.text.contains("It hurts &lt;b&gt;"));
        assert!(
            !clerk.get("/staff/messages").await.text.contains("My knee"),
            "it was opened"
        );
        clerk.get(&there).await;
        clerk.post(&there, &[("words", "Come on Monday.")]).await;
        assert!(jane.get("/").await.text.contains("1 new message"));
        let read = jane.get(&sent).await.text;
        assert!(
            read.contains("Come on Monday.") && read.contains("Opened "),
            "{read}"
        );
        assert!(jane.get("/").await.text.contains("No new messages"));
        assert!(clerk.get(&there).await.text.contains("Read by the patient"));
        // Nobody else's.
        let una = ["una", "Una Other", "una", "9434765870", "1980-01-01"];
        crate::testing::patient(&node.store, una).await;
        let mut una = Browser::new(&node);
        una.sign_in("/login", "una").await;
        assert_eq!(una.get(&sent).await.status, StatusCode::NOT_FOUND);
        let listed = una.get("/messages").await.text;
        assert!(!listed.contains("My knee"), "{listed}");
    });
}

#[test]
fn a_message_that_nobody_opened_in_time_stands_on_the_work_list_without_a_name() {
    on_each_database(async |ground| {
        let mut bare = crate::testing::bare_node(ground).await;
        bare.messages_unopened_hours = 0;
        let node = std::sync::Arc::new(bare);
        let mut jane = jane(&node).await;
        jane.get("/messages/new").await;
        jane.post(
            "/messages/new",
            &[("subject", "My knee"), ("words", "It hurts")],
        )
        .await;
        // The list tells of what is older than its own time. The clock of tests stands still until it is moved.
        ground.clock().advance(5);
        let mut engineer = Browser::new(&node);
        engineer.sign_in("/staff/login", "ed").await;
        let list = engineer.get("/staff/worklist").await.text;
        assert!(list.contains("1 message of a patient"), "{list}");
        assert!(!list.contains("knee") && !list.contains("Jane"), "{list}");
    });
}
