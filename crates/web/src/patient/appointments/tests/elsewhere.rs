//! What other organisations and the practice's own system hold, in the patient's one list.

use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use exchange::Settings;
use exchange::booking::{self, Session};
use exchange::gp_connect::System;
use exchange::jwt::{IdentityKey, Jwks};
use fhir::gp_connect::{BookedBy, PATH};
use http::StatusCode;
use store::Release;
use store::diary::Audience;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{book, form, plain, send, signed_in, values};
use crate::gp_connect::{Consumer, Door};
use crate::node::{Node, Site};
use crate::serve::{Limits, serve};
use crate::testing::Browser;
use crate::testing::beside::{Beside, HOSPITAL, PRACTICE, beside_a_hospital};

const DAY: i64 = 86_400_000;
const NONE: &str = "You have no appointments to come.";

/// An Appointment of Jane's at the hospital, under a business identifier if there is one.
fn scan(start: &str, number: &str) -> String {
    let number = match number {
        "" => String::new(),
        number => format!(r#""identifier":[{{"system":"urn:booking","value":"{number}"}}],"#),
    };
    format!(
        r#"{{"resourceType":"Appointment","status":"booked",{number}"serviceType":[{{"text":"Knee scan"}}],
        "start":"{start}T10:00:00Z","end":"{start}T10:20:00Z","participant":[
        {{"actor":{{"reference":"Patient/jane-there"}},"status":"accepted"}}]}}"#
    )
}

pub(super) fn clinics() -> Settings {
    Settings {
        clinics: vec![Ods::parse(HOSPITAL).unwrap()],
        ..Settings::default()
    }
}

/// A clinic of three times on the next day but one at the hospital.
pub(super) async fn clinic(beside: &Beside) {
    let from = (beside.clock.now() + 2 * DAY) / 60_000 * 60_000;
    let session = Session {
        from,
        until: from + 30 * 60_000,
        minutes: 10,
        with: "Foot clinic".into(),
        kind: "First visit".into(),
        audience: Audience::Organisations,
    };
    let scope = Scope::system(SystemPurpose::KeepAppointments);
    let made = booking::publish(beside.hospital.store(), &scope, &session).await;
    assert_eq!(made.unwrap(), 3);
}

async fn list(browser: &mut Browser) -> String {
    let page = browser.get("/appointments").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    plain(&page.text)
}

#[test]
fn what_another_organisation_holds_is_in_the_list_and_its_silence_is_no_none() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        let scan = scan("2026-02-10", "");
        beside.put_there("scan", &scan, Release::At(1)).await;
        let secret = scan.replace("Knee scan", "Secret marker");
        beside.put_there("hidden", &secret, Release::Never).await;
        beside.point().await;
        let mut jane = signed_in(&node, "jane").await;
        let page = list(&mut jane).await;
        assert!(page.contains("Knee scan · Northern General"), "{page}");
        assert!(
            page.contains("Held by Northern General, as it said on"),
            "{page}"
        );
        assert!(
            page.contains("To change or cancel it, contact Northern General."),
            "{page}"
        );
        assert!(page.contains("These are all appointments"), "{page}");
        assert!(!page.contains("may not be listed"), "{page}");
        assert!(
            !page.contains("href=\"/appointments/scan\""),
            "it has no page here"
        );
        assert!(!page.contains("Secret"), "{page}");
        let welsh = plain(&jane.get("/appointments?lang=cy").await.text);
        assert!(
            welsh.contains("Yn cael ei ddal gan Northern General"),
            "{welsh}"
        );
        jane.get("/appointments?lang=en").await;
        beside.cut(true);
        let silent = list(&mut jane).await;
        assert!(
            silent.contains("Northern General did not answer. What it holds is not shown."),
            "{silent}"
        );
        assert!(!silent.contains(NONE), "{silent}");
        assert!(
            silent.contains("No appointment to come is known here."),
            "{silent}"
        );
        assert!(silent.contains("may not be listed"), "{silent}");
        beside.cut(false);
        let log = plain(&jane.get("/access-log").await.text);
        assert!(log.contains("Jane Example") || log.contains("You"), "{log}");
    });
}

#[test]
fn none_is_said_only_where_all_have_answered() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        let mut gone = scan("2026-02-10", "");
        gone = gone.replace("\"booked\"", "\"cancelled\"");
        beside.put_there("scan", &gone, Release::At(1)).await;
        beside.point().await;
        let mut jane = signed_in(&node, "jane").await;
        let page = list(&mut jane).await;
        assert!(page.contains(NONE), "{page}");
        assert!(page.contains("Past and cancelled"), "{page}");
    });
}

#[test]
fn an_appointment_that_was_booked_from_here_and_is_held_there_stands_once_and_is_cancelled_here() {
    beside_a_hospital(clinics(), async |node, beside| {
        let node = Arc::new(node);
        clinic(beside).await;
        let mut jane = signed_in(&node, "jane").await;
        let address = book(&mut jane, 0).await;
        beside.carry().await;
        beside.point().await;
        let page = list(&mut jane).await;
        assert_eq!(page.matches("First visit").count(), 1, "{page}");
        assert!(page.contains(&format!("href=\"{address}\"")), "{page}");
        assert!(page.contains("Held by Northern General"), "{page}");
        assert!(!page.contains("To change or cancel it, contact"), "{page}");
        let why = [("why", "time")];
        let ended = jane.post(&format!("{address}/cancel"), &why).await;
        assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
        beside.carry().await;
        let page = list(&mut jane).await;
        assert_eq!(page.matches("First visit").count(), 1, "{page}");
        assert!(page.contains(NONE), "{page}");
    });
}

