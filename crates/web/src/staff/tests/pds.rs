//! PDS at the pages: the worker traces who is here against the stand-in, staff see both sides, and decide.

use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use exchange::pds::Pds;
use exchange::{About, Book, Directory, Exchange, Identity, Member, Settings, SigningKey};
use http::StatusCode;
use serde_json::{Value, json};
use store::testing::{Ground, on_each_database};
use store::{Reading, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::stand_in::pds::StandIn;
use crate::testing::{Browser, bare_node, join, letters, record, second_step};

const DAY: i64 = 86_400_000;

/// An exchange of one node that asks PDS at that address.
fn exchange(store: &Store, folder: &TempDir, pds: Pds) -> Arc<Exchange> {
    let steward = SigningKey::create(&folder.path().join("steward.key")).unwrap();
    let identity = Identity::create(
        &folder.path().join("A81001"),
        &Ods::parse("A81001").unwrap(),
    );
    let identity = identity.unwrap();
    let now = store.now();
    let about = About {
        name: "Willow Road Surgery".into(),
        roles: vec!["gp-practice".into()],
        exchange: "https://127.0.0.1:9".into(),
        pages: "http://127.0.0.1:9".into(),
        mailboxes: Vec::new(),
    };
    let directory = Directory {
        protocol: 1,
        version: 1,
        issued_at: now,
        valid_until: now + DAY,
        members: vec![Member::card(&identity, about, now - DAY, now + DAY)],
        bars: Vec::new(),
    };
    let text = directory.sign(&steward).unwrap();
    let book = Book::new(&text, steward.public().clone(), now).unwrap();
    let settings = Settings {
        pds: Some(Arc::new(pds.paced(24, 50))),
        ..Settings::default()
    };
    Exchange::new(store.clone(), Arc::new(identity), Arc::new(book), settings)
}

struct Street {
    node: Arc<crate::Node>,
    exchange: Arc<Exchange>,
    pds: String,
    _folder: TempDir,
}

impl Street {
    async fn open(ground: &Ground, people: Value) -> Street {
        let stand_in = Arc::new(StandIn::of(&people.to_string(), None).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pds = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, stand_in.router()).await });
        let folder = tempfile::tempdir().unwrap();
        let mut node = bare_node(ground).await;
        letters::patient(&node.store).await;
        let exchange = exchange(&node.store, &folder, Pds::new(&pds, None).unwrap());
        node.exchange = Some(exchange.clone());
        Street {
            node: Arc::new(node),
            exchange,
            pds,
            _folder: folder,
        }
    }

    async fn trace(&self) {
        let pds = self.exchange.pds().unwrap().clone();
        for _ in 0..4 {
            // Where several processes write, what is two seconds old has settled.
            self.node.store.clock().advance(3_000);
            self.exchange.trace_people(&pds).await.unwrap();
        }
    }

    async fn patient(&self, id: &str) -> Value {
        let scope = Scope::system(SystemPurpose::Measure);
        let Reading::Found(version) = self.node.store.read(&scope, "Patient", id).await.unwrap()
        else {
            panic!("{id} is not here");
        };
        serde_json::from_slice(&version.body).unwrap()
    }

    async fn signed_in(&self, login: &str) -> Browser {
        let mut browser = Browser::new(&self.node);
        browser.sign_in("/staff/login", login).await;
        browser
    }
}

fn known(number: &str, family: &str, more: Value) -> Value {
    let mut person = json!({
        "resourceType": "Patient", "birthDate": "1961-02-03",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number }],
        "name": [{ "family": family, "given": ["Jane"] }],
        "generalPractitioner": [exchange::pds::said::practice_reference("A81001")],
        "address": [{ "line": ["1 Trevelyan Square"], "postalCode": "LS1 6AE" }],
    });
    for (name, value) in more.as_object().unwrap() {
        person[name] = value.clone();
    }
    person
}

const JANE: &str = "9434765919";

