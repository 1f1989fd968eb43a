//! The key to patient data.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::audit::{Agent, AgentKind, AuditEntry, Outcome, Target};
use crate::caller::Role;
use crate::decide::{SYSTEMS_ONLY, sets_up};
use crate::disclosure::Disclosure;
use crate::interaction::{Interaction, Sort};
use crate::oauth::{Granted, Letter, Rule};
use crate::ods::Ods;
use crate::purpose::{Purpose, SystemPurpose};
use crate::standing::Withholds;

/// The purpose of what is read of a record that was opened in an emergency
/// (<https://terminology.hl7.org/CodeSystem-v3-ActReason.html>).
const BREAK_GLASS: &str = "BTG";

/// Which rows an access may touch; the store compiles it into its SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Everything,
    /// What that organisation holds.
    Organisation(Ods),
    /// What is in that patient's compartment and released to them by `now`.
    Compartment {
        patient: String,
        now: Millis,
    },
    /// The messages from and to that mailbox, and no resource.
    Mailbox(String),
}

/// What one access may reach, for whom and why. Only this crate makes one: `decide` for callers,
/// `Scope::system` for the node's own work.
#[derive(Clone, Debug)]
pub struct Scope {
    reach: Reach,
    withholds: Option<Arc<Withholds>>,
    interaction: Interaction,
    agent: Arc<Agent>,
    purpose: &'static str,
    request_id: Arc<str>,
    /// What an app's token narrows it to.
    granted: Option<Arc<Granted>>,
    /// The resource types that somebody who acts for the patient is shown; nothing with a label.
    shows: Option<Arc<[&'static str]>>,
    /// Of what an organisation holds, only what is released to the patient by then.
    released_by: Option<Millis>,
}

impl Scope {
    pub(crate) fn new(
        reach: Reach,
        interaction: Interaction,
        agent: Agent,
        purpose: &'static str,
        request_id: Arc<str>,
    ) -> Scope {
        Scope {
            reach,
            withholds: None,
            interaction,
            agent: Arc::new(agent),
            purpose,
            request_id,
            granted: None,
            shows: None,
            released_by: None,
        }
    }

    /// The same scope, narrowed to what is released to the patient by that time.
    pub(crate) fn released(mut self, now: Millis) -> Scope {
        self.released_by = Some(now);
        self
    }

    /// By when what it reaches has to be released to the patient; `None` where that does not matter, and for a
    /// patient's own compartment, whose reach says it.
    pub fn released_by(&self) -> Option<Millis> {
        self.released_by
    }

    /// The same scope, narrowed to what somebody who acts for the patient is shown.
    pub(crate) fn showing(mut self, types: Option<Vec<&'static str>>) -> Scope {
        self.shows = types.map(Arc::from);
        self
    }

    /// The resource types that are shown to somebody who acts for the patient, and of these only
    /// what carries no label of sensitivity; `None` for everybody else.
    pub fn shows(&self) -> Option<&[&'static str]> {
        self.shows.as_deref()
    }

    /// The same scope, narrowed to what an app was granted.
    pub(crate) fn narrowed(mut self, granted: Option<Arc<Granted>>) -> Scope {
        self.granted = granted;
        self
    }

    /// The node's own work, on everything it holds.
    pub fn system(purpose: SystemPurpose) -> Scope {
        Scope::new(
            Reach::Everything,
            Interaction::System,
            Agent::node(),
            purpose.code(),
            Arc::from(""),
        )
    }

    /// A system that has proved that a mailbox is its own: what it sent and what came for it. It
    /// reaches no resource, no audit log and no other mailbox.
    pub fn mailbox(mailbox: &str, organisation: &str, request_id: Arc<str>) -> Scope {
        let agent = Agent {
            name: format!("mailbox {mailbox}"),
            role: Some(Role::System.code().into()),
            organisation: Some(organisation.to_string()),
            ..Agent::node()
        };
        Scope::new(
            Reach::Mailbox(mailbox.to_string()),
            Interaction::Mailbox,
            agent,
            Purpose::DirectCare.code(),
            request_id,
        )
    }

    /// Leaves out what is withheld from a member of staff.
    pub(crate) fn without(mut self, withholds: Withholds) -> Scope {
        self.withholds = Some(Arc::new(withholds));
        self
    }

    /// The same scope on behalf of a named request, so that the log's lines can be told together.
    #[must_use]
    pub fn for_request(mut self, request_id: &str) -> Scope {
        self.request_id = Arc::from(request_id);
        self
    }

    /// The same scope, for what an export is for: so its lines in the log say.
    #[must_use]
    pub fn for_disclosure(mut self, disclosure: &Disclosure) -> Scope {
        self.purpose = disclosure.code();
        self
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What is left out of the organisation's records; none for patients, whose reach is narrow
    /// enough, and for the node itself.
    pub fn withholds(&self) -> Option<&Withholds> {
        self.withholds.as_deref()
    }

    /// What was decided on.
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }

    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The request at hand; empty for the node's own work.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The rules by which an app sees rows under this scope, each enough by itself; `None` without
    /// an app, when nothing is narrowed.
    pub fn granted_rows(&self) -> Option<impl Iterator<Item = &Rule>> {
        let granted = self.granted.as_deref()?;
        let letters = Granted::letters_to_look(self.interaction);
        Some(granted.rules_with(letters))
    }