#[test]
fn what_both_hold_under_one_business_identifier_stands_once() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        let theirs = scan("2026-02-10", "1");
        beside.put_there("scan", &theirs, Release::At(1)).await;
        let ours = theirs.replace("jane-there", "jane");
        crate::testing::letters::put(&node.store, "copy", &ours, Release::At(1)).await;
        beside.point().await;
        let mut jane = signed_in(&node, "jane").await;
        let page = list(&mut jane).await;
        assert_eq!(page.matches("Knee scan").count(), 1, "{page}");
        assert!(page.contains("href=\"/appointments/copy\""), "{page}");
        assert!(
            page.contains("Willow Road Surgery, Northern General"),
            "{page}"
        );
    });
}

/// The hospital's node as the practice's own system, over HTTP.
pub(super) struct OwnSystem {
    listener: std::net::TcpListener,
    keys: String,
    client: Arc<System>,
}

impl OwnSystem {
    pub(super) fn new() -> OwnSystem {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let base = format!("http://{}{PATH}", listener.local_addr().unwrap());
        let key = IdentityKey::generate().unwrap();
        let keys = key.jwks().to_string();
        let booked_by = BookedBy {
            ods: PRACTICE.into(),
            name: "Willow Road Surgery".into(),
            phone: "0300 000 0000".into(),
            sort: String::new(),
        };
        let own = Ods::parse(PRACTICE).unwrap();
        let about = ("https://practice.example", &own, booked_by);
        let client = System::new(&base, ("1", "2"), about, Some(key)).unwrap();
        OwnSystem {
            listener,
            keys,
            client: Arc::new(client),
        }
    }

    /// Those of a practice that books into it, and waits so long for it.
    pub(super) fn settings(&self, ask_millis: u64) -> Settings {
        Settings {
            system: Some(self.client.clone()),
            keeps_diary: false,
            ask_millis,
            poll_millis: 100,
            ..Settings::default()
        }
    }

    /// From now on it answers, until it is told to stop.
    pub(super) async fn start(&self, beside: &Beside) -> watch::Sender<bool> {
        let listener = self.listener.try_clone().unwrap();
        let address = listener.local_addr().unwrap();
        let site = Site {
            organisation: Ods::parse(HOSPITAL).unwrap(),
            name: "The system".into(),
            base_url: format!("http://{address}"),
            roles: Vec::new(),
            look: Arc::default(),
        };
        let mut node = Node::new(beside.hospital.store().clone(), site);
        node.gp_connect = Some(Door {
            asid: "1".into(),
            consumers: vec![Consumer {
                asid: "2".into(),
                ods: Ods::parse(PRACTICE).unwrap(),
                keys: Some(Jwks::read(self.keys.as_bytes()).unwrap()),
                patients: false,
            }],
            proxy: None,
            gateway: None,
        });
        let router = crate::router(Arc::new(node));
        let (stop, stopped) = watch::channel(false);
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(serve(listener, router, None, Limits::of(64), stopped));
        stop
    }
}

#[test]
fn the_diary_of_the_practices_own_system_is_asked_too() {
    let system = OwnSystem::new();
    beside_a_hospital(system.settings(8_000), async |mut node, beside| {
        node.diary.kept_here = false;
        let node = Arc::new(node);
        let stop = system.start(beside).await;
        clinic(beside).await;
        let mut jane = signed_in(&node, "jane").await;
        let workers = beside.practice.start();
        let form = form(&mut jane, 0).await;
        let done = send(&mut jane, &form).await;
        assert!(done.location().ends_with("?done=booked"), "{}", done.text);
        let address = done.location().split('?').next().unwrap().to_owned();
        // By another form it is hers already: that is told at once, too.
        let twice: Vec<(String, String)> = form
            .iter()
            .map(|(name, it)| match name.as_str() {
                "attempt" => (name.clone(), "another".to_owned()),
                _ => (name.clone(), it.clone()),
            })
            .collect();
        let lost = send(&mut jane, &twice).await;
        assert_eq!(lost.status, StatusCode::CONFLICT, "{}", lost.text);
        assert_eq!(values(&lost.text, "choice").len(), 2, "{}", lost.text);
        workers.stop().await;
        let other = scan("2026-02-10", "");
        beside.put_there("by-phone", &other, Release::Keep).await;
        let page = list(&mut jane).await;
        assert!(page.contains(&format!("href=\"{address}\"")), "{page}");
        assert_eq!(
            page.matches("Held by The diary of Willow Road Surgery")
                .count(),
            2,
            "{page}"
        );
        assert!(page.contains("Tuesday 10 February 2026 at 10:00"), "{page}");
        stop.send(true).unwrap();
        beside.clock.advance(60_000);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let silent = list(&mut jane).await;
        assert!(
            silent.contains("The diary of Willow Road Surgery did not answer."),
            "{silent}"
        );
        assert!(silent.contains("may not be listed"), "{silent}");
    });
}
