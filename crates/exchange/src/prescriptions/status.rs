//! What became of a prescription, from the pharmacy to the practice: a parcel of kind `prescription-status`
//! (`docs/protocol/exchange.md`, section 14). Each item carries a number that grows, so that what comes late
//! or twice moves nothing back.

use access::{Interaction, Ods, Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::repeats;
use fhir::search::{Clause, Search};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::parcels::{ParcelWrite, ToTakeIn};
use store::{Effect, Expect, Job, Release};

use super::task::{self, ITEM_NUMBER, Item, Step, Taken};
use super::{cancel, put};
use crate::exchange::Exchange;
use crate::instant;
use crate::manifest::ParcelText;

/// Items of one parcel.
pub const ITEMS_MAX: usize = 60;
const REASON_CHARS_MAX: usize = 500;
const NUMBER_CHARS_MAX: usize = 64;

/// What a parcel of this kind says beside whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusText {
    /// The prescription's short number.
    pub prescription: String,
    #[serde(with = "instant")]
    pub at: Millis,
    pub items: Vec<StatusItem>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusItem {
    /// EPS's number of the item.
    pub item: String,
    /// Grows with each status of the item; a lower one is out of date.
    pub number: i64,
    /// `Step::code` of a step that is a pharmacy's.
    pub status: String,
    /// Why, or what is owed.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
}

impl StatusText {
    /// # Errors
    /// `Value` for what is too long, too many, or no status of a pharmacy.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        if self.items.is_empty() || self.items.len() > ITEMS_MAX {
            return value("A prescription's status has 1 to 60 items.");
        }
        let is_number = |it: &str| !it.is_empty() && it.chars().count() <= NUMBER_CHARS_MAX;
        let is_sound = |it: &StatusItem| {
            is_number(&it.item)
                && it.number > 0
                && it.number <= i64::from(i32::MAX)
                && it.reason.chars().count() <= REASON_CHARS_MAX
                && Step::from_code(&it.status).is_some_and(Step::is_pharmacys)
        };
        if !is_number(&self.prescription) || !self.items.iter().all(is_sound) {
            return value("An item of the prescription's status does not read.");
        }
        Ok(())
    }
}

/// What is to be done with one item of a status.
enum Fit {
    Change(Vec<store::Change>),
    /// It is not newer than what is known.
    Known,
    Nothing(&'static str),
}

impl Exchange {
    /// Notes what a pharmacy tells; gives why not, where it fits nothing here and a person must look.
    pub(crate) async fn take_status(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        status: &StatusText,
        patient: &str,
    ) -> Result<Option<&'static str>, Problem> {
        let member = self.book.listed(&parcel.sender);
        if !member.is_some_and(|it| it.roles.iter().any(|role| role == "pharmacy")) {
            return Ok(Some(
                "It is from an organisation that is no pharmacy of the network.",
            ));
        }
        let mut job = Job::default();
        for item in &status.items {
            match self.fit(scope, parcel, (status, item), patient).await? {
                Fit::Change(changes) => job.changes.extend(changes),
                Fit::Known => {}
                Fit::Nothing(why) => return Ok(Some(why)),
            }
        }
        job.effects.push(Effect::Parcel(ParcelWrite::StatusTaken {
            pid: parcel.pid,
            patient: patient.to_string(),
        }));
        let target = Target {
            ty: "Task".into(),
            patient: Some(patient.to_string()),
            query: Some(format!("parcel={}/{}", parcel.sender, parcel.id).into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::System, Outcome::Success, target);
        job.traces.push(line);
        self.store.commit(scope, job).await?;
        Ok(None)
    }

