//! What the pages about PDS, and of a release to a team, show in samples.

use super::{NOW, moment};
use crate::page::parts::{Fault, Label};
use crate::staff::{find, pds, team_release};

pub(super) fn part(text: &str) -> pds::Part {
    let row = |what, differs| pds::Row {
        what,
        here: text.into(),
        pds: text.into(),
        differs,
    };
    pds::Part {
        state: Label {
            text: "Number replaced",
            colour: Some("orange"),
        },
        said: text.into(),
        at: Some(moment(NOW, NOW)),
        old: true,
        rows: vec![row("Name", false), row("Born", true)],
        again: "/staff/patient/jane/pds/again".into(),
        merge: Some("/staff/patient/jane/pds/merge".into()),
        settle: Some("/staff/patient/jane/pds/settled".into()),
        find: "/staff/patients",
    }
}

pub(super) fn patients(text: &str) -> find::View {
    find::View {
        on: true,
        errors: vec![Fault {
            text: "Nobody was looked for: see the field",
            href: "#family".into(),
        }],
        family: text.into(),
        given: text.into(),
        birth_date: text.into(),
        nhs_number: text.into(),
        number: text.into(),
        postcode: text.into(),
        family_error: Some("Enter the family name".into()),
        nhs_number_error: None,
        number_error: None,
        birth_date_error: None,
        looked: true,
        local: vec![find::Local {
            name: text.into(),
            born: text.into(),
            nhs_number: text.into(),
            lives: text.into(),
            score: "85 %".into(),
            grade: Label {
                text: "Probable",
                colour: Some("blue"),
            },
            agreed: vec![find::Agreed {
                what: "date of birth",
                how: "same",
                same: true,
            }],
            closed: true,
            href: "/staff/patient/jane".into(),
        }],
        more: true,
        asked: true,
        notes: vec![text.into()],
        people: vec![find::Person {
            name: text.into(),
            born: text.into(),
            nhs_number: text.into(),
            practice: text.into(),
            lives: text.into(),
            score: "90 %".into(),
            here: vec!["/staff/patient/jane".into()],
        }],
    }
}

pub(super) fn team(text: &str) -> team_release::View {
    team_release::View {
        action: "/staff/whereabouts/jane/team".into(),
        errors: vec![Fault {
            text: "Choose the team",
            href: "#team".into(),
        }],
        teams: vec![team_release::Team {
            name: text.into(),
            members: 3,
            checked: true,
        }],
        team_error: Some("Choose the team"),
        hours: text.into(),
        hours_error: Some("Enter for how many hours, 1 to 24"),
        reason: text.into(),
        reason_error: Some("Say why, in at least 10 letters"),
        live: vec![team_release::Live {
            team: text.into(),
            who: text.into(),
            reason: text.into(),
            until: moment(NOW, NOW),
            end: "/staff/whereabouts/jane/team/1/end".into(),
        }],
    }
}
