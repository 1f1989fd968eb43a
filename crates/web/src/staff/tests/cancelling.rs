//! What was sent to EPS is cancelled there, with a stand-in of EPS and of the NHS's token service.

use std::net::TcpListener;
use std::sync::Arc;

use access::{Scope, SystemPurpose};
use exchange::access_token::SignedIn;
use exchange::jwt::{ClientKey, Jwks};
use exchange::prescriptions::eps::{Answer, Eps};
use exchange::prescriptions::message::{release, released};
use http::StatusCode;
use store::{Reading, Release};

use crate::node::Node;
use crate::patient::prescriptions::tests::{DRUGS, medicine, ordered};
use crate::stand_in::eps::StandIn;
use crate::testing::beside::{Beside, beside_a_hospital};
use crate::testing::{Browser, letters};

/// The text between two others.
fn between<'p>(page: &'p str, before: &str, behind: &str) -> Vec<&'p str> {
    let rest = page.split(before).skip(1);
    rest.filter_map(|it| it.split_once(behind).map(|(found, _)| found))
        .collect()
}

/// Sends what is due until EPS has answered.
async fn carry(beside: &Beside, eps: &Eps) {
    for _ in 0..20 {
        if beside.practice.carry_to_eps(eps).await.unwrap() > 0 {
            return;
        }
        // A try that came to nothing is made again later.
        beside.clock.advance(70_000);
    }
    panic!("EPS has not answered");
}

struct Street {
    node: Arc<Node>,
    order: String,
    doctor: Browser,
    jane: Browser,
}

impl Street {
    /// Both of Jane's medicines, approved and with EPS.
    async fn open(mut node: Node, beside: &Beside, eps: &Eps) -> Street {
        node.has_eps = true;
        node.pharmacies = Arc::new(|| vec![("FZZ01".into(), "Corner Pharmacy".into())]);
        for (id, name) in DRUGS {
            let text = medicine("jane", name, "");
            letters::put(&node.store, id, &text, Release::At(0)).await;
        }
        let node = Arc::new(node);
        let order = ordered(&node).await;
        let mut doctor = Browser::new(&node);
        doctor.sign_in("/staff/login", "bo").await;
        let queue = doctor.get("/staff/prescriptions").await.text;
        let seen = between(&queue, "name=\"seen\" value=\"", "\"")[0].to_owned();
        let approve = format!("/staff{order}/approve");
        let done = doctor.post(&approve, &[("seen", &seen)]).await;
        assert_eq!(done.location(), "/staff/prescriptions?done=approved");
        carry(beside, eps).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        Street {
            node,
            order,
            doctor,
            jane,
        }
    }

    async fn doctors(&mut self) -> String {
        let page = self.doctor.get(&format!("/staff{}", self.order)).await;
        page.text.replace("&#x2f;", "/")
    }

    async fn janes(&mut self) -> String {
        let page = self.jane.get(&self.order.clone()).await.text;
        page.replace("&#x2f;", "/")
    }

    async fn cancel(&mut self, item: &str, why: &str, words: &str) -> crate::testing::Answer {
        let fields = [("item", item), ("why", why), ("words", words)];
        let path = format!("/staff{}/cancel", self.order);
        self.doctor.post(&path, &fields).await
    }
}

