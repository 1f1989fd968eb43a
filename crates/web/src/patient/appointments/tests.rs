mod crowd;
mod elsewhere;
mod others;

use std::sync::Arc;

use access::{Interaction, Scope, SystemPurpose};
use http::StatusCode;
use store::AuditFilter;
use store::testing::on_each_database;

use crate::node::Node;
use crate::testing::{Browser, letters, node};

/// Publishes a session for the day after the tests' day, as the clerk.
async fn publish(node: &Arc<Node>, fields: &[(&str, &str)]) -> Browser {
    let mut ann = Browser::new(node);
    ann.sign_in("/staff/login", "ann").await;
    ann.get("/staff/slots").await;
    let mut all = vec![
        ("date", "2026-01-06"),
        ("from", "09:00"),
        ("until", "10:00"),
        ("minutes", "10"),
        ("with", "Dr Bo Test"),
        ("kind", "Appointment with a doctor"),
        ("who_may", "patients"),
    ];
    for (name, value) in fields {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let done = ann.post("/staff/slots", &all).await;
    let wished = "/staff/slots?day=2026-01-06&done=published";
    assert_eq!(done.location(), wished, "{}", done.text);
    ann
}

async fn signed_in(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/login", login).await;
    browser
}

/// A page as it reads, with its slashes.
fn plain(page: &str) -> String {
    page.replace("&#x2f;", "/")
}

/// The values of that name on a page.
fn values<'t>(page: &'t str, name: &str) -> Vec<&'t str> {
    let before = format!("name=\"{name}\" value=\"");
    let parts = page.split(before.as_str()).skip(1);
    parts.filter_map(|it| it.split('"').next()).collect()
}

/// The check page's form, for the time of that number on the page for booking.
async fn form(browser: &mut Browser, number: usize) -> Vec<(String, String)> {
    let page = browser.get("/appointments/book").await;
    let choice = values(&page.text, "choice")[number].to_owned();
    checked(browser, &choice, "").await
}

async fn checked(browser: &mut Browser, choice: &str, instead_of: &str) -> Vec<(String, String)> {
    let fields = [
        ("choice", choice),
        ("reason", "Sore knee"),
        ("instead_of", instead_of),
    ];
    let check = browser.post("/appointments/book/check", &fields).await;
    assert_eq!(check.status, StatusCode::OK, "{}", check.text);
    assert!(check.text.contains("Sore knee"), "{}", check.text);
    let attempt = values(&check.text, "attempt")[0].to_owned();
    [
        ("choice", choice),
        ("reason", "Sore knee"),
        ("attempt", &attempt),
        ("instead_of", instead_of),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn send(browser: &mut Browser, form: &[(String, String)]) -> crate::testing::Answer {
    let fields: Vec<(&str, &str)> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.post("/appointments/book", &fields).await
}

/// Books the time of that number; the appointment's address.
async fn book(browser: &mut Browser, number: usize) -> String {
    let form = form(browser, number).await;
    let done = send(browser, &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    done.location().split('?').next().unwrap().to_owned()
}

async fn free_times(browser: &mut Browser) -> usize {
    let page = browser.get("/appointments/book").await;
    values(&page.text, "choice").len()
}

#[test]
fn an_appointment_is_booked_moved_and_cancelled_and_its_time_is_free_again() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        let home = jane.get("/").await.text;
        assert!(
            home.contains("No appointment to come is known here."),
            "{home}"
        );
        assert_eq!(free_times(&mut jane).await, 6);
        let form = form(&mut jane, 1).await;
        assert_eq!(
            free_times(&mut jane).await,
            6,
            "the check has changed nothing"
        );
        let done = send(&mut jane, &form).await;
        let address = done.location().to_owned();
        let page = jane.get(&address).await.text;
        assert!(page.contains("Your appointment is booked."), "{page}");
        assert!(page.contains("Tuesday 6 January 2026 at 9:10"), "{page}");
        assert!(page.contains("with Dr Bo Test") || page.contains("Dr Bo Test"));
        // The same form again, as a browser sends it that had no answer.
        let again = send(&mut jane, &form).await;
        assert_eq!(again.location(), address, "{}", again.text);
        assert_eq!(free_times(&mut jane).await, 5, "it is booked once");
        let home = jane.get("/").await.text;
        assert!(
            home.contains("Next: Tuesday 6 January 2026 at 9:10"),
            "{home}"
        );
        let day = ann.get("/staff/slots?day=2026-01-06").await.text;
        assert!(day.contains("EXAMPLE, Jane"), "{day}");

        let address = address.split('?').next().unwrap();
        let id = address.rsplit('/').next().unwrap();
        let page = jane.get(address).await.text;
        let choice = values(&page, "choice")[3].to_owned();
        let form = checked(&mut jane, &choice, id).await;
        let moved = send(&mut jane, &form).await;
        assert_eq!(
            moved.location(),
            format!("{address}?done=moved"),
            "{}",
            moved.text
        );
        let page = jane.get(address).await.text;
        assert!(page.contains("Tuesday 6 January 2026 at 9:40"), "{page}");
        assert_eq!(
            free_times(&mut jane).await,
            5,
            "the old time is free, the new one is not"
        );

        let unsaid = jane.post(&format!("{address}/cancel"), &[]).await;
        assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY);
        let why = [("why", "time")];
        let ended = jane.post(&format!("{address}/cancel"), &why).await;
        assert_eq!(
            ended.location(),
            format!("{address}?done=cancelled"),
            "{}",
            ended.text
        );
        assert_eq!(free_times(&mut jane).await, 6);
        let page = jane.get(address).await.text;
        assert!(page.contains("I cannot come at that time"), "{page}");
        assert!(
            !page.contains("Cancel this appointment"),
            "it has ended: {page}"
        );
        let list = jane.get("/appointments").await.text;
        assert!(
            list.contains("Past and cancelled") && list.contains("Cancelled"),
            "{list}"
        );
        assert!(
            traced(&node)
                .await
                .contains(&"cancel-appointment".to_owned())
        );
    });
}