    async fn fit(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (status, told): (&StatusText, &StatusItem),
        patient: &str,
    ) -> Result<Fit, Problem> {
        let mut search = Search::all("Task", 2);
        let by_number = Clause::identifier(ITEM_NUMBER, &told.item);
        search.clauses.push(by_number);
        let page = self.store.search(scope, &search).await?;
        let [version] = page.entries.as_slice() else {
            return Ok(Fit::Nothing("No request here has an item of that number."));
        };
        let mut task: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
        let item = Item::read(&task).filter(|_| repeats::is_order(&task));
        let (Some(item), Some(step)) = (item, Step::from_code(&told.status)) else {
            return Ok(Fit::Nothing("No request here has an item of that number."));
        };
        if item.patient != patient || item.prescription != status.prescription {
            return Ok(Fit::Nothing(
                "The request of that number is another patient's, or of another prescription.",
            ));
        }
        let from = parcel.sender.as_str();
        match item.told_by.as_str() {
            known if known == from && told.number <= item.told => return Ok(Fit::Known),
            known if known == from || known.is_empty() => {}
            // Another may have it once the one that had it gave it back.
            _ if item.step() == Step::Returned => {}
            _ => {
                return Ok(Fit::Nothing(
                    "Another pharmacy has this item, and has not given it back.",
                ));
            }
        }
        let who = self.book.name(from);
        let taken = Taken::new(step, status.at, who, told.reason.as_str());
        task::take(&mut task, &taken);
        let mut changes = Vec::new();
        if step == Step::Returned && cancel::is_marked(&item) {
            // So EPS said: what comes back is cancelled.
            let cancelled = cancel::cancelled_by_return(&item, status.at);
            task::take(&mut task, &cancelled);
            changes.extend(self.cancelled_issue(&task, &cancelled.reason).await?);
        }
        task::told(&mut task, told.number, from);
        let as_read = (Expect::Version(version.version), Release::Keep);
        changes.push(put(&task, self.organisation(), as_read)?);
        Ok(Fit::Change(changes))
    }

    /// The parcel that tells a practice, if it is a member.
    ///
    /// # Errors
    /// As `ParcelText::accepted`.
    pub(crate) fn status_to(
        &self,
        practice: &str,
        (patient, who): (&str, crate::manifest::PatientNamed),
        status: StatusText,
    ) -> Result<Option<Effect>, Problem> {
        let now = self.store.now();
        let to = Ods::parse(practice).ok();
        let to = to.filter(|it| it != self.organisation() && self.book.listed(it).is_some());
        let Some(to) = to else {
            return Ok(None);
        };
        let mut parts = vec!["prescription-status".to_string(), to.to_string()];
        parts.extend(
            status
                .items
                .iter()
                .map(|it| format!("{}={}", it.item, it.number)),
        );
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let text = ParcelText {
            id: crate::letter::Letter::parcel_id(&parts),
            made_at: now,
            document: status.prescription.clone(),
            patient: who,
            prescription: Some(status),
            ..ParcelText::of(
                crate::manifest::ParcelKind::PrescriptionStatus,
                self.organisation(),
                &to,
            )
        };
        text.accepted(patient).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusText {
        StatusText {
            prescription: "N1".into(),
            at: 1_000,
            items: vec![StatusItem {
                item: "i1".into(),
                number: 1,
                status: Step::Ready.code().into(),
                reason: String::new(),
            }],
        }
    }

    #[test]
    fn a_status_is_a_pharmacys_and_bounded() {
        status().check().unwrap();
        let wrong = |change: &dyn Fn(&mut StatusText)| {
            let mut status = status();
            change(&mut status);
            status.check().unwrap_err();
        };
        wrong(&|it| it.items.clear());
        wrong(&|it| it.items = vec![it.items[0].clone(); 61]);
        wrong(&|it| it.items[0].number = 0);
        wrong(&|it| it.items[0].reason = "x".repeat(501));
        wrong(&|it| it.items[0].item = String::new());
        wrong(&|it| it.prescription = "x".repeat(65));
        for step in [Step::Approved, Step::Asked, Step::WithEps] {
            wrong(&|it| it.items[0].status = step.code().into());
        }
        wrong(&|it| it.items[0].status = "Lost".into());
    }
}
