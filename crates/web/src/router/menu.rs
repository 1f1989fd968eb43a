//! Where each caller's pages are.

use access::{Caller, Role, Who};

/// The main menu for that caller: text and address.
pub fn menu(caller: &Caller) -> &'static [(&'static str, &'static str)] {
    match &caller.who {
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        } => &[
            ("Inbox", "/staff/inbox"),
            ("Sent", "/staff/sent"),
            ("Slots", "/staff/slots"),
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
        } => &[("Privacy", "/staff/privacy"), ("Apps", "/staff/apps")],
        Who::Patient { .. } if caller.acting.is_some() => &[
            ("Home", "/"),
            ("Appointments", "/appointments"),
            ("Letters", "/record"),
            ("People", "/people"),
        ],
        Who::Patient { .. } => &[
            ("Home", "/"),
            ("Appointments", "/appointments"),
            ("Your letters", "/record"),
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