#[test]
fn a_patient_is_traced_their_practice_filled_in_and_both_sides_are_shown_with_their_time() {
    on_each_database(async |ground| {
        let people = json!([known(JANE, "Example", json!({}))]);
        let street = Street::open(ground, people).await;
        let before = street.patient("jane").await;
        assert!(before.get("generalPractitioner").is_none(), "{before}");
        street.trace().await;
        let after = street.patient("jane").await;
        assert_eq!(exchange::pds::said::practice(&after), Some("A81001"));
        let mut bo = street.signed_in("bo").await;
        let page = bo.get("/staff/patient/jane").await;
        assert!(page.text.contains("As PDS had it"), "{}", page.text);
        assert!(page.text.contains("LS1 6AE"));
        // PDS is silent: what it said stays, and is called old.
        let busy = exchange::outgoing::Outgoing::new(&["127.0.0.1".to_owned()]).unwrap();
        let call = exchange::outgoing::Call {
            method: http::Method::POST,
            url: format!("{}/stand-in/busy", street.pds),
            headers: Vec::new(),
            body: r#"{"down":true}"#.into(),
        };
        assert_eq!(busy.send(call).await.unwrap(), 204);
        bo.post("/staff/patient/jane/pds/again", &[]).await;
        street.trace().await;
        let page = bo.get("/staff/patient/jane").await;
        assert!(
            page.text.contains("old: it is being asked anew"),
            "{}",
            page.text
        );
        assert!(page.text.contains("PDS could not be asked yet"));
        bo.get("/staff/patients").await;
        let fields = [("family", "Example"), ("birth_date", "1961-02-03")];
        let found = bo.post("/staff/patients", &fields).await;
        assert!(
            found
                .text
                .contains("this is not an answer that there is nobody")
        );
        // Who is here is found all the same.
        let (here, _) = found.text.split_once("id=\"pds\"").unwrap();
        assert!(
            here.contains("EXAMPLE, Jane") && here.contains("45 %"),
            "{here}"
        );
    });
}