/// What the log says was done about Jane, by whom it was she.
async fn traced(node: &Node) -> Vec<String> {
    let filter = AuditFilter {
        patient: Some("jane".into()),
        before: None,
        count: 500,
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let page = node.store.audit_page(&scope, &filter).await.unwrap();
    let theirs = page
        .entries
        .into_iter()
        .filter(|it| it.agent.name == "Jane Example");
    theirs.map(|it| it.interaction.into_owned()).collect()
}

#[test]
fn p28_who_books_looks_or_cancels_leaves_a_line_that_the_patient_reads() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        book(&mut jane, 0).await;
        let lines = traced(&node).await;
        assert!(
            lines.contains(&Interaction::Book.code().to_owned()),
            "{lines:?}"
        );
        let filter = AuditFilter {
            patient: None,
            before: None,
            count: 500,
        };
        let scope = Scope::system(SystemPurpose::Measure);
        let page = node.store.audit_page(&scope, &filter).await.unwrap();
        let looks = page.entries.iter().filter(|it| it.interaction == "slots");
        assert!(looks.filter(|it| it.agent.name == "Jane Example").count() >= 1);
        let log = jane.get("/access-log").await.text;
        assert!(log.contains("Booked or moved an appointment"), "{log}");
    });
}

#[test]
fn staff_hold_take_back_and_book_and_what_is_not_free_is_not_offered() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = publish(&node, &[("until", "09:30")]).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choices: Vec<String> = values(&page, "choice")
            .into_iter()
            .map(str::to_owned)
            .collect();
        let slot = |number: usize| choices[number].strip_prefix("here~").unwrap().to_owned();
        let mut change = async |number: usize, word: &str| {
            ann.get("/staff/slots?day=2026-01-06").await;
            let address = format!("/staff/slots/{}/change", slot(number));
            let done = ann.post(&address, &[("do", word)]).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        };
        change(0, "hold").await;
        change(1, "take-back").await;
        assert_eq!(free_times(&mut jane).await, 1);
        let held = [
            ("choice", choices[0].as_str()),
            ("attempt", "a"),
            ("reason", ""),
        ];
        let refused = jane.post("/appointments/book", &held).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(
            refused
                .text
                .contains("These times are the next that are free.")
        );
        assert_eq!(values(&refused.text, "choice").len(), 1, "{}", refused.text);
        change(0, "release").await;
        assert_eq!(free_times(&mut jane).await, 2);

        let address = format!("/staff/slots/{}/book", choices[2]);
        let form = ann.get(&address).await;
        let attempt = values(&form.text, "attempt")[0].to_owned();
        let mut fields = vec![
            ("nhs_number", "943 476 5919"),
            ("born", "1980-02-01"),
            ("family", "Nobody"),
            ("attempt", attempt.as_str()),
        ];
        let unknown = ann.post(&address, &fields).await;
        assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
        let who = record_of(&node, "jane").await;
        fields[1].1 = who.0.as_str();
        fields[2].1 = who.1.as_str();
        let done = ann.post(&address, &fields).await;
        assert_eq!(
            done.location(),
            "/staff/slots?day=2026-01-06&done=booked",
            "{}",
            done.text
        );
        let list = jane.get("/appointments").await.text;
        assert!(list.contains("Tuesday 6 January 2026 at 9:20"), "{list}");
        // What is booked is neither held nor taken back.
        let held = format!("/staff/slots/{}/change", slot(2));
        let refused = ann.post(&held, &[("do", "take-back")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let cancel = format!("/staff/slots/{}/cancel", slot(2));
        let silent = ann.post(&cancel, &[]).await;
        assert_eq!(silent.status, StatusCode::BAD_REQUEST, "{}", silent.text);
        ann.get("/staff/slots?day=2026-01-06").await;
        let done = ann.post(&cancel, &[("reason", "The doctor is ill")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        let list = plain(&jane.get("/appointments").await.text);
        let (_, rest) = list.split_once("Past and cancelled").unwrap();
        let (_, rest) = rest.split_once("href=\"/appointments/").unwrap();
        let id = rest.split('"').next().unwrap();
        let page = jane.get(&format!("/appointments/{id}")).await.text;
        assert!(page.contains("The doctor is ill"), "{page}");
    });
}

/// Date of birth and family name of a patient here.
async fn record_of(node: &Node, id: &str) -> (String, String) {
    let scope = Scope::system(SystemPurpose::Measure);
    let reading = node.store.read(&scope, "Patient", id).await.unwrap();
    let store::Reading::Found(version) = reading else {
        panic!("{reading:?}")
    };
    let json = crate::record::json(&version).unwrap();
    let text = |place: &str| json.pointer(place).unwrap().as_str().unwrap().to_owned();
    (text("/birthDate"), text("/name/0/family"))
}

#[test]
fn only_who_may_take_a_slot_is_offered_it_and_a_session_is_published_once() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let staff = [("who_may", "staff"), ("with", "Nurse Nora")];
        let mut ann = publish(&node, &staff).await;
        let mut jane = signed_in(&node, "jane").await;
        assert_eq!(free_times(&mut jane).await, 0);
        let day = plain(&ann.get("/staff/slots?day=2026-01-06").await.text);
        let (_, rest) = day.split_once("href=\"/staff/slots/here~").unwrap();
        let id = rest.split('/').next().unwrap();
        let choice = format!("here~{id}");
        let fields = [("choice", choice.as_str()), ("attempt", "a")];
        let refused = jane.post("/appointments/book", &fields).await;
        assert_ne!(refused.status, StatusCode::SEE_OTHER, "{}", refused.text);
        let check = jane.post("/appointments/book/check", &fields).await;
        assert_eq!(
            check.status,
            StatusCode::NOT_FOUND,
            "it does not exist for her"
        );
        let twice = [
            ("date", "2026-01-06"),
            ("from", "09:30"),
            ("until", "10:30"),
            ("minutes", "10"),
            ("with", "Nurse Nora"),
            ("kind", "Dressing"),
            ("who_may", "patients"),
        ];
        ann.get("/staff/slots").await;
        let refused = ann.post("/staff/slots", &twice).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            refused.text.contains("nothing was published now"),
            "{}",
            refused.text
        );
        assert_eq!(free_times(&mut jane).await, 0);
    });
}

