use super::*;
use crate::to_fhir::{Context, Mapped, Unidentified, map};
use std::collections::HashMap;

/// What is here: resources, and when each of their elements was said.
#[derive(Default, Clone)]
struct Here {
    resources: BTreeMap<String, Value>,
    said: HashMap<String, Said>,
    overtaken: Vec<String>,
}

impl Here {
    fn take(&mut self, mapped: &Mapped) {
        for made in mapped.resources.iter().filter(|it| it.is_ordered) {
            let name = format!("{}/{}", made.ty, made.id);
            let before = self.said.get(&name).cloned().unwrap_or_default();
            let met = update(made, self.resources.get(&name), &before, mapped.at);
            self.overtaken.extend(met.overtaken);
            let written = Said::read(&met.said.write());
            assert_eq!(written, met.said, "what is written is read back");
            self.said.insert(name.clone(), written);
            if let Some(resource) = met.resource {
                self.resources.insert(name, resource);
            }
        }
    }

    fn one(&self, ty: &str) -> &Value {
        let mut all = self
            .resources
            .iter()
            .filter(|(name, _)| name.starts_with(ty));
        let found = all.next().unwrap().1;
        assert!(all.next().is_none(), "more than one {ty}");
        found
    }
}

fn mapped(trigger: &str, at: &str, rest: &str) -> Mapped {
    let text = format!(
        "MSH|^~\\&|PAS|RXX01|HO|RXX01|20260110120000||ADT^{trigger}|{trigger}{at}|P|2.4\rEVN|{trigger}|{at}\r{}",
        rest.replace('\n', "\r")
    );
    let message = crate::parse(text.as_bytes()).unwrap();
    let context = Context {
        received_at: 1_768_046_400_000,
        zone: Zone::Utc,
        organisation: "RXX01".into(),
        unidentified: Unidentified::Refuse,
    };
    map(&message, &context).unwrap()
}

fn pid(number: &str, address: &str, phone: &str) -> String {
    format!("PID|1||{number}^^^RXX01^MR||TESTER^AMINA||19510304|F|||{address}||{phone}\n")
}

fn pv1(ward: &str, began: &str, ended: &str) -> String {
    format!("PV1|1|I|{ward}||||||||||||||||V1^^^RXX01^VN|||||||||||||||||||||||||{began}|{ended}\n")
}

/// Every order of them.
fn orders<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    let mut orders = vec![Vec::new()];
    for (n, one) in all.iter().enumerate() {
        let shorter = std::mem::take(&mut orders);
        for order in shorter {
            for place in 0..=n {
                let mut longer = order.clone();
                longer.insert(place, one.clone());
                orders.push(longer);
            }
        }
    }
    orders
}

fn same_in_all_orders(messages: &[Mapped]) -> Here {
    let all = orders(messages);
    let of = |order: &Vec<Mapped>| {
        let mut here = Here::default();
        order.iter().for_each(|it| here.take(it));
        here
    };
    let right = of(&all[0]);
    let mut sorted = messages.to_vec();
    sorted.sort_by_key(|it| it.at);
    assert_eq!(
        of(&sorted).resources,
        right.resources,
        "the order in which it happened"
    );
    for order in &all {
        assert_eq!(of(order).resources, right.resources);
    }
    right
}