#[test]
fn nothing_is_taken_over_of_somebody_else_s_number_and_a_person_is_asked() {
    on_each_database(async |ground| {
        let people = json!([known(JANE, "Stranger", json!({"birthDate": "1950-05-05"}))]);
        let street = Street::open(ground, people).await;
        let before = street.patient("jane").await;
        street.trace().await;
        assert_eq!(street.patient("jane").await, before);
        let mut bo = street.signed_in("bo").await;
        let list = bo.get("/staff/worklist").await;
        assert!(list.text.contains("Patient traced in PDS"), "{}", list.text);
        assert!(!list.text.contains("Stranger") && !list.text.contains("1950"));
        let settled = bo.post("/staff/worklist/pds/jane/settled", &[]).await;
        assert_eq!(settled.status, StatusCode::SEE_OTHER);
        let list = bo.get("/staff/worklist").await;
        assert!(!list.text.contains("Patient traced in PDS"));
        // The number alone finds nobody, and tells nothing of who has it.
        bo.get("/staff/patients").await;
        let alone = bo.post("/staff/patients", &[("nhs_number", JANE)]).await;
        assert_eq!(alone.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [
            ("nhs_number", JANE),
            ("family", "Example"),
            ("birth_date", "1961-02-03"),
        ];
        let other = bo.post("/staff/patients", &fields).await;
        assert!(
            other
                .text
                .contains("whose name or date of birth is another")
        );
        assert!(!other.text.contains("Stranger"));
    });
}

#[test]
fn a_replaced_number_is_followed_and_two_records_are_linked_only_by_a_person() {
    on_each_database(async |ground| {
        let people = json!([
            known("9990000018", "Example", json!({})),
            { "number": JANE, "supersededBy": "9990000018" },
        ]);
        let street = Street::open(ground, people).await;
        record(
            &street.node.store,
            ["Jane Example", "second", "9990000018", "1961-02-03"],
        )
        .await;
        street.trace().await;
        let jane = street.patient("jane").await;
        assert_ne!(jane["active"], json!(false), "nobody is merged by a worker");
        let mut bo = street.signed_in("bo").await;
        let page = bo.get("/staff/patient/jane").await;
        assert!(
            page.text.contains("Same person: link the two records"),
            "{}",
            page.text
        );
        let merged = bo.post("/staff/patient/jane/pds/merge", &[]).await;
        assert_eq!(
            merged.location(),
            "/staff/patient/second",
            "{}",
            merged.text
        );
        let jane = street.patient("jane").await;
        assert_eq!(jane["active"], json!(false));
        assert_eq!(jane["link"][0]["type"], "replaced-by");
        assert_eq!(
            street.patient("second").await["link"][0]["type"],
            "replaces"
        );
    });
}

/// P13: what PDS says of a restricted patient's home is shown to nobody, kept nowhere, and PDS's flag is
/// taken over; a team that must find the door gets it for hours, listed and told.
#[test]
fn a_restricted_patient_s_address_reaches_only_the_team_that_it_is_released_to_and_ends_by_itself()
{
    on_each_database(async |ground| {
        let flag = json!({ "meta": { "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R",
        }] } });
        let street = Street::open(ground, json!([known(JANE, "Example", flag)])).await;
        let mut jane = street.patient("jane").await;
        jane["address"] = json!([{ "line": ["7 Canary Row"], "postalCode": "LS1 9ZZ" }]);
        letters::put(
            &street.node.store,
            "jane",
            &jane.to_string(),
            store::Release::Keep,
        )
        .await;
        street.trace().await;
        let mut bo = street.signed_in("bo").await;
        let secret = second_step(&street.node.store, "bo").await;
        bo.step_up(&street.node.store, &secret, "/staff/inbox")
            .await;
        let page = bo.get("/staff/patient/jane").await;
        assert!(
            page.text.contains("Where this patient lives is restricted"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("Canary") && !page.text.contains("Trevelyan"));
        bo.get("/staff/patients").await;
        let fields = [("family", "Example"), ("birth_date", "1961-02-03")];
        let found = bo.post("/staff/patients", &fields).await;
        assert!(
            found.text.contains("Withheld: restricted"),
            "{}",
            found.text
        );
        assert!(!found.text.contains("Trevelyan"));
        join(&street.node.store, "ann", "district nurses").await;
        let mut ann = street.signed_in("ann").await;
        let page = ann.get("/staff/patient/jane").await;
        assert!(!page.text.contains("Canary"));
        let refused = ann.get("/staff/whereabouts/jane/team").await;
        assert_eq!(
            refused.status,
            StatusCode::FORBIDDEN,
            "a clerk releases nothing"
        );
        let address = "/staff/whereabouts/jane/team";
        let form = bo.get(address).await;
        assert!(form.text.contains("district nurses"), "{}", form.text);
        let short = bo
            .post(
                address,
                &[("team", "district nurses"), ("hours", "2"), ("reason", "x")],
            )
            .await;
        assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [
            ("team", "district nurses"),
            ("hours", "2"),
            ("reason", "Dressing to be changed at home"),
        ];
        bo.get(address).await;
        let released = bo.post(address, &fields).await;
        assert_eq!(released.location(), address, "{}", released.text);
        let page = ann.get("/staff/patient/jane").await;
        assert!(page.text.contains("7 Canary Row"), "{}", page.text);
        let page = bo.get("/staff/patient/jane").await;
        assert!(
            !page.text.contains("Canary"),
            "who released it is not in the team"
        );
        let mut olu = street.signed_in("olu").await;
        let list = olu.get("/staff/privacy").await;
        assert!(
            list.text
                .contains("Restricted whereabouts released to a team"),
            "{}",
            list.text
        );
        assert!(list.text.contains("to district nurses for 120 minutes"));
        ground.clock().advance(2 * 3_600_000 + 1);
        let mut later = street.signed_in("ann").await;
        let page = later.get("/staff/patient/jane").await;
        assert!(!page.text.contains("Canary"), "it has ended by itself");
    });
}
