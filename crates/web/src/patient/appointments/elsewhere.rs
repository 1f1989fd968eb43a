//! Appointments that other organisations and the practice's own system hold, asked for when the patient looks, in their own name.
//! Nothing of it is kept here.

use access::Interaction;
use exchange::ask::SourceState;
use exchange::booking::{self, InSystem, Listed};
use fhir::date::Millis;
use fhir::problem::Problem;
use serde_json::Value;

use super::{Appointment, Holding, asks_system, is_ended, text};
use crate::node::Node;
use crate::page::parts::Label;
use crate::page::tongue::Language;
use crate::patient::record::gather::{self, Others};
use crate::patient::record::views::{SourceRow, Sources};
use crate::patient::record::{missing_of, sources};
use crate::visit::Visit;
use store::diary::BookingState;

const TYPE: &str = "Appointment";
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What came of asking all who could be asked.
pub(super) struct Elsewhere {
    others: Others,
    /// The practice's own system, where it holds the diary and is asked.
    system: Option<InSystem>,
}

/// An appointment as somebody else holds it.
pub(super) struct Held {
    appointment: Appointment,
    /// ODS codes.
    sources: Vec<String>,
    /// The booking here that it is, where that is known.
    booking: Option<String>,
    at: Millis,
}

/// What a page says of who was asked.
pub(super) struct Said {
    /// What may be missing, a sentence each.
    pub missing: Vec<String>,
    pub sources: Sources,
}

impl Elsewhere {
    /// Asks the other organisations and the practice's own system side by side, each within the set time.
    ///
    /// # Errors
    /// Those of the decision and the store.
    pub(super) async fn ask(node: &Node, visit: &Visit) -> Result<Elsewhere, Problem> {
        let others = gather::plans(node, visit, &[TYPE]);
        let (others, system) = tokio::try_join!(others, own_system(node, visit))?;
        Ok(Elsewhere { others, system })
    }

    /// Whether all who are known to hold something have said what: an organisation that nobody here knows of is not among them.
    pub(super) fn is_whole(&self, node: &Node) -> bool {
        let Others::Asked(shared) = &self.others else {
            return false;
        };
        let named = |list: &[String]| list.iter().any(|it| it == TYPE);
        let mut sources = shared.sources.iter();
        let all_said = sources.all(|it| {
            let is_silent = matches!(it.state, SourceState::Silent { .. });
            !is_silent && !named(&it.withheld) && !named(&it.cut)
        });
        let is_open = shared.closed.is_none() && !shared.is_cut && !named(&shared.without);
        let system = self.system.as_ref();
        let own = node.diary.kept_here || system.is_some_and(|it| it.appointments.is_ok());
        all_said && is_open && own
    }

    /// Who was asked, with the time of the answer, and what may be missing.
    pub(super) fn said(&self, node: &Node, language: Language, now: Millis) -> Said {
        let mut sources = sources(node, language, &self.others, now);
        let mut missing = match &self.others {
            Others::Asked(shared) => missing_of(node, language, shared, &[TYPE]),
            Others::NotAsked(_) => Vec::new(),
        };
        let unwanted =
            matches!(&self.others, Others::Asked(it) if it.without.iter().any(|it| it == TYPE));
        if unwanted {
            // That is said above, of appointments alone.
            sources.said = None;
        }
        let place = node.site.name.as_str();
        match &self.system {
            Some(system) => {
                let (row, silent) = system_row(system, place, language);
                sources.rows.insert(1.min(sources.rows.len()), row);
                missing.extend(silent);
            }
            None if !node.diary.kept_here => {
                missing.push(language.tell("appointments-diary-closed", &[("place", place)]));
            }
            None => {}
        }
        Said { missing, sources }
    }

    /// All that was told.
    pub(super) fn held(self, own: &str) -> Vec<Held> {
        let mut held = Vec::new();
        if let Others::Asked(shared) = &self.others {
            for item in &shared.items {
                let from = item.sources.iter().filter_map(|it| shared.sources.get(*it));
                let id = said(&item.resource, "/id");
                let mut appointment = Appointment::read(id, &item.resource, None);
                if appointment.with.is_empty() && is_of_a_node(&item.resource) {
                    appointment.with = said(&item.resource, "/description").to_owned();
                }
                held.push(Held {
                    appointment,
                    at: from.clone().filter_map(|it| it.heard_at).min().unwrap_or(0),
                    sources: from.map(|it| it.organisation.to_string()).collect(),
                    booking: None,
                });
            }
        }
        if let Some(InSystem {
            at,
            appointments: Ok(Some(listed)),
        }) = self.system
        {
            held.extend(listed.into_iter().map(|it| Held::of_system(it, at, own)));
        }
        held
    }
}