#[test]
fn admission_discharge_and_merge_end_alike_in_every_order() {
    let admission =
        pid("H1", "1 OLD STREET^^LEEDS", "0113 1") + &pv1("WARD5", "20260105080000", "");
    let moved = pid("H1", "", "") + &pv1("WARD6", "", "");
    let discharge = pid("H1", "2 NEW ROAD^^LEEDS", "\"\"") + &pv1("", "", "20260107090000");
    let merge = pid("H1", "", "") + "MRG|H9^^^RXX01^MR\n";
    let other = pid("H9", "9 OTHER STREET^^LEEDS", "");
    let here = same_in_all_orders(&[
        mapped("A01", "20260105080000", &admission),
        mapped("A02", "20260106080000", &moved),
        mapped("A03", "20260107090500", &discharge),
        mapped("A40", "20260106120000", &merge),
        mapped("A28", "20260104120000", &other),
    ]);
    let visit = here.one("Encounter/");
    assert_eq!(visit["status"], "finished");
    assert!(
        visit["period"]["start"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-05")
    );
    assert!(
        visit["period"]["end"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-07")
    );
    assert!(visit["location"].to_string().contains("WARD6"), "{visit}");
    let patients: Vec<_> = here
        .resources
        .iter()
        .filter(|(name, _)| name.starts_with("Patient/"))
        .collect();
    let stays = patients
        .iter()
        .find(|it| it.1["active"] != false)
        .unwrap()
        .1;
    assert_eq!(stays["address"][0]["line"][0], "2 NEW ROAD");
    assert_eq!(stays.get("telecom"), None, "taken away by the newest");
    assert_eq!(stays["link"][0]["type"], "replaces");
    let given_up = patients
        .iter()
        .find(|it| it.1["active"] == false)
        .unwrap()
        .1;
    assert_eq!(given_up["link"][0]["type"], "replaced-by");
    assert_eq!(given_up["address"][0]["line"][0], "9 OTHER STREET");
}

#[test]
fn a_discharge_that_is_cancelled_later_reopens_whatever_comes_first() {
    let who = pid("H1", "", "");
    let here = same_in_all_orders(&[
        mapped(
            "A01",
            "20260105080000",
            &(who.clone() + &pv1("WARD5", "20260105080000", "")),
        ),
        mapped(
            "A03",
            "20260107090500",
            &(who.clone() + &pv1("WARD5", "", "20260107090000")),
        ),
        mapped("A13", "20260107100000", &(who + &pv1("WARD5", "", ""))),
    ]);
    let visit = here.one("Encounter/");
    assert_eq!(visit["status"], "in-progress");
    assert_eq!(visit["period"].get("end"), None);
    assert!(visit["period"].get("start").is_some());
}

#[test]
fn what_is_not_written_over_is_named_and_what_is_alike_is_not() {
    let discharge = mapped(
        "A03",
        "20260107090500",
        &(pid("H1", "2 NEW ROAD", "1") + &pv1("WARD5", "", "20260107090000")),
    );
    let admission = mapped(
        "A01",
        "20260105080000",
        &(pid("H1", "1 OLD STREET", "1") + &pv1("WARD5", "20260105080000", "")),
    );
    let mut here = Here::default();
    here.take(&discharge);
    assert!(here.overtaken.is_empty());
    here.take(&admission);
    here.overtaken.sort();
    assert_eq!(here.overtaken, ["address", "period.end", "status"]);
    assert_eq!(here.one("Encounter/")["status"], "finished");
    assert_eq!(here.one("Patient/")["address"][0]["line"][0], "2 NEW ROAD");
}

#[test]
fn a_merge_that_comes_after_its_undoing_links_nothing() {
    let merge = pid("H1", "", "") + "MRG|H9^^^RXX01^MR\n";
    let undone = pid("H1", "", "") + &pid("H9", "", "");
    let here = same_in_all_orders(&[
        mapped("A40", "20260105080000", &merge),
        mapped("A37", "20260106080000", &undone),
    ]);
    for (name, patient) in &here.resources {
        assert_eq!(patient.get("link"), None, "{name}: {patient}");
        assert_ne!(patient["active"], false, "{name}");
    }
}

#[test]
fn a_time_far_ahead_or_as_wide_as_a_day_is_not_believed() {
    let who = pid("H1", "", "");
    let sent = Dtm::parse("20260110120000")
        .unwrap()
        .exact_millis(Zone::Utc);
    for at in ["20990101000000", "20260110", "", "tomorrow"] {
        let moment = mapped("A08", at, &who).at;
        assert_eq!((moment.recorded, moment.sent), (sent, sent), "{at}");
    }
    assert!(mapped("A08", "20260109235959.250", &who).at.recorded % 1000 == 250);
}

#[test]
fn what_an_older_message_contains_does_not_take_a_newer_ones_name() {
    let visit = |doctor: &str| {
        let contained =
            json!([{"resourceType": "Practitioner", "id": "c1", "name": [{"family": doctor}]}]);
        let made = json!({"resourceType": "Encounter", "id": "1", "contained": contained,
            "participant": [{"individual": {"reference": "#c1"}}]});
        Made::new("Encounter", "1", made, Merge::Update)
    };
    let at = |recorded| Moment {
        recorded,
        sent: 0,
        arrived: 0,
    };
    let newer = visit("NEW");
    let first = update(&newer, None, &Said::default(), at(2));
    let here = first.resource.unwrap();
    let mut older = visit("OLD");
    older.resource["serviceProvider"] = json!({"reference": "#c1"});
    let met = update(&older, Some(&here), &first.said, at(1));
    let merged = met.resource.unwrap();
    assert_eq!(met.overtaken, ["participant"]);
    assert_eq!(merged["participant"][0]["individual"]["reference"], "#c1");
    assert_eq!(merged["contained"][0]["name"][0]["family"], "NEW");
    assert_eq!(merged["serviceProvider"]["reference"], "#c2");
    assert_eq!(merged["contained"][1]["name"][0]["family"], "OLD");
    // The same once more changes nothing, and what nobody names is left out.
    assert_eq!(
        update(&newer, Some(&merged), &met.said, at(2)).resource,
        None
    );
    let mut last = visit("LAST");
    last.remove = vec!["serviceProvider".into()];
    let merged = update(&last, Some(&merged), &met.said, at(3))
        .resource
        .unwrap();
    assert_eq!(merged["contained"].as_array().unwrap().len(), 1, "{merged}");
}

fn booking(trigger: &str, at: &str, resources: &str) -> Mapped {
    let text = format!(
        "MSH|^~\\&|PAS|RXX01|HO|RXX01|{at}||SIU^{trigger}|{trigger}{at}|P|2.4\r\
         SCH|P5^PAS|F7^PAS|||||CHECKUP^Check-up^L|FOLLOWUP^Follow-up^L|30|MIN|^^^20260801090000|||||||||||||||Booked\r\
         PID|1||H1^^^RXX01^MR||TESTER^AMINA||19510304|F\rRGS|1\r{}",
        resources.replace('\n', "\r")
    );
    let message = crate::parse(text.as_bytes()).unwrap();
    let context = Context {
        received_at: 1_768_046_400_000,
        zone: Zone::Utc,
        organisation: "RXX01".into(),
        unidentified: Unidentified::Refuse,
    };
    map(&message, &context).unwrap()
}

fn who(here: &Here) -> Vec<&str> {
    let all = here.one("Appointment")["participant"].as_array().unwrap();
    let named = all.iter().filter_map(|it| it["actor"]["display"].as_str());
    named.collect()
}

const ROOMS: [&str; 3] = [
    "AIG|1||ROOM1^Room one\n",
    "AIG|1||ROOM2^Room two\n",
    "AIG|1||ROOM3^Room three\n",
];

#[test]
fn services_and_resources_come_and_go_one_by_one_in_any_order() {
    let heart = "AIS|1||CARD^Cardiology^L|20260801100000|||45|MIN\n";
    let booked = booking("S12", "20260110080000", &format!("{heart}{}", ROOMS[0]));
    let added = booking(
        "S18",
        "20260110081000",
        &format!("{}AIS|2||ECHO^Echo^L\n", ROOMS[1]),
    );
    let more = booking("S19", "20260110082000", ROOMS[2]);
    let gone = booking("S21", "20260110083000", &format!("{}{heart}", ROOMS[0]));
    let whole = booking("S14", "20260110084000", ROOMS[1]);
    let here = same_in_all_orders(&[booked.clone(), added.clone(), more.clone()]);
    assert_eq!(who(&here), ["Room one", "Room two", "Room three"]);
    // What goes is only met where the appointment is here.
    let mut here = Here::default();
    for message in [&booked, &gone, &added, &more] {
        here.take(message);
    }
    let mut in_turn = Here::default();
    for message in [&booked, &added, &more, &gone] {
        in_turn.take(message);
    }
    assert_eq!(here.resources, in_turn.resources);
    assert_eq!(who(&here), ["Room two", "Room three"]);
    let appointment = here.one("Appointment");
    let services = appointment["serviceType"].as_array().unwrap();
    assert_eq!(services.len(), 1);
    assert_eq!(services[0]["coding"][0]["code"], "ECHO");
    assert!(appointment["participant"][0]["actor"]["reference"].is_string());
    assert_eq!(appointment["start"], here_start(&booked));
    // One that tells all counts for all, and the last service that goes leaves none.
    here.take(&booking("S22", "20260110083500", "AIS|2||ECHO^Echo^L\n"));
    assert_eq!(here.one("Appointment").get("serviceType"), None);
    here.take(&whole);
    assert_eq!(who(&here), ["Room two"]);
}

fn here_start(booked: &Mapped) -> Value {
    let mut all = booked.resources.iter();
    let appointment = all.find(|it| it.ty == "Appointment").unwrap();
    appointment.resource["start"].clone()
}
