//! Alarms on the work list that whoever runs the node sees to; each goes by itself once it is over.

use fhir::date::Millis;
use store::Alarm;

use crate::page::parts::Label;
use crate::page::words;
use crate::staff::{views, worklist};

/// What is said of the alarms of one kind.
pub(super) struct Kind {
    /// In the store.
    pub(super) code: &'static str,
    id: &'static str,
    title: &'static str,
    what: &'static str,
    state: &'static str,
    next: &'static str,
    /// Where there is none.
    empty: &'static str,
}

pub(super) static KINDS: [Kind; 9] = [
    Kind {
        code: "backup",
        id: "copies",
        title: "Copies of this node that are late",
        what: "The copies of this node",
        state: "Late",
        next: "Whoever runs this node: see in its log why, and whether the place for copies can be reached and has room. \
               The next copy that arrives settles this.",
        empty: "No copy is overdue. Where no place for copies is set, none is taken.",
    },
    Kind {
        code: exchange::directory::ALARM,
        id: "directory",
        title: "The network’s directory",
        what: "The list of the network’s members",
        state: "To be renewed",
        next: "Whoever runs this node: ask the network’s stewards for a new one. It need reach only one member; the \
               others take it from there.",
        empty: "The directory of the network is in force, and does not end soon.",
    },
    Kind {
        code: exchange::clocks::ALARM,
        id: "clocks",
        title: "Clocks that do not agree",
        what: "A neighbour’s clock, or this node’s",
        state: "To be set right",
        next: "Whoever runs this node: see whether this machine’s clock is right. If it is, telephone the neighbour. Where several \
               neighbours stand here, it is most likely this one. Once the clocks agree, this goes by itself.",
        empty: "The clocks of all neighbours that were reached agree with this node’s within two minutes.",
    },
    Kind {
        code: exchange::directory::joining::JOINING_ALARM,
        id: "joining",
        title: "Organisations that ask to join the network",
        what: "Organisations that were invited",
        state: "To be signed",
        next: "Whoever runs this node: give the card to a steward. The steward compares its fingerprint with the organisation, by \
               a telephone number that is known, and signs: `handover directory sign --keep` and the card.",
        empty: "Nobody who was invited waits for a steward here.",
    },
    Kind {
        code: exchange::MAPPING_ALARM,
        id: "mapping",
        title: "The mapping from HL7 v2",
        what: "The site’s own layers of the mapping",
        state: "Refused",
        next: "Whoever runs this node: put the file right. Try it first with `handover map`. The mapping that was in force \
               before stays so meanwhile.",
        empty: "What stands in the folder of the mapping is in force.",
    },
    Kind {
        code: exchange::opt_out::ALARM,
        id: "opt-outs",
        title: "Checks for national data opt-outs that failed",
        what: "The check for national data opt-outs",
        state: "Failed",
        next: "Whoever runs this node: look with `handover opt-out status`. Until a check is answered, exports for uses \
               beyond care leave out everybody whose answer is too old.",
        empty: "No check has failed since the last that was answered. Where no mailbox is set, none is made.",
    },
    Kind {
        code: exchange::itk3::ALARM,
        id: "itk3-mailbox",
        title: "The mailbox for ITK3 documents",
        what: "What waits in this organisation’s mailbox at MESH",
        state: "Not collected",
        next: "Whoever runs this node: see whether [mesh] and [itk3] are right and MESH can be reached. Letters may be waiting \
               there; MESH keeps them for five days.",
        empty: "The mailbox was collected when it was last looked into. Where [itk3] is off, none is.",
    },
    Kind {
        code: exchange::mailboxes::ALARM,
        id: "collected-mail",
        title: "What waits at MESH for mailboxes here",
        what: "What waits in this organisation’s mailbox at MESH",
        state: "Not collected",
        next: "Whoever runs this node: see whether [mesh] and [[mesh_server.collect]] are right and MESH can be reached. Results may be \
               waiting there; MESH keeps them for five days.",
        empty: "The mailbox was collected when it was last looked into. Where [[mesh_server.collect]] is not set, none is.",
    },
    Kind {
        code: exchange::prescriptions::ORDERS_ALARM,
        id: "orders-there",
        title: "Requests for medicines that your own system has not taken",
        what: "Requests for medicines",
        state: "Not taken",
        next: "Whoever runs this node: see whether [gp_connect] medicines is right and that system can be reached and knows this \
               node’s keys. Until it answers, patients who need a medicine are to be helped by telephone.",
        empty: "All requests were taken. Where [gp_connect] medicines is not set, none go there.",
    },
];

impl Kind {
    /// The group of those among all alarms.
    pub(super) fn group(&self, alarms: &[Alarm], now: Millis) -> views::Group {
        let of_kind = alarms.iter().filter(|alarm| alarm.kind == self.code);
        let rows = of_kind.map(|alarm| self.row(alarm, now)).collect();
        worklist::group(self.id, self.title, rows, self.empty)
    }

    fn row(&self, alarm: &Alarm, now: Millis) -> views::Work {
        views::Work {
            when: words::moment(alarm.first_at, now),
            what: self.what.to_owned(),
            href: None,
            state: Label {
                text: self.state,
                colour: Some("red"),
            },
            why: alarm.what.clone(),
            next: self.next.to_owned(),
            actions: Vec::new(),
        }
    }
}
