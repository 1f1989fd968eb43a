//! Where each caller's pages are.

use access::{Caller, Role, Who};

use crate::node::Site;

/// Text and address.
type Place = (&'static str, &'static str);

/// The main menu for that caller at that organisation.
pub fn menu(site: &Site, caller: &Caller) -> Vec<Place> {
    let mut places = everywhere(caller).to_vec();
    let is_patient = matches!(caller.who, Who::Patient { .. });
    let works = matches!(
        caller.who,
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        }
    );
    if site.is_practice() && is_patient {
        places.insert(2, ("Prescriptions", "/prescriptions"));
        if caller.acting.is_none() {
            places.insert(4, ("Messages", "/messages"));
        }
    }
    if works {
        // Behind the letters and what is to be done, which come first.
        places.splice(4..4, own_work(site));
    }
    places
}

/// What staff do at organisations of this kind alone.
fn own_work(site: &Site) -> Vec<Place> {
    let all: [(bool, &[Place]); 5] = [
        (
            site.is_hospital(),
            &[("Ambulances", "/staff/handover-board")],
        ),
        (site.is_ambulance(), &[("Handovers", "/staff/handovers")]),
        (site.is_community(), &[("Visits", "/staff/visits")]),
        (
            site.is_practice(),
            &[
                ("Prescriptions", "/staff/prescriptions"),
                ("Messages", "/staff/messages"),
                ("Moves", "/staff/moves"),
            ],
        ),
        (site.is_pharmacy(), &[("Dispensing", "/staff/dispensing")]),
    ];
    let ours = all.iter().filter(|(is_ours, _)| *is_ours);
    ours.flat_map(|(_, places)| places.iter().copied())
        .collect()
}

/// What the menu has at every organisation.
fn everywhere(caller: &Caller) -> &'static [Place] {
    match &caller.who {
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        } => &[
            ("Inbox", "/staff/inbox"),
            ("Tasks", "/staff/tasks"),
            ("Sent", "/staff/sent"),
            ("Unsigned", "/staff/unsigned"),
            ("Referrals", "/staff/referrals"),
            ("Slots", "/staff/slots"),
            ("Questionnaires", "/staff/questionnaires"),
            ("Patients", "/staff/patients"),
            ("Questions", "/staff/access-queries"),
            ("Work list", "/staff/worklist"),
            ("Apps", "/staff/apps"),
        ],
        Who::Staff {
            role: Role::Engineer,
            ..
        } => &[("Work list", "/staff/worklist"), ("Apps", "/staff/apps")],
        Who::Staff {
            role: Role::PrivacyOfficer,
            ..
        } => &[
            ("Privacy", "/staff/privacy"),
            ("Questions", "/staff/access-queries"),
            ("Apps", "/staff/apps"),
        ],
        Who::Patient { .. } if caller.acting.is_some() => &[
            ("Home", "/"),
            ("Appointments", "/appointments"),
            ("Record", "/record"),
            ("People", "/people"),
        ],
        Who::Patient { .. } => &[
            ("Home", "/"),
            ("Appointments", "/appointments"),
            ("Your record", "/record"),
            ("Who looked", "/access-log"),
            ("Sharing", "/sharing"),
            ("People", "/people"),
        ],
        Who::Staff { .. } | Who::Peer { .. } | Who::Node => &[],
    }
}

/// Where that caller's work starts: text and address.
pub fn home(caller: &Caller) -> (&'static str, &'static str) {
    home_of(&caller.who)
}

/// Where their work starts: text and address.
pub fn home_of(who: &Who) -> (&'static str, &'static str) {
    match who {
        Who::Staff {
            role: Role::Engineer,
            ..
        } => ("Go to the work list", "/staff/worklist"),
        Who::Staff {
            role: Role::PrivacyOfficer,
            ..
        } => ("Go to the privacy list", "/staff/privacy"),
        Who::Staff { .. } => ("Go to the inbox", "/staff/inbox"),
        Who::Patient { .. } | Who::Peer { .. } | Who::Node => ("Go to your home page", "/"),
    }
}