#[test]
fn a_patient_chooses_with_whom_and_sees_only_their_times() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        publish(&node, &[]).await;
        publish(&node, &[("with", "Nurse Nora"), ("until", "09:30")]).await;
        let mut jane = signed_in(&node, "jane").await;
        let page = plain(&jane.get("/appointments/book").await.text);
        assert_eq!(values(&page, "choice").len(), 9);
        let (before, _) = page.split_once("with Nurse Nora</a>").unwrap();
        let href = before.rsplit("href=\"").next().unwrap();
        let href = href.split('"').next().unwrap().to_owned();
        assert!(!href.contains("Nora"), "{href}");
        let page = jane.get(&href).await.text;
        assert_eq!(values(&page, "choice").len(), 3, "{page}");
    });
}

#[test]
fn where_another_system_holds_the_diary_nothing_is_published_offered_or_booked_here() {
    on_each_database(async |ground| {
        let first = node(ground).await;
        letters::patient(&first.store).await;
        publish(&first, &[]).await;
        let mut jane = signed_in(&first, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        let choice = values(&page, "choice")[0].to_owned();
        let mut closed = bare_node_again(&first).await;
        closed.diary.kept_here = false;
        let node = Arc::new(closed);
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let page = ann.get("/staff/slots").await.text;
        assert!(page.contains("stays the only diary"), "{page}");
        assert!(!page.contains("Publish a session"), "{page}");
        let fields = [
            ("date", "2026-01-07"),
            ("from", "09:00"),
            ("until", "10:00"),
        ];
        let refused = ann.post("/staff/slots", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/book").await.text;
        assert!(page.contains("kept in a system of their own"), "{page}");
        assert!(values(&page, "choice").is_empty());
        let fields = [("choice", choice.as_str()), ("attempt", "a")];
        let refused = jane.post("/appointments/book", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    });
}

/// Another node over the same store.
async fn bare_node_again(node: &Node) -> Node {
    Node::new(node.store.clone(), node.site.clone())
}

#[test]
fn the_pages_are_in_welsh_where_the_reader_wants_it_and_stay_so() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        publish(&node, &[]).await;
        let mut jane = signed_in(&node, "jane").await;
        assert!(
            jane.get("/appointments")
                .await
                .text
                .contains("Your appointments")
        );
        let page = jane.get("/appointments?lang=cy").await.text;
        assert!(
            page.contains("Eich apwyntiadau") && page.contains("lang=\"cy\""),
            "{page}"
        );
        let page = jane.get("/appointments/book").await.text;
        assert!(page.contains("Dydd Mawrth 6 Ionawr 2026"), "{page}");
        let form = form_of(&mut jane, &page).await;
        let done = send(&mut jane, &form).await;
        let page = jane.get(done.location()).await.text;
        assert!(
            page.contains("Mae eich apwyntiad wedi&#x27;i drefnu.")
                || page.contains("Mae eich apwyntiad wedi"),
            "{page}"
        );
        let page = jane.get("/appointments?lang=en").await.text;
        assert!(page.contains("Your appointments"), "{page}");
    });
}

