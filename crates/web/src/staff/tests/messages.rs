//! HL7 messages on the work list, and who sees what they say.

use access::{AuditEntry, Relationships, Scope, SystemPurpose};
use http::StatusCode;
use store::testing::on_each_database;
use store::{AuditFilter, Store};

use crate::testing::letters;
use crate::testing::{Browser, node_with};

const ABOUT_JANE: &str = "MSH|^~\\&|PAS|A81001|HANDOVER|A81001|20240603090000||MDM^T02|M1|P|2.4\r\
     PID|1||9434765919^^^NHS^NH||EXAMPLE^JANE||19610203|F\r\
     OBX|1|TX|DS^Letter||Jane has an allergy to latex\r";
const ADDRESS: &str = "/staff/worklist/messages/";

/// What of it must not be shown.
const SAID: [&str; 6] = [
    "EXAMPLE",
    "JANE",
    "9434765919",
    "19610203",
    "allergy",
    "latex",
];

fn assert_says(text: &str, says: bool) {
    for word in SAID {
        assert_eq!(text.contains(word), says, "{word}: {text}");
    }
}

/// The lines about that message.
async fn lines(store: &Store, number: i64) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        count: 1000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let page = store.audit_page(&scope, &filter).await.unwrap();
    let query = format!("hl7-message={number}");
    let of_it = |line: &AuditEntry| line.target.query.as_deref() == Some(query.as_str());
    page.entries.into_iter().filter(of_it).collect()
}

fn told(line: &AuditEntry) -> (&str, Option<&str>) {
    (line.outcome.code(), line.target.patient.as_deref())
}

#[test]
fn p28_what_a_message_says_is_withheld_from_who_may_not_see_the_record_and_each_look_is_at_it() {
    on_each_database(async |ground| {
        let mut settings = ground.settings.clone();
        settings.relationships = Relationships::Required;
        let node = node_with(Store::open(settings).await.unwrap()).await;
        letters::patient(&node.store).await;
        let number = letters::refuse(&node.store, "M1", ABOUT_JANE).await;
        let address = format!("{ADDRESS}{number}");
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let page = ann.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_says(&page.text, false);
        for shown in [
            "is withheld",
            "/staff/relationship/jane",
            "PID|9||9999999999^^^xxx^xx",
        ] {
            let escaped = shown.replace('/', "&#x2f;");
            let shows = page.text.contains(shown) || page.text.contains(&escaped);
            assert!(shows, "{shown}: {}", page.text);
        }
        let seen = lines(&node.store, number).await;
        let seen: Vec<_> = seen.iter().map(told).collect();
        assert_eq!(seen, [("withheld", Some("jane"))]);

        let claim = "/staff/relationship/jane";
        ann.get(claim).await;
        let fields = [("reason", "Putting a message right for her practice")];
        assert_eq!(
            ann.post(claim, &fields).await.location(),
            "/staff/patient/jane"
        );
        ground.clock().advance(2_000);
        let page = ann.get(&address).await;
        assert_says(&page.text, true);
        assert!(!page.text.contains("is withheld"), "{}", page.text);
        let seen = lines(&node.store, number).await;
        assert_eq!(told(&seen[0]), ("success", Some("jane")));
    });
}

#[test]
fn a20_an_engineer_sees_how_a_message_is_built_and_not_what_it_says() {
    on_each_database(async |ground| {
        let node = crate::testing::node(ground).await;
        letters::patient(&node.store).await;
        let number = letters::refuse(&node.store, "M1", ABOUT_JANE).await;
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        let page = ed.get(&format!("{ADDRESS}{number}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_says(&page.text, false);
        for shown in [
            "MDM^T02|M1|P|2.4",
            "OBX|9|xx|xx^xxxxxx||xxxx",
            "not what it says",
        ] {
            assert!(page.text.contains(shown), "{shown}: {}", page.text);
        }
        // Nor is what is not on the work list there for them at all.
        let settled = ed.post(&format!("{ADDRESS}{number}/settled"), &[]).await;
        assert_eq!(settled.location(), "/staff/worklist?done=settled");
        let page = ed.get(&format!("{ADDRESS}{number}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{}", page.text);
    });
}
