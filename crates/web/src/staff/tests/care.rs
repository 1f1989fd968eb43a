//! Emergency access, claimed relationships, and the privacy officer's list, at the pages.

use access::Relationships;
use http::StatusCode;
use store::Store;
use store::testing::{Ground, on_each_database};

use crate::testing::letters;
use crate::testing::{Browser, PASSWORD, node_with, second_step};

/// A node at which staff need a relationship that nobody has yet, and Dr Bo signed in.
async fn strangers(ground: &Ground) -> (std::sync::Arc<crate::Node>, Browser) {
    let mut settings = ground.settings.clone();
    settings.relationships = Relationships::Required;
    let node = node_with(Store::open(settings).await.unwrap()).await;
    letters::patient(&node.store).await;
    let mut bo = Browser::new(&node);
    bo.sign_in("/staff/login", "bo").await;
    (node, bo)
}

/// Dr Bo proves with a second step, just now, who he is.
async fn confirm(node: &crate::Node, bo: &mut Browser) {
    let secret = second_step(&node.store, "bo").await;
    let done = bo.step_up(&node.store, &secret, "/staff/inbox").await;
    assert_eq!(done.location(), "/staff/inbox", "{}", done.text);
}

async fn officer(node: &std::sync::Arc<crate::Node>) -> Browser {
    let mut olu = Browser::new(node);
    olu.sign_in("/staff/login", "olu").await;
    olu
}

const WHY: &str = "Found unconscious at the bus stop";

#[test]
fn p01_a_patient_nobody_here_cares_for_has_no_page_and_neither_has_one_who_is_not_here() {
    on_each_database(async |ground| {
        let (node, mut bo) = strangers(ground).await;
        confirm(&node, &mut bo).await;
        let known = bo.get("/staff/patient/jane").await;
        let absent = bo.get("/staff/patient/ghost").await;
        assert_eq!(known.status, StatusCode::NOT_FOUND);
        assert_eq!(absent.status, StatusCode::NOT_FOUND);
        // Each page names its own request and form.
        let plain = |text: &str, id: &str| {
            let lines = text.lines().filter(|line| {
                !line.contains("csrf")
                    && !line.contains("nonce")
                    && !line.contains("quote ")
                    && !line.contains("request")
                    && !line.contains("Reference")
            });
            lines.collect::<Vec<_>>().join("\n").replace(id, "ID")
        };
        assert_eq!(plain(&known.text, "jane"), plain(&absent.text, "ghost"));
        for id in ["jane", "ghost"] {
            let form = bo.get(&format!("/staff/emergency-access/{id}")).await;
            assert_eq!(form.status, StatusCode::OK, "{id}");
        }
    });
}