#[test]
fn a_booking_that_nobody_answers_is_on_the_work_list_and_the_patients_page_says_so() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let now = node.store.now();
        let visit = format!(
            r#"{{"resourceType":"Appointment","status":"pending","start":"{}","end":"{}",
            "description":"Foot clinic","participant":[{{"actor":{{"reference":"Patient/jane"}},"status":"accepted"}}]}}"#,
            fhir::date::instant(now + 86_400_000),
            fhir::date::instant(now + 87_000_000),
        );
        letters::put(&node.store, "away", &visit, store::Release::At(now)).await;
        let booking = store::diary::Booking {
            id: "away".into(),
            patient: "jane".into(),
            holder: "RZZ01".into(),
            asker: "A81001".into(),
            asked_as: "away".into(),
            slot: "s".into(),
            starts_at: now + 86_400_000,
            state: store::diary::BookingState::Asked,
            asked_at: now - 90_000_000,
            state_at: now - 90_000_000,
            parcel: "p".into(),
            instead_of: String::new(),
            reason: String::new(),
            next: String::new(),
        };
        let booking = Box::new(booking);
        let was = store::diary::Was::Nothing;
        let write = store::diary::DiaryWrite::Put { booking, was };
        let job = store::Job::effect(store::Effect::Diary(write));
        let scope = Scope::system(SystemPurpose::Measure);
        node.store.commit(&scope, job).await.unwrap();
        let mut jane = signed_in(&node, "jane").await;
        let page = jane.get("/appointments/away").await.text;
        assert!(page.contains("Asked for, not yet confirmed"), "{page}");
        assert!(
            page.contains("has not answered. It is not booked."),
            "{page}"
        );
        assert!(!page.contains(">Booked<"), "{page}");
        let list = jane.get("/appointments").await.text;
        assert!(
            list.contains("Foot clinic") && list.contains("RZZ01"),
            "{list}"
        );
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let work = ann.get("/staff/worklist").await.text;
        assert!(work.contains("Booking at RZZ01"), "{work}");
        assert!(
            work.contains("The patient&#x27;s page says that it is not confirmed.")
                || work.contains("page says that it is not confirmed.")
        );
    });
}

async fn form_of(browser: &mut Browser, page: &str) -> Vec<(String, String)> {
    let choice = values(page, "choice")[0].to_owned();
    checked(browser, &choice, "").await
}