/// Asks the practice's own system, where it holds the diary: for the patient themselves.
async fn own_system(node: &Node, visit: &Visit) -> Result<Option<InSystem>, Problem> {
    let Some(exchange) = node.exchange.as_ref().filter(|_| asks_system(node)) else {
        return Ok(None);
    };
    let Some((patient, person)) = gather::oneself(visit)?.filter(|_| visit.acting().is_none())
    else {
        return Ok(None);
    };
    let scope = visit
        .scope(node, Interaction::AskForOneself, "Patient")
        .await?;
    let asked = exchange.listed_in_system(&scope, patient, &person.name);
    match asked.await {
        Ok(asked) => Ok(asked),
        Err(problem) => {
            tracing::warn!(?problem, "the own system could not be asked for a patient");
            Ok(None)
        }
    }
}

fn system_row(system: &InSystem, place: &str, language: Language) -> (SourceRow, Option<String>) {
    let (id, colour, said) = match &system.appointments {
        Ok(Some(_)) => ("source-answered", "green", ""),
        Ok(None) => ("source-unknown", "grey", "source-unknown-explain"),
        Err(_) => ("source-silent", "red", "source-silent-explain"),
    };
    let name = language.tell("appointments-diary", &[("place", place)]);
    let silent = system.appointments.is_err();
    let row = SourceRow {
        state: Label {
            text: text(language, id),
            colour: Some(colour),
        },
        said: match said {
            "" => String::new(),
            id => text(language, id).to_owned(),
        },
        when: language.when(system.at),
        name: name.clone(),
    };
    let silent = silent.then(|| language.tell("record-silent", &[("place", &name)]));
    (row, silent)
}

/// Whether a node has written it, which puts with whom it is into its description.
fn is_of_a_node(resource: &Value) -> bool {
    let participants = resource.get("participant").and_then(Value::as_array);
    participants.into_iter().flatten().any(|it| {
        said(it, "/actor/type") == "Location" && said(it, "/actor/identifier/system") == ODS_CODE
    })
}

/// The text at a JSON pointer; empty if there is none.
fn said<'r>(resource: &'r Value, at: &str) -> &'r str {
    let found = resource.pointer(at).and_then(Value::as_str);
    found.unwrap_or_default()
}

impl Held {
    fn of_system(listed: Listed, at: Millis, own: &str) -> Held {
        let mut appointment = Appointment::read(&listed.id, &Value::Null, None);
        appointment.starts = listed.starts;
        appointment.ends = listed.ends;
        appointment.status = listed.status;
        appointment.cancelled = listed.cancelled;
        Held {
            appointment,
            sources: vec![own.to_owned()],
            booking: listed.booking,
            at,
        }
    }

    /// Whether it is this one here: by the name under which it was booked, or by a business identifier of both.
    fn is(&self, here: &Appointment) -> bool {
        if self.booking.as_ref() == Some(&here.id) {
            return true;
        }
        let asked = here.booking.as_ref().is_some_and(|it| {
            self.sources.contains(&it.holder)
                && self.appointment.id == booking::id_there(&it.asker, &it.asked_as)
        });
        asked
            || self
                .appointment
                .names
                .iter()
                .any(|it| here.names.contains(it))
    }
}

/// Both as one list, the earliest first: what is held here and there stands once, as who holds it says.
pub(super) fn merged(
    node: &Node,
    language: Language,
    mut here: Vec<Appointment>,
    held: Vec<Held>,
) -> Vec<Appointment> {
    let own = node.site.organisation.as_str();
    let called = |ods: &String| match ods == own {
        true => language.tell("appointments-diary", &[("place", &node.site.name)]),
        false => (node.organisation_name)(ods),
    };
    for one in held {
        let mut holding = Holding {
            places: one.sources.iter().map(called).collect(),
            at: one.at,
            only_there: false,
        };
        let mut known = here.iter_mut();
        if let Some(known) = known.find(|it| one.is(it)) {
            overrule(known, &one.appointment);
            known.held = Some(holding);
        } else {
            holding.only_there = true;
            let mut appointment = one.appointment;
            appointment.held = Some(holding);
            here.push(appointment);
        }
    }
    here.sort_by(|a, b| a.starts.cmp(&b.starts).then_with(|| a.id.cmp(&b.id)));
    here
}

/// What is confirmed here is as its holder says now: it may have been moved or cancelled there a moment ago. What its holder
/// has not confirmed here yet stays as it is.
fn overrule(here: &mut Appointment, there: &Appointment) {
    let booked = here.booking.as_ref();
    if booked.is_some_and(|it| it.state != BookingState::Booked) {
        return;
    }
    if is_ended(&there.status) {
        here.status.clone_from(&there.status);
        return;
    }
    (here.starts, here.ends) = (there.starts, there.ends);
}
