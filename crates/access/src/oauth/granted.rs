//! What an app was granted, and what follows for one interaction.

use fhir::problem::{Kind, Problem};

use crate::interaction::Interaction;

/// One of SMART's five letters (<https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

/// A set of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters(u8);

const READ_AND_SEARCH: Letters = Letters(Letter::Read.bit() | Letter::Search.bit());

impl Letter {
    const fn bit(self) -> u8 {
        match self {
            Letter::Create => 1,
            Letter::Read => 2,
            Letter::Update => 4,
            Letter::Delete => 8,
            Letter::Search => 16,
        }
    }
}

impl Letters {
    /// The letters `cruds`, in this order and each at most once, as SMART asks.
    pub fn parse(text: &str) -> Option<Letters> {
        let mut rest = text;
        let mut bits = 0;
        for (number, letter) in ['c', 'r', 'u', 'd', 's'].into_iter().enumerate() {
            if let Some(after) = rest.strip_prefix(letter) {
                rest = after;
                bits |= 1 << number;
            }
        }
        (rest.is_empty() && bits != 0).then_some(Letters(bits))
    }

    /// In SMART's order.
    pub fn text(self) -> String {
        let letters = ['c', 'r', 'u', 'd', 's'].into_iter().enumerate();
        let held = letters.filter(|(number, _)| self.0 & (1 << number) != 0);
        held.map(|(_, letter)| letter).collect()
    }

    pub fn has(self, letter: Letter) -> bool {
        self.0 & letter.bit() != 0
    }

    /// Whether it holds all of those.
    pub fn covers(self, letters: Letters) -> bool {
        self.0 & letters.0 == letters.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Without what changes records.
    #[must_use]
    pub fn to_look(self) -> Letters {
        Letters(self.0 & READ_AND_SEARCH.0)
    }

    fn of(letter: Letter) -> Letters {
        Letters(letter.bit())
    }
}

/// A value of a token search parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIs {
    pub system: Option<String>,
    pub code: String,
}

/// One search restriction: the parameter has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    pub parameter: String,
    pub any_of: Vec<TokenIs>,
}

/// What one granted scope allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The one type, or all.
    pub ty: Option<String>,
    pub letters: Letters,
    /// Only what is in this patient's compartment.
    pub patient: Option<String>,
    /// Only what has all of these. A rule with a restriction or a patient never changes anything.
    pub only: Vec<Only>,
}

impl Rule {
    pub fn is_of(&self, ty: &str) -> bool {
        self.ty.as_deref().is_none_or(|own| own == ty)
    }
}

/// What the token of an app allows, on top of what its user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The app's name, for the audit log.
    pub app: String,
    pub client: String,
    pub rules: Vec<Rule>,
}

/// Types that an interaction asks of all at once.
const OF_ANY: [&str; 3] = ["", "Resource", "Bundle"];

impl Granted {
    /// Whether any of this may be asked. Which rows are then seen is `Scope::granted_rows`.
    ///
    /// # Errors
    /// `Forbidden`, for what no granted scope covers.
    pub fn may(&self, interaction: Interaction, ty: &str) -> Result<(), Problem> {
        let letters = match interaction {
            Interaction::Terminology | Interaction::Batch | Interaction::Transaction => {
                return Ok(());
            }
            Interaction::Create => Letters::of(Letter::Create),
            Interaction::Update | Interaction::Patch => Letters::of(Letter::Update),
            Interaction::Delete => Letters::of(Letter::Delete),
            // A job goes on in the name of the account alone: only who was granted all may start one.
            Interaction::Export => {
                let whole = |rule: &Rule| {
                    rule.ty.is_none()
                        && rule.only.is_empty()
                        && rule.patient.is_none()
                        && rule.letters.covers(READ_AND_SEARCH)
                };
                return allowed(self.rules.iter().any(whole));
            }
            Interaction::Read
            | Interaction::Vread
            | Interaction::HistoryInstance
            | Interaction::HistoryType
            | Interaction::HistorySystem
            | Interaction::Search
            | Interaction::Everything
            | Interaction::LastN
            | Interaction::Match
            | Interaction::Document => Granted::letters_to_look(interaction),
            // The pages', and what sets up the node.
            _ => return allowed(false),
        };
        let mut rules = self.rules_with(letters);
        allowed(rules.any(|rule| OF_ANY.contains(&ty) || rule.is_of(ty)))
    }

    /// The letters by which a rule shows rows in that interaction. A look on the way to a change (a
    /// condition, the version before a patch) shows what may be both read and searched.
    pub(crate) fn letters_to_look(interaction: Interaction) -> Letters {
        match interaction {
            Interaction::Read | Interaction::Vread | Interaction::HistoryInstance => {
                Letters::of(Letter::Read)
            }
            Interaction::Search
            | Interaction::LastN
            | Interaction::Match
            | Interaction::HistoryType
            | Interaction::HistorySystem => Letters::of(Letter::Search),
            _ => READ_AND_SEARCH,
        }
    }

    pub(crate) fn rules_with(&self, letters: Letters) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.letters.covers(letters))
    }

    pub(crate) fn may_change(&self, ty: &str, letter: Letter) -> Result<(), Problem> {
        let mut rules = self.rules_with(Letters::of(letter));
        allowed(rules.any(|rule| rule.is_of(ty) && rule.only.is_empty() && rule.patient.is_none()))
    }
}

fn allowed(may: bool) -> Result<(), Problem> {
    if may {
        return Ok(());
    }
    let message = "The app was not granted this; it needs another scope.";
    Err(Problem::new(Kind::Forbidden, message))
}
