//! What is kept back from a member of staff of what their organisation holds: the facts that the
//! store loads, and what follows from them.

use std::sync::Arc;

use fhir::date::Millis;

use crate::caller::Role;
use crate::interaction::{Interaction, Sort};
use crate::ods::Ods;
use crate::proxy::Online;

/// What a member of staff must have to see a patient's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relationships {
    /// To be of the organisation that holds it.
    #[default]
    Organisation,
    /// A relationship with the patient that is recorded and has not ended.
    Required,
}

/// Whose record it is to a member of staff who knows them otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Familiar {
    /// Their own.
    Own,
    /// That of family or of a colleague.
    Other,
}

/// What is done when staff would see the record of somebody whom they know otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFamiliar {
    /// It is withheld.
    Refuse,
    /// The privacy officer is told.
    #[default]
    Flag,
}

/// Whom a member of staff knows otherwise (P10): Patient ids, in order, and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acquaintance {
    pub own: Vec<String>,
    pub on_own: OnFamiliar,
    pub others: Vec<String>,
    pub on_others: OnFamiliar,
}

impl Acquaintance {
    /// What the patient is to them.
    pub fn with(&self, patient: &str) -> Option<Familiar> {
        let among = |all: &[String]| all.binary_search_by(|it| it.as_str().cmp(patient)).is_ok();
        if among(&self.own) {
            Some(Familiar::Own)
        } else if among(&self.others) {
            Some(Familiar::Other)
        } else {
            None
        }
    }

    /// Whether the patient's record is withheld from them for that.
    pub fn bars(&self, patient: &str) -> bool {
        match self.with(patient) {
            Some(Familiar::Own) => self.on_own == OnFamiliar::Refuse,
            Some(Familiar::Other) => self.on_others == OnFamiliar::Refuse,
            None => false,
        }
    }

    /// All whose records are withheld for that.
    pub fn barred(&self) -> impl Iterator<Item = &String> {
        let own = (self.on_own == OnFamiliar::Refuse).then_some(&self.own);
        let others = (self.on_others == OnFamiliar::Refuse).then_some(&self.others);
        own.into_iter().chain(others).flat_map(|all| all.iter())
    }
}

/// How a record was opened that is otherwise withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpeningKind {
    /// Without a relationship, or against a preference: "break-glass".
    Emergency,
    /// What is sealed to a workgroup (B0083).
    Unseal,
    /// Where a restricted patient lives, for the team that must visit.
    Whereabouts,
}

impl OpeningKind {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            OpeningKind::Emergency => "emergency",
            OpeningKind::Unseal => "unseal",
            OpeningKind::Whereabouts => "whereabouts",
        }
    }

    /// The kind of that word.
    pub fn from_code(code: &str) -> Option<OpeningKind> {
        match code {
            "emergency" => Some(OpeningKind::Emergency),
            "unseal" => Some(OpeningKind::Unseal),
            "whereabouts" => Some(OpeningKind::Whereabouts),
            _ => None,
        }
    }
}

/// One patient's record, open to one account for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub kind: OpeningKind,
    pub patient: String,
    pub ends_at: Millis,
}

/// The facts about a member of staff, or a patient, that a decision rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub relationships: Relationships,
    /// Whom the account knows otherwise, if anybody.
    pub acquaintance: Option<Arc<Acquaintance>>,
    /// The teams that the account is in.
    pub workgroups: Vec<String>,
    /// What the account has opened.
    pub openings: Vec<Opening>,
    /// Whether any patient has told the organisation not to look.
    pub has_dissents: bool,
    /// Whether it holds anything that is sealed and not locked.
    pub has_sealed: bool,
    /// Whether it holds anything that is locked, or has teams to whom it may be.
    pub has_teams: bool,
    /// Set if some home practice was not heard from since then: new preferences of its patients may
    /// not be known here.
    pub unconfirmed_before: Option<Millis>,
    /// Of a patient: whether their record is shown, and for whom they may act.
    pub online: Online,
}

/// What a scope over an organisation's records leaves out; the store compiles it into its SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withholds {
    pub account: i64,
    /// When relationships, preferences and openings are looked at.
    pub now: Millis,
    /// Whom the account knows otherwise: some of these are left out, and looks at others are flagged.
    pub acquaintance: Option<Arc<Acquaintance>>,
    /// Patients without a live relationship with the account or its organisation are left out.
    pub needs_relationship: bool,
    /// What patients do not want the organisation to see is left out.
    pub has_dissents: bool,
    /// Whether there may be something sealed of which one is told that it exists.
    pub has_sealed: bool,
    /// What came from others about patients whose home practice has not confirmed their preferences
    /// since then is left out.
    pub unconfirmed_before: Option<Millis>,
    /// What is sealed is left out, but for these workgroups'.
    pub workgroups: Vec<String>,
    /// Patients whose records are open all the same: neither relationship nor preference is asked, and what is sealed
    /// until an emergency is open as well.
    pub opened: Vec<String>,
    /// Patients whose sealed items are open as well; never what is sealed and locked.
    pub unsealed: Vec<String>,
    /// Restricted patients of whom it was released where they live.
    pub located: Vec<String>,
    /// Whether there may be something of which the caller is not even told that it exists.
    pub may_hide: bool,
    /// Another organisation that asks: what patients do not want shared is asked about it, not about
    /// the organisation whose records these are.
    pub asker: Option<Ods>,
}

