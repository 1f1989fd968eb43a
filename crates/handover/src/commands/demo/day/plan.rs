//! What happens on a day, about whom, and by which door. The number of the day decides it all.

use super::super::population::stories::Story;
use super::super::population::writing::day;
use super::super::population::{Dice, Person, SEED, feed};

/// Something that happens.
pub struct Event {
    /// Minutes since midnight.
    pub at: u16,
    pub what: String,
    pub door: Door,
}

/// How it comes in.
pub enum Door {
    Hl7 { ods: &'static str, message: String },
    Pages(Box<Errand>),
}

/// What somebody does on the pages.
pub enum Errand {
    /// A secretary opens and files so many letters of the inbox.
    File { ods: &'static str, count: usize },
    /// A patient orders the medicines that are due.
    Order { ods: &'static str, username: String },
    /// A doctor refers somebody.
    Refer {
        ods: &'static str,
        to: &'static str,
        who: Person,
        service: &'static str,
        reason: &'static str,
    },
    /// An ambulance crew hands somebody over to the emergency department.
    HandOver { who: Person },
    /// A patient books the first time that is free at their practice.
    Book { ods: &'static str, username: String },
    /// A nurse of the mental health trust reads the crisis plan of the first of these whom the trust knows.
    CrisisPlan { patients: Vec<String> },
    /// A doctor of the hospital discharges somebody: to the practice, the pharmacy and social care.
    Discharge { patient: String, who: Person },
}

const HOSPITAL: &str = "RZZ01";
const AMBULANCE: &str = "RYZ01";
const MENTAL_HEALTH: &str = "RTZ01";
const COMMUNITY: &str = "RCZ01";

/// Letters of clinics, spread over the day: who writes, what about, to read.
const CLINICS: &[(&str, &str, &str, &str)] = &[
    (
        HOSPITAL,
        "C9900031^Lindqvist^Ruth^^^Miss",
        "Fracture clinic",
        "Seen in the fracture clinic. Healing well; cast off in two weeks.",
    ),
    (
        HOSPITAL,
        "C9900022^Byrne^Aoife^^^Dr",
        "Emergency department attendance",
        "Came with a cut hand. Four sutures; please take them out in ten days.",
    ),
    (
        COMMUNITY,
        "C9900041^Moss^Nadia^^^Ms",
        "District nurse's visit",
        "Leg ulcer dressed at home. Smaller than last week.",
    ),
    (
        HOSPITAL,
        "C9900032^Osei^Kwame^^^Dr",
        "Cardiology clinic",
        "Palpitations, no cause for concern on the 24-hour tape. No change.",
    ),
    (
        MENTAL_HEALTH,
        "C9900051^Firth^Nell^^^Ms",
        "Community mental health team",
        "Seen at home. Sleeping better. Next visit in two weeks.",
    ),
    (
        HOSPITAL,
        "C9900033^Novak^Petra^^^Dr",
        "Diabetes clinic",
        "HbA1c is coming down. Metformin to 1 g twice a day, please.",
    ),
    (
        COMMUNITY,
        "C9900042^Lane^Tom^^^Mr",
        "Physiotherapy",
        "Walks with one stick now. Discharged with exercises.",
    ),
    (
        HOSPITAL,
        "C9900034^Rees^Gareth^^^Dr",
        "Eye clinic",
        "Listed for cataract surgery. Please send a list of medicines.",
    ),
];

/// Who a day is about, and which messages it takes.
struct Cast<'a> {
    dice: Dice,
    people: &'a [Person],
    number: u64,
    yesterday: i64,
    control: u32,
    events: Vec<Event>,
}

impl Cast<'_> {
    fn anyone(&mut self, fits: impl Fn(&Person) -> bool) -> Option<Person> {
        let fitting: Vec<&Person> = self.people.iter().filter(|it| fits(it)).collect();
        self.dice.one(&fitting).map(|it| (*it).clone())
    }

    /// Adds a message of an organisation's own system.
    fn says(
        &mut self,
        (at, ods, kind): (u16, &'static str, &str),
        what: String,
        write: impl Fn(&feed::Said<'_>) -> String,
    ) {
        self.control += 1;
        let control = format!("PLAY{}-{}", self.number, self.control);
        let when = self.when(at);
        let message = write(&feed::Said {
            from: ods,
            kind,
            control: &control,
            when: &when,
        });
        let door = Door::Hl7 { ods, message };
        self.events.push(Event { at, what, door });
    }

    fn when(&self, at: u16) -> String {
        format!(
            "{}{:02}{:02}",
            day(self.yesterday).replace('-', ""),
            at / 60,
            at % 60
        )
    }

    fn does(&mut self, at: u16, what: &str, errand: Errand) {
        self.events.push(Event {
            at,
            what: what.to_owned(),
            door: Door::Pages(Box::new(errand)),
        });
    }
}

/// The events of a day in their order; none if nobody lives there. `signed` are those patients who can sign in.
pub fn events(
    number: u64,
    people: &[Person],
    signed: &[(&'static str, String)],
    yesterday: i64,
) -> Vec<Event> {
    let mut cast = Cast {
        dice: Dice::of(&[SEED, number, 13]),
        people,
        number,
        yesterday,
        control: 0,
        events: Vec::new(),
    };
    stay(&mut cast);
    ambulance(&mut cast);
    clinics(&mut cast);
    results(&mut cast);
    pages(&mut cast, signed);
    more_pages(&mut cast, signed);
    cast.events.sort_by_key(|it| it.at);
    cast.events
}

/// Somebody is admitted early and goes home in the afternoon, with a letter.
fn stay(cast: &mut Cast<'_>) {
    for (in_at, out_at, story) in [
        (450, 905, Story::Copd),
        (495, 960, Story::HipFracture),
        (610, 0, Story::Hypertension),
    ] {
        let Some(who) = cast.anyone(|it| it.story == story) else {
            continue;
        };
        let visit = format!("V{}{}", cast.number, who.number);
        let began = cast.when(in_at);
        let name = who.name();
        cast.says(
            (in_at, HOSPITAL, "ADT^A01"),
            format!("{name} is admitted to the hospital."),
            |said| feed::stay(said, &who, &feed::visit("I", &visit, &began, None)),
        );
        if out_at == 0 {
            continue;
        }
        let ended = cast.when(out_at);
        cast.says(
            (out_at, HOSPITAL, "ADT^A03"),
            format!("{name} goes home from the hospital."),
            |said| feed::stay(said, &who, &feed::visit("I", &visit, &began, Some(&ended))),
        );
        let lines = [
            "Better, and home today.",
            "",
            "What changed: doxycycline 100 mg a day STARTED, for five days. Nothing stopped.",
            "For the practice: please see in two weeks.",
        ];
        let about = ("C9900011^Mensah^Kofi^^^Dr", "Discharge summary");
        cast.says(
            (out_at + 6, HOSPITAL, "MDM^T02"),
            format!("The discharge letter of {name} goes to the practice."),
            |said| feed::letter(said, &who, about, &lines),
        );
    }
}

/// The ambulance service's report to the practice. The handover to the emergency department is done on the pages.
fn ambulance(cast: &mut Cast<'_>) {
    for at in [462, 737, 1015] {
        let Some(who) = cast.anyone(|it| it.age > 70) else {
            continue;
        };
        let lines = [
            "Called to a fall at home. No injury found, helped up, blood pressure 142/78.",
            "Not taken to hospital. Please review falls risk.",
        ];
        let about = ("P9900061^Reid^Cass^^^Ms", "Ambulance crew's report");
        let what = format!(
            "An ambulance was with {}; its report goes to the practice.",
            who.name()
        );
        cast.says((at, AMBULANCE, "MDM^T02"), what, |said| {
            feed::letter(said, &who, about, &lines)
        });
    }
}

fn clinics(cast: &mut Cast<'_>) {
    let mut at = 545;
    for round in 0..3 {
        for (ods, author, title, text) in CLINICS {
            let fits = |it: &Person| it.age > 17 + round;
            if let Some(who) = cast.anyone(fits) {
                let what = format!("{title}: a letter about {}.", who.name());
                cast.says((at, ods, "MDM^T02"), what, |said| {
                    feed::letter(said, &who, (author, title), &[text])
                });
            }
            at += 19;
        }
    }
}

fn results(cast: &mut Cast<'_>) {
    for at in [640, 790, 870] {
        let Some(who) = cast.anyone(|it| it.story == Story::Diabetes) else {
            continue;
        };
        let value = cast.dice.between(48, 80).to_string();
        let what = format!("The laboratory has an HbA1c of {}.", who.name());
        cast.says((at, HOSPITAL, "ORU^R01"), what, |said| {
            feed::result(
                said,
                &who,
                ["HBA1C", "Haemoglobin A1c", &value, "mmol/mol", "20-41"],
            )
        });
    }
}

/// People who are looked for among those with a story, until one is known where it matters.
const LOOKED_FOR_MAX: usize = 12;

/// An ambulance brings somebody in, a patient books, and a nurse looks what was agreed for a crisis.
fn more_pages(cast: &mut Cast<'_>, signed: &[(&'static str, String)]) {
    for at in [470, 745] {
        if let Some(who) = cast.anyone(|it| it.age > 60) {
            let what = format!(
                "An ambulance is on its way to the hospital with {}.",
                who.name()
            );
            cast.does(at, &what, Errand::HandOver { who });
        }
    }
    if let Some((ods, username)) = signed.iter().rfind(|(ods, _)| *ods == "Z99002") {
        let (ods, username) = (*ods, username.clone());
        let what = "A patient of Riverside Medical Practice books an appointment.";
        cast.does(560, what, Errand::Book { ods, username });
    }
    let known = cast
        .people
        .iter()
        .filter(|it| it.story == Story::Depression);
    let known = known.filter_map(|it| feed::patient_id(MENTAL_HEALTH, it));
    let patients: Vec<String> = known.take(LOOKED_FOR_MAX).collect();
    if !patients.is_empty() {
        let what = "A nurse of the mental health trust opens a crisis plan.";
        cast.does(655, what, Errand::CrisisPlan { patients });
    }
}

/// What people do on the pages.
fn pages(cast: &mut Cast<'_>, signed: &[(&'static str, String)]) {
    for (at, ods, whose) in [
        (600, "Z99001", "High Street Surgery"),
        (725, "Z99002", "Riverside Medical Practice"),
        (975, "Z99001", "High Street Surgery"),
    ] {
        let what = format!("The secretary of {whose} goes through the inbox.");
        cast.does(at, &what, Errand::File { ods, count: 3 });
    }
    if let Some((ods, username)) = signed.iter().find(|(ods, _)| *ods == "Z99002") {
        let (ods, username) = (*ods, username.clone());
        cast.does(
            525,
            "A patient of Riverside Medical Practice orders medicines.",
            Errand::Order { ods, username },
        );
    }
    let referrals = [
        (
            510,
            "Z99002",
            COMMUNITY,
            "Falls clinic",
            "Two falls in a month, unsteady on turning.",
        ),
        (
            690,
            "Z99002",
            HOSPITAL,
            "Cardiology",
            "Breathless on the stairs, ankle swelling.",
        ),
    ];
    for (at, ods, to, service, reason) in referrals {
        if let Some(who) = cast.anyone(|it| it.practice == ods && it.age > 60) {
            let what = format!(
                "Riverside Medical Practice refers {} to: {service}.",
                who.name()
            );
            let errand = Errand::Refer {
                ods,
                to,
                who,
                service,
                reason,
            };
            cast.does(at, &what, errand);
        }
    }
    let leaves =
        |it: &Person| it.story == Story::HipFracture && feed::patient_id(HOSPITAL, it).is_some();
    if let Some(who) = cast.anyone(leaves)
        && let Some(patient) = feed::patient_id(HOSPITAL, &who)
    {
        let what = format!(
            "Dr Nia Ward discharges {}: to the practice, the pharmacy and social care.",
            who.name()
        );
        cast.does(840, &what, Errand::Discharge { patient, who });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::population;
    use super::*;

    fn said(number: u64) -> Vec<(u16, String, String)> {
        let people = population::people(SEED, 400, 20_786);
        let signed = [("Z99002", "kim.holt".to_owned())];
        let events = events(number, &people, &signed, 20_785);
        let message = |it: &Event| match &it.door {
            Door::Hl7 { message, .. } => message.clone(),
            Door::Pages(_) => String::new(),
        };
        events
            .iter()
            .map(|it| (it.at, it.what.clone(), message(it)))
            .collect()
    }

    #[test]
    fn a_day_s_number_decides_it_and_another_day_s_messages_are_new_ones() {
        let (first, again, second) = (said(1), said(1), said(2));
        assert_eq!(first, again);
        assert!(first.is_sorted_by_key(|it| it.0), "in its order");
        assert!(first.len() > 30, "{}", first.len());
        let control = |text: &String| text.split('|').nth(9).map(str::to_owned);
        let mut all: Vec<_> = first
            .iter()
            .chain(&second)
            .filter_map(|it| control(&it.2))
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "each message has a name of its own");
    }

    #[test]
    fn what_systems_say_on_a_day_is_mapped_to_the_patients_who_are_there() {
        let people = population::people(SEED, 400, 20_786);
        for event in events(1, &people, &[], 20_785) {
            let Door::Hl7 { ods, message } = event.door else {
                continue;
            };
            let read = hl7v2::parse(message.as_bytes()).unwrap();
            let context = hl7v2::to_fhir::Context {
                received_at: 0,
                zone: hl7v2::time::Zone::London,
                organisation: ods.to_owned(),
                unidentified: hl7v2::to_fhir::Unidentified::Refuse,
            };
            let mapped = hl7v2::to_fhir::map(&read, &context)
                .unwrap_or_else(|it| panic!("{it:?}: {message}"));
            let patient = mapped
                .resources
                .iter()
                .find(|it| it.ty == "Patient")
                .unwrap();
            let known = people
                .iter()
                .any(|it| feed::patient_id(ods, it) == Some(patient.id.clone()));
            assert!(known, "{message}");
        }
    }
}
