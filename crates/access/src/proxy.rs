//! Acting for somebody else (P24) and records that are not shown online (P25): the facts that the
//! store loads, and what follows from them.

use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};

use crate::category::{ACCESS_LOG, ORDERS, QUESTIONNAIRES, for_people};
use crate::interaction::Interaction;

/// For whom a caller acts in their session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    /// The number of the leave that they act by.
    pub proxy: i64,
    /// The other's Patient id.
    pub patient: String,
    /// The other's name, for the pages.
    pub name: String,
}

/// The ages at which a child's proxies are looked at again and end, in years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    pub review: u16,
    pub end: u16,
}

impl Default for Ages {
    fn default() -> Ages {
        Ages {
            review: 11,
            end: 16,
        }
    }
}

/// One person's leave to act for another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    pub number: i64,
    /// The Patient id of whose record it opens.
    pub patient: String,
    /// Codes of categories.
    pub categories: Vec<String>,
    pub granted_at: Millis,
    /// It was given for a child.
    pub is_childs: bool,
    /// When the practice last looked at it and let it stand.
    pub confirmed_at: Millis,
    /// It is good until before this time.
    pub ends_at: Millis,
    /// When somebody ended it.
    pub ended_at: Option<Millis>,
    /// When the patient was born (the first moment of what is known of the date); none where the
    /// record does not say.
    pub born: Option<Millis>,
    /// The patient's record is not shown online at present.
    pub is_paused: bool,
}

/// What a leave is worth at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standstill {
    /// It may be used.
    No,
    /// The child has reached the age of review, and the practice has not looked at it since; or the
    /// record does not say when the patient was born.
    Review,
    /// Its time is over, the child has grown up, or somebody ended it.
    Over,
}

impl Proxy {
    /// Whether something keeps it from being used.
    pub fn standstill(&self, ages: Ages, now: Millis) -> Standstill {
        if self.ended_at.is_some() || now >= self.ends_at(ages) {
            return Standstill::Over;
        }
        // Whoever is of no known age may be a child.
        let Some(born) = self.born else {
            return Standstill::Review;
        };
        let review = birthday(born, ages.review);
        if self.is_for_child(born, ages) && now >= review && self.confirmed_at < review {
            return Standstill::Review;
        }
        Standstill::No
    }

    /// When it ends by itself: at its time, or when the child whom it was given for has grown up.
    pub fn ends_at(&self, ages: Ages) -> Millis {
        let Some(born) = self.born else {
            return self.ends_at;
        };
        if self.is_for_child(born, ages) {
            self.ends_at.min(birthday(born, ages.end))
        } else {
            self.ends_at
        }
    }

    /// Given for a child, or for who was one by the birth date as it is known now.
    fn is_for_child(&self, born: Millis, ages: Ages) -> bool {
        self.is_childs || self.granted_at < birthday(born, ages.end)
    }

    /// The resource types that it shows.
    pub fn types(&self) -> Vec<&'static str> {
        let granted = for_people().filter(|it| self.has(it.code));
        granted.flat_map(|it| it.types.iter().copied()).collect()
    }

    /// The same for what they do: who answers a questionnaire needs the Task that asks for it, which is otherwise shown with
    /// medicines alone.
    pub(crate) fn types_for(&self, interaction: Interaction) -> Vec<&'static str> {
        let mut types = self.types();
        if interaction == Interaction::AnswerQuestionnaire {
            types.push("Task");
        }
        types
    }

    pub fn has(&self, category: &str) -> bool {
        self.categories.iter().any(|it| it == category)
    }
}

/// The first moment of a birthday; of one on 29 February the day before in years that have none, since
/// what ends on it should rather end too early.
pub fn birthday(born: Millis, years: u16) -> Millis {
    let text = date::date(born);
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    let year = year.parse::<u16>().unwrap_or(0).saturating_add(years);
    let low = |day: &str| date::span(&format!("{year:04}-{month}-{day}")).map(|it| it.low);
    low(day).or_else(|| low("28")).unwrap_or(born)
}