#[test]
fn p04_emergency_access_takes_a_reason_and_a_second_step_and_is_listed_and_told() {
    on_each_database(async |ground| {
        let (node, mut bo) = strangers(ground).await;
        let address = "/staff/emergency-access/jane";
        // Who has no second step is told to set one up; the password alone opens nothing.
        let bare = bo.get(address).await;
        assert_eq!(bare.status, StatusCode::FORBIDDEN);
        assert!(bare.text.contains("Set up a second step"), "{}", bare.text);
        bo.get("/staff/inbox").await;
        let fields = [
            ("code", "unable-to-ask"),
            ("reason", WHY),
            ("password", PASSWORD),
        ];
        let refused = bo.post(address, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains("Confirm first that it is you"));
        let secret = second_step(&node.store, "bo").await;
        let asked = bo.get(address).await;
        assert_eq!(asked.location(), format!("/staff/step-up?next={address}"));
        let confirmed = bo.step_up(&node.store, &secret, address).await;
        assert_eq!(confirmed.location(), address, "{}", confirmed.text);
        bo.get(address).await;
        for (fields, said) in [
            (vec![("reason", WHY)], "Choose why"),
            (
                vec![("code", "unable-to-ask"), ("reason", "short")],
                "at least 10 letters",
            ),
        ] {
            let answer = bo.post(address, &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
            assert!(answer.text.contains(said), "{said}");
            let page = bo.get("/staff/patient/jane").await;
            assert_eq!(page.status, StatusCode::NOT_FOUND);
            bo.get(address).await;
        }
        // Just now is a quarter of an hour.
        ground.clock().advance(15 * 60_000 + 1);
        let late = bo.post(address, &fields).await;
        assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
        bo.step_up(&node.store, &secret, address).await;
        bo.get(address).await;
        let opened = bo.post(address, &fields).await;
        assert_eq!(opened.location(), "/staff/patient/jane");
        let page = bo.get(opened.location()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("943 476 5919"));
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await;
        assert!(
            list.text.contains("Emergency access (B0015)"),
            "{}",
            list.text
        );
        assert!(list.text.contains("Dr Bo Test"));
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let home = jane.get("/").await;
        assert!(
            home.text.contains("opened your record in an emergency"),
            "{}",
            home.text
        );
        assert!(home.text.contains(WHY));
        // At its end, to the minute that the settings say.
        ground.clock().advance(4 * 3_600_000);
        let account = crate::testing::account(&node.store, "bo").await;
        let forget = store::accounts::factors::FactorWrite::Forget { account };
        node.store.write_factor(forget).await.unwrap();
        let mut later = Browser::new(&node);
        later.sign_in("/staff/login", "bo").await;
        let page = later.get("/staff/patient/jane").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn p04_who_opens_a_record_chooses_for_how_long_and_the_log_and_the_officer_are_told() {
    on_each_database(async |ground| {
        let (node, mut bo) = strangers(ground).await;
        let address = "/staff/emergency-access/jane";
        confirm(&node, &mut bo).await;
        let form = bo.get(address).await.text;
        assert!(
            form.contains(r#"<option value="240" selected>4 hours"#),
            "{form}"
        );
        let ask = |minutes| {
            [
                ("code", "unable-to-ask"),
                ("reason", WHY),
                ("minutes", minutes),
            ]
        };
        for wrong in ["300", "29", "-60", "long"] {
            let refused = bo.post(address, &ask(wrong)).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
            assert!(refused.text.contains("Choose for how long"), "{wrong}");
        }
        let opened = bo.post(address, &ask("30")).await;
        assert_eq!(opened.location(), "/staff/patient/jane", "{}", opened.text);
        assert_eq!(bo.get(opened.location()).await.status, StatusCode::OK);
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await.text;
        assert!(list.contains("(for 30 minutes)"), "{list}");
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let filter = store::AuditFilter {
            count: 200,
            ..store::AuditFilter::default()
        };
        let log = node.store.audit_page(&scope, &filter).await.unwrap();
        let line = log
            .entries
            .iter()
            .find(|it| it.target.query.as_deref() == Some("minutes=30"));
        assert_eq!(line.unwrap().agent.name, "Dr Bo Test");
        ground.clock().advance(30 * 60_000);
        let account = crate::testing::account(&node.store, "bo").await;
        let forget = store::accounts::factors::FactorWrite::Forget { account };
        node.store.write_factor(forget).await.unwrap();
        let mut later = Browser::new(&node);
        later.sign_in("/staff/login", "bo").await;
        let page = later.get("/staff/patient/jane").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "it has ended");
    });
}

#[test]
fn p05_clerks_engineers_and_patients_open_nothing_in_an_emergency() {
    on_each_database(async |ground| {
        let (node, _bo) = strangers(ground).await;
        for (login, door) in [
            ("ann", "/staff/login"),
            ("ed", "/staff/login"),
            ("olu", "/staff/login"),
            ("jane", "/login"),
        ] {
            let mut browser = Browser::new(&node);
            browser.sign_in(door, login).await;
            for address in ["/staff/emergency-access/jane", "/staff/unseal/jane"] {
                let answer = browser.get(address).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{login} {address}");
            }
        }
    });
}

#[test]
fn p03_a_clerk_claims_a_relationship_with_a_reason_and_sees_the_record_at_once() {
    on_each_database(async |ground| {
        let (node, _bo) = strangers(ground).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let address = "/staff/relationship/jane";
        ann.get(address).await;
        let short = ann.post(address, &[("reason", "because")]).await;
        assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
        ann.get(address).await;
        let fields = [("reason", "She is at the desk asking for a copy")];
        let claimed = ann.post(address, &fields).await;
        assert_eq!(ann.get(claimed.location()).await.status, StatusCode::OK);
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await;
        assert!(list.text.contains("Relationship claimed (B0016)"));
    });
}

#[test]
fn p07_the_officer_works_an_item_and_what_is_old_is_late() {
    on_each_database(async |ground| {
        let (node, mut bo) = strangers(ground).await;
        let address = "/staff/emergency-access/jane";
        confirm(&node, &mut bo).await;
        bo.get(address).await;
        let fields = [("code", "unable-to-ask"), ("reason", WHY)];
        bo.post(address, &fields).await;
        ground.clock().advance(7 * 86_400_000 + 1);
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await;
        assert!(list.text.contains("1 older than 7 days"), "{}", list.text);
        let work = "/staff/privacy/1";
        let mute = olu.post(work, &[("state", "confirmed")]).await;
        assert_ne!(mute.status, StatusCode::SEE_OTHER);
        olu.get("/staff/privacy").await;
        let done = olu
            .post(
                work,
                &[("state", "confirmed"), ("outcome", "Ambulance record seen")],
            )
            .await;
        assert_eq!(done.location(), "/staff/privacy?done=worked");
        let list = olu.get("/staff/privacy").await;
        assert!(list.text.contains("Confirmed"));
        assert!(list.text.contains("Ambulance record seen (Olu Officer)"));
        assert!(!list.text.contains("older than 7 days"));
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let refused = clerk.get("/staff/privacy").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn p27_the_officer_is_answered_who_looked_at_a_record_and_nobody_else_is() {
    on_each_database(async |ground| {
        let (node, mut bo) = strangers(ground).await;
        bo.get("/staff/patient/jane").await;
        let mut olu = officer(&node).await;
        let ask = "/staff/privacy/log";
        assert_eq!(olu.get(ask).await.status, StatusCode::OK);
        for (typed, said) in [
            ("12", "Enter an NHS number"),
            ("9434765870", "There is no record with this NHS number here"),
        ] {
            let answer = olu.post(ask, &[("nhs_number", typed)]).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.text.contains(said), "{}", answer.text);
        }
        let found = olu.post(ask, &[("nhs_number", "943 476 5919")]).await;
        assert_eq!(found.location(), "/staff/privacy/log?patient=jane");
        let log = olu.get(found.location()).await;
        assert!(log.text.contains("Was not shown"), "{}", log.text);
        assert!(log.text.contains("Bo") && log.text.contains("Your care"));
        for login in ["ann", "bo"] {
            let mut other = Browser::new(&node);
            other.sign_in("/staff/login", login).await;
            let refused = other.get(found.location()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{login}");
        }
    });
}

#[test]
fn p13_where_a_restricted_patient_lives_is_shown_to_who_must_visit_and_to_nobody_else() {
    on_each_database(async |ground| {
        let node = node_with(ground.open().await).await;
        letters::restrict(&node.store).await;
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let page = bo.get("/staff/patient/jane").await;
        assert!(page.text.contains("is restricted"), "{}", page.text);
        assert!(!page.text.contains("Larkspur"));
        confirm(&node, &mut bo).await;
        let address = "/staff/whereabouts/jane";
        bo.get(address).await;
        let fields = [("code", "visit"), ("reason", "The midwife calls tomorrow")];
        let opened = bo.post(address, &fields).await;
        let page = bo.get(opened.location()).await;
        assert!(
            page.text.contains("17 Larkspur Row, LS22 6RN"),
            "{}",
            page.text
        );
        assert!(page.text.contains("It was released to you"));
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let page = ann.get("/staff/patient/jane").await;
        assert!(page.text.contains("is restricted") && !page.text.contains("Larkspur"));
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await;
        assert!(
            list.text.contains("Restricted whereabouts seen"),
            "{}",
            list.text
        );
        ground.clock().advance(4 * 3_600_000);
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        assert!(
            !bo.get("/staff/patient/jane")
                .await
                .text
                .contains("Larkspur")
        );
    });
}

#[test]
fn p10_ones_own_page_says_so_and_shows_nothing() {
    on_each_database(async |ground| {
        let node = node_with(ground.open().await).await;
        letters::patient(&node.store).await;
        let bo_is = crate::testing::account(&node.store, "bo").await;
        let number = access::NhsNumber::parse("9434765919").unwrap();
        node.store
            .set_own_nhs_number(bo_is, Some(&number))
            .await
            .unwrap();
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let page = bo.get("/staff/patient/jane").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(
            page.text.contains("This is your own record"),
            "{}",
            page.text
        );
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        assert_eq!(ann.get("/staff/patient/jane").await.status, StatusCode::OK);
        let mut olu = officer(&node).await;
        let list = olu.get("/staff/privacy").await;
        let flagged = "Record of family or a colleague opened";
        assert!(list.text.contains(flagged), "{}", list.text);
    });
}