#[test]
fn an_item_is_cancelled_when_eps_has_said_so_and_what_it_says_is_shown_to_both() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let key = ClientKey::generate("anytown-1").unwrap();
    let public = key.public();
    let eps = Eps::new(
        &base,
        Some(SignedIn {
            token_url: format!("{base}/oauth2/token"),
            client: "anytown".into(),
            key,
        }),
    );
    let eps = Arc::new(eps.unwrap());
    let settings = exchange::Settings {
        eps: Some(eps.clone()),
        ..exchange::Settings::default()
    };
    beside_a_hospital(settings, async |node, beside| {
        let stand_in = StandIn::open(None).unwrap();
        let stand_in =
            Arc::new(stand_in.for_clients(Jwks(vec![public.clone()]), beside.clock.clone()));
        let listener = listener.try_clone().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, stand_in.router()).await });
        let bare = Eps::new(&base, None).unwrap();
        let stranger = bare.process("k", "{}", beside.clock.now()).await;
        assert!(matches!(stranger, Answer::Refused(_)), "{stranger:?}");

        let mut street = Street::open(node, beside, &eps).await;
        let page = street.doctors().await;
        let select = between(&page, "id=\"cancelled\"", "</select>")[0];
        let items: Vec<String> = between(select, "<option value=\"", "\"")
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(items.len(), 2, "{page}");
        // Without a reason of EPS's, nothing is asked for.
        let refused = street.cancel(&items[0], "", "x").await;
        assert!(
            refused.text.contains("Choose why it is cancelled"),
            "{}",
            refused.text
        );
        let refused = street.cancel("another", "0002", "").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let asked = street
            .cancel(&items[0], "0002", "Your kidneys need care")
            .await;
        assert_eq!(asked.location(), "/staff/prescriptions?done=cancelling");
        let page = street.janes().await;
        assert_eq!(
            page.matches("journey__what\">Your practice is cancelling it")
                .count(),
            1,
            "{page}"
        );
        assert!(
            !page.contains("Cancelled by your practice"),
            "EPS has not said so: {page}"
        );
        carry(beside, &eps).await;
        let page = street.janes().await;
        assert!(
            page.contains("journey__what\">Cancelled by your practice"),
            "{page}"
        );
        assert!(
            page.contains("Why: Clinical contra-indication: Your kidneys need care"),
            "{page}"
        );
        let page = street.doctors().await;
        assert!(page.contains("Cancelled by your practice, EPS"), "{page}");
        let select = between(&page, "id=\"cancelled\"", "</select>")[0];
        assert!(
            !select.contains(&items[0]) && select.contains(&items[1]),
            "{select}"
        );
        // What came of it says so too, and the medicine may be asked for again.
        let scope = Scope::system(SystemPurpose::Measure);
        let read = street
            .node
            .store
            .read(&scope, "Task", &items[0])
            .await
            .unwrap();
        let Reading::Found(task) = read else {
            panic!("{read:?}")
        };
        let task: serde_json::Value = serde_json::from_slice(&task.body).unwrap();
        assert_eq!(task["status"], "cancelled");
        let issue = task["output"][0]["valueReference"]["reference"]
            .as_str()
            .unwrap();
        let issue = issue.trim_start_matches("MedicationRequest/");
        let read = street
            .node
            .store
            .read(&scope, "MedicationRequest", issue)
            .await
            .unwrap();
        let Reading::Found(issue) = read else {
            panic!("{read:?}")
        };
        let issue: serde_json::Value = serde_json::from_slice(&issue.body).unwrap();
        assert_eq!(issue["status"], "cancelled");
        let form = street.jane.get("/prescriptions/order").await.text;
        assert_eq!(form.matches("type=\"checkbox\"").count(), 1, "{form}");

        // The pharmacy fetches what is left of it; then EPS cancels no more.
        let page = street.janes().await;
        let number = between(&page, "for the pharmacy: ", "<")[0]
            .trim()
            .to_owned();
        let asked = release("q1", ("FZZ01", "Corner Pharmacy"), Some(&number)).to_string();
        let came = eps.release("q1", &asked, beside.clock.now()).await;
        let Answer::Taken(came) = came else {
            panic!("{came:?}")
        };
        let came = released(&came);
        assert_eq!(came[0].as_ref().unwrap().items.len(), 1, "{came:?}");
        let asked = street.cancel(&items[1], "0005", "").await;
        assert_eq!(asked.location(), "/staff/prescriptions?done=cancelling");
        carry(beside, &eps).await;
        let page = street.doctors().await;
        assert!(
            page.contains(
                "Not cancelled. The pharmacy has it, and can still supply it: ring the pharmacy."
            ),
            "{page}"
        );
        let page = street.janes().await;
        let told = "Your practice asked to cancel it, and it was not cancelled";
        assert!(page.contains(told), "{page}");
        let stands = "journey__what\">Approved: the pharmacy can fetch it";
        assert_eq!(
            page.matches(stands).count(),
            3,
            "it stands where it stood: {page}"
        );
        // It may be asked for once more, under another name.
        let asked = street.cancel(&items[1], "0005", "").await;
        assert_eq!(asked.location(), "/staff/prescriptions?done=cancelling");
        carry(beside, &eps).await;
        assert_eq!(street.janes().await.matches(told).count(), 2);
        serving.abort();
    });
}