/// The time so many months later; where a month has no such day, on its 28th.
pub fn months_later(at: Millis, months: u16) -> Millis {
    let text = date::date(at);
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    let number = |text: &str| text.parse::<u32>().unwrap_or(1);
    let month = number(month).saturating_sub(1) + u32::from(months);
    let (year, month) = (number(year).saturating_add(month / 12), month % 12 + 1);
    let low = |day: &str| date::span(&format!("{year:04}-{month:02}-{day}")).map(|it| it.low);
    low(day).or_else(|| low("28")).unwrap_or(at)
}

/// What is known of a patient who calls: whether their own record is shown online, and for whom
/// they may act.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Online {
    pub is_paused: bool,
    pub proxies: Vec<Proxy>,
    pub ages: Ages,
}

impl Online {
    /// The patient's own record, if it is shown at all.
    ///
    /// # Errors
    /// `Suppressed`, in words that do not say who wanted it so, or that anybody did.
    pub(crate) fn own(&self) -> Result<(), Problem> {
        if self.is_paused {
            return Err(Problem::new(Kind::Suppressed, NOT_SHOWN));
        }
        Ok(())
    }

    /// The leave by which somebody acts, if it is good for that. `ty` is the resource type.
    ///
    /// # Errors
    /// `Suppressed`, with a sentence for the caller: what people who act for somebody are not
    /// shown is named, never left out as if it were not there.
    pub(crate) fn acting(
        &self,
        acting: &Acting,
        (interaction, ty): (Interaction, &str),
        now: Millis,
    ) -> Result<&Proxy, Problem> {
        let refused = |message| Err(Problem::new(Kind::Suppressed, message));
        // An account that was shut to its own record may be in the wrong hands.
        self.own()?;
        let mut proxies = self.proxies.iter();
        let Some(proxy) = proxies.find(|it| it.number == acting.proxy) else {
            return refused(OVER);
        };
        match proxy.standstill(self.ages, now) {
            Standstill::No => {}
            Standstill::Review => return refused(REVIEW),
            Standstill::Over => return refused(OVER),
        }
        if proxy.is_paused {
            return refused(OTHERS_NOT_SHOWN);
        }
        let may = match interaction {
            Interaction::Read
            | Interaction::Vread
            | Interaction::HistoryInstance
            | Interaction::Search
            | Interaction::Everything
            | Interaction::LastN
            | Interaction::Record => of_any(ty) || proxy.types().contains(&ty),
            // Who sees a patient's visits may arrange them: a carer books and cancels.
            Interaction::Slots | Interaction::Book | Interaction::CancelAppointment => {
                proxy.types().contains(&"Appointment")
            }
            Interaction::AccessLog => proxy.has(ACCESS_LOG),
            Interaction::AnswerQuestionnaire => proxy.has(QUESTIONNAIRES),
            // What one does not see one does not order.
            Interaction::OrderMedicines => proxy.has(ORDERS) && proxy.types().contains(&ty),
            // A proxy makes no others, and says nothing of what may be shared. What goes on in the
            // account's name alone (exports, subscriptions) is for one's own record, and a document
            // has no place in which to say that something of it is not shown.
            _ => false,
        };
        if may {
            return Ok(proxy);
        }
        refused(NOT_FOR_PROXIES)
    }
}

/// What is asked of all types at once.
fn of_any(ty: &str) -> bool {
    matches!(ty, "" | "Resource" | "Bundle")
}

/// What a patient reads whose record is paused: as if something were out of order.
const NOT_SHOWN: &str = "Your record cannot be shown online at present. Contact your practice.";
const OTHERS_NOT_SHOWN: &str =
    "This record cannot be shown online at present. Contact the practice.";
const OVER: &str = "You cannot act for this person any more. Go to People to stop.";
const REVIEW: &str =
    "The practice has to confirm first that you still act for this person. Contact the practice.";
/// What is named where something is not among what a proxy shows.
pub const NOT_FOR_PROXIES: &str = "Some items are not shown to people who act for somebody else.";

#[cfg(test)]
mod tests;
