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
    // Behind the letters, which come first.
    if site.is_practice() && is_patient {
        places.insert(2, ("Prescriptions", "/prescriptions"));
        if caller.acting.is_none() {
            places.insert(4, ("Messages", "/messages"));
        }
    }
    if site.is_practice() && works {
        places.insert(2, ("Prescriptions", "/staff/prescriptions"));
        places.insert(3, ("Messages", "/staff/messages"));
    }
    if site.is_practice() && works {
        places.push(("Moves", "/staff/moves"));
    }
    if works {
        places.insert(2, ("Unsigned", "/staff/unsigned"));
        places.insert(1, ("Ambulances", "/staff/handover-board"));
    }
    if site.is_ambulance() && works {
        places.insert(0, ("Handovers", "/staff/handovers"));
    }
    if site.is_community() && works {
        places.insert(0, ("Visits", "/staff/visits"));
        places.insert(2, ("Tasks", "/staff/tasks"));
    }
    if site.is_pharmacy() && works {
        places.insert(2, ("Dispensing", "/staff/dispensing"));
    }
    places
}

/// What the menu has at every organisation.
fn everywhere(caller: &Caller) -> &'static [Place] {
    match &caller.who {
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        } => &[
            ("Inbox", "/staff/inbox"),
            ("Sent", "/staff/sent"),
            ("Referrals", "/staff/referrals"),
            ("Slots", "/staff/slots"),
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