    /// Whether an app may create, update or delete resources of that type under this scope.
    ///
    /// # Errors
    /// `Forbidden` if it was not granted.
    pub fn may_change_type(&self, ty: &str, letter: Letter) -> Result<(), Problem> {
        match &self.granted {
            Some(granted) => granted.may_change(ty, letter),
            None => Ok(()),
        }
    }

    /// Whether resources may be read with it.
    pub fn may_look(&self) -> bool {
        matches!(
            self.interaction.sort(),
            Sort::Look | Sort::Change | Sort::Inner
        )
    }

    /// Whether resources may be changed with it: a scope that was decided for a look never may,
    /// and a patient changes nothing but what they want shared, and what they ask for.
    pub fn may_change(&self) -> bool {
        let reaches = !self.wishes().is_empty() || !matches!(self.reach, Reach::Compartment { .. });
        reaches && matches!(self.interaction.sort(), Sort::Change | Sort::Inner)
    }

    /// The resource types in which a patient's own wish, or answer, is written down, if the scope is for one.
    fn wishes(&self) -> &'static [&'static str] {
        match self.interaction {
            Interaction::SetSharing => &["Consent"],
            Interaction::OrderMedicines => &["Task"],
            Interaction::AnswerQuestionnaire => &["Task", "QuestionnaireResponse"],
            _ => &[],
        }
    }

    /// Whether a resource of that type may be created, changed or (`deletes`) deleted with it, in a
    /// scope that may change others.
    ///
    /// # Errors
    /// `Forbidden` for what only the organisation's own systems set up.
    pub fn may_set_up(&self, ty: &str, deletes: bool) -> Result<(), Problem> {
        let wishes = self.wishes();
        if !wishes.is_empty() && (deletes || !wishes.contains(&ty)) {
            return Err(Problem::new(Kind::Forbidden, "Only a wish is set here."));
        }
        let is_staff = self.agent.kind == AgentKind::Staff;
        let is_system = self.agent.role.as_deref() == Some(Role::System.code());
        let sets_up = sets_up(ty) && !(deletes && ty == "Subscription");
        if sets_up && is_staff && !is_system {
            return Err(Problem::new(Kind::Forbidden, SYSTEMS_ONLY));
        }
        Ok(())
    }

    /// Whether a resource may be created with it under an id that the caller chose (an update of what
    /// is not there). Where something may be hidden from the caller, the answer would tell whether an
    /// id is taken by it (P12). The organisation's own systems, whose ids these are, may all the same.
    pub fn may_choose_ids(&self) -> bool {
        let hides = self.withholds().is_some_and(|it| it.may_hide);
        let is_system = self.agent.role.as_deref() == Some(Role::System.code());
        !hides || (is_system && self.granted.is_none())
    }

    /// Whether resources of that type are kept from it, wherever they are: patients read who looked
    /// in their access log, which knows what to leave out.
    pub fn hides(&self, ty: &str) -> bool {
        self.hidden() == Some(ty)
    }

    /// The type that `hides` is about, if there is one.
    pub fn hidden(&self) -> Option<&'static str> {
        matches!(self.reach, Reach::Compartment { .. }).then_some("AuditEvent")
    }

    /// Whether the audit log may be read with it.
    pub fn may_audit(&self) -> bool {
        matches!(self.interaction.sort(), Sort::Audit | Sort::Inner)
    }

    /// The code of what it is for.
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// The log's line for what is done under this scope.
    pub fn trace(&self, action: Interaction, outcome: Outcome, mut target: Target) -> AuditEntry {
        // Whoever acts for somebody leaves a line about them, whatever was found.
        if let (Some(_), None, Reach::Compartment { patient, .. }) =
            (&self.shows, &target.patient, &self.reach)
        {
            target.patient = Some(patient.clone());
        }
        let purpose = match (&self.withholds, &target.patient) {
            (Some(withholds), Some(patient)) if withholds.opened.contains(patient) => BREAK_GLASS,
            _ => self.purpose,
        };
        let familiar = match (&self.withholds, &target.patient) {
            (Some(withholds), Some(patient)) if outcome == Outcome::Success => {
                // What is withheld for that was not seen.
                let knows = withholds.acquaintance.as_deref();
                let knows = knows.filter(|it| !it.bars(patient));
                knows.and_then(|it| it.with(patient))
            }
            _ => None,
        };
        AuditEntry {
            familiar,
            seq: 0,
            at: 0,
            request_id: self.request_id.clone(),
            interaction: Cow::Borrowed(action.code()),
            within: Cow::Borrowed(self.interaction.code()),
            outcome,
            agent: self.agent.clone(),
            purpose: Cow::Borrowed(purpose),
            target,
            digest: None,
        }
    }
}