impl Withholds {
    /// What follows from the facts for one interaction. An opening is for looking at one patient's
    /// record: it widens no change, no bulk, no audit and no administration (P05).
    pub(crate) fn of(
        standing: &Standing,
        (account, role): (i64, Role),
        interaction: Interaction,
        now: Millis,
    ) -> Withholds {
        let looks = interaction.sort() == Sort::Look && !interaction.is_bulk();
        let open = |kind: OpeningKind| {
            let openings = standing.openings.iter();
            let live = openings.filter(|it| looks && it.kind == kind && it.ends_at > now);
            let mut patients: Vec<String> = live.map(|it| it.patient.clone()).collect();
            patients.sort_unstable();
            patients.dedup();
            patients
        };
        // A system acts for the organisation, not for one who cares for the patient.
        let needs_relationship =
            standing.relationships == Relationships::Required && role != Role::System;
        let known = standing.acquaintance.clone();
        let acquaintance = known.filter(|_| role != Role::System);
        let bars = acquaintance
            .as_ref()
            .is_some_and(|it| it.barred().next().is_some());
        Withholds {
            account,
            now,
            acquaintance,
            needs_relationship,
            has_dissents: standing.has_dissents,
            has_sealed: standing.has_sealed,
            unconfirmed_before: standing.unconfirmed_before,
            workgroups: standing.workgroups.clone(),
            may_hide: needs_relationship
                || bars
                || standing.has_dissents
                || standing.has_sealed
                || standing.has_teams
                || standing.unconfirmed_before.is_some(),
            opened: open(OpeningKind::Emergency),
            unsealed: open(OpeningKind::Unseal),
            located: open(OpeningKind::Whereabouts),
            asker: None,
        }
    }

    /// What is left out for somebody at another organisation. They are in no team here, so all that is
    /// sealed is left out without a trace (but what is sealed until an emergency is named as withheld), and restricted whereabouts are never released to them; an
    /// emergency opens that one patient's record as it does for staff here.
    pub(crate) fn of_asker(
        standing: &Standing,
        asker: Ods,
        opened: Option<String>,
        now: Millis,
    ) -> Withholds {
        Withholds {
            now,
            has_dissents: standing.has_dissents,
            unconfirmed_before: standing.unconfirmed_before,
            opened: opened.into_iter().collect(),
            may_hide: true,
            asker: Some(asker),
            ..Withholds::default()
        }
    }

    /// Whether that patient's record is left out since the account knows them otherwise.
    pub fn bars(&self, patient: &str) -> bool {
        self.acquaintance
            .as_ref()
            .is_some_and(|it| it.bars(patient))
    }

    /// Whether nothing is left out but what is sealed, or of people whom the account knows.
    pub fn is_sealing_only(&self) -> bool {
        !self.needs_relationship && !self.has_dissents && self.unconfirmed_before.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        let opening = |kind, patient: &str, ends_at| Opening {
            kind,
            patient: patient.into(),
            ends_at,
        };
        Standing {
            relationships: Relationships::Required,
            openings: vec![
                opening(OpeningKind::Emergency, "p", 10),
                opening(OpeningKind::Unseal, "q", 10),
                opening(OpeningKind::Emergency, "ended", 5),
            ],
            ..Standing::default()
        }
    }

    #[test]
    fn p05_an_opening_widens_looks_at_one_record_and_nothing_else() {
        let of = |interaction| Withholds::of(&standing(), (1, Role::Clinician), interaction, 5);
        for look in [
            Interaction::Read,
            Interaction::Vread,
            Interaction::HistoryInstance,
            Interaction::Search,
            Interaction::Everything,
            Interaction::Item,
        ] {
            assert_eq!(of(look).opened, ["p"], "{look:?}");
            assert_eq!(of(look).unsealed, ["q"], "{look:?}");
        }
        for other in [
            Interaction::Create,
            Interaction::Update,
            Interaction::Patch,
            Interaction::Delete,
            Interaction::Batch,
            Interaction::Transaction,
            Interaction::RemoveLabel,
            Interaction::Export,
            Interaction::Import,
            Interaction::Subscribe,
            Interaction::AccessLog,
            Interaction::WorkList,
            Interaction::OpenLetter,
            Interaction::SendLetter,
        ] {
            assert!(of(other).opened.is_empty(), "{other:?}");
            assert!(of(other).unsealed.is_empty(), "{other:?}");
            assert!(of(other).needs_relationship, "{other:?}");
        }
    }

    #[test]
    fn p04_an_opening_ends_at_its_time_to_the_millisecond() {
        let of = |now| Withholds::of(&standing(), (1, Role::Clinician), Interaction::Read, now);
        assert_eq!(of(9).opened, ["p"]);
        assert!(of(10).opened.is_empty());
    }

    #[test]
    fn p10_what_is_theirs_is_refused_or_flagged_as_was_set() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        let acquaintance = Acquaintance {
            own: ids(&["me"]),
            on_own: OnFamiliar::Refuse,
            others: ids(&["aunt", "boss"]),
            on_others: OnFamiliar::Flag,
        };
        let standing = Standing {
            acquaintance: Some(Arc::new(acquaintance)),
            ..standing()
        };
        let of = |role| Withholds::of(&standing, (1, role), Interaction::Read, 5);
        let withholds = of(Role::Clinician);
        let knows = withholds.acquaintance.clone().unwrap();
        assert_eq!(knows.barred().collect::<Vec<_>>(), ["me"]);
        assert!(withholds.may_hide && withholds.bars("me") && !withholds.bars("boss"));
        assert_eq!(knows.with("boss"), Some(Familiar::Other));
        assert_eq!(knows.with("p"), None);
        assert_eq!(of(Role::System).acquaintance, None);
    }

    #[test]
    fn p02_an_organisations_own_system_needs_no_relationship_and_is_in_no_workgroup() {
        let withholds = Withholds::of(&standing(), (1, Role::System), Interaction::Read, 5);
        assert!(!withholds.needs_relationship);
        assert!(withholds.workgroups.is_empty());
    }
}
