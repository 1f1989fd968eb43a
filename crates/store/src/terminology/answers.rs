//! Answers for those who cannot wait: validators. What is known is answered at once; what is not is
//! noted, looked up in between, and asked again.

use std::collections::HashMap;

use access::{Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use fhir::terminology::{Base, Membership, Subsumption, Terminology, Unknown};
use parking_lot::{Mutex, RwLock};

use super::Asked;
use super::validate::Coded;
use crate::sql::Sql;
use crate::store::Store;

/// Answers kept, and questions of one round.
const KEPT_MAX: usize = 50_000;
const ROUND_MAX: usize = 2000;
/// Rounds for one piece of work; what is asked then is not known.
const ROUNDS_MAX: usize = 4;

/// What was asked: whether a code is in a value set (`set`) or in its own system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    set: Option<String>,
    system: Option<String>,
    code: String,
}

/// What was answered since terminology last changed.
#[derive(Debug, Default)]
pub struct Answers {
    known: RwLock<(i64, HashMap<Question, Membership>)>,
}

/// One piece of work's view of them.
struct Round<'a> {
    answers: &'a Answers,
    asked: Mutex<Vec<Question>>,
}

impl Round<'_> {
    fn ask(&self, question: Question) -> Membership {
        if let Some(known) = self.answers.known.read().1.get(&question) {
            return known.clone();
        }
        // R4's own value sets need no store.
        if let Some(set) = &question.set
            && let Membership::Yes = Base.member(set, question.system.as_deref(), &question.code)
        {
            return Membership::Yes;
        }
        let mut asked = self.asked.lock();
        if asked.len() < ROUND_MAX {
            asked.push(question);
        }
        Membership::Unknown(Unknown::TooCostly)
    }
}

impl Terminology for Round<'_> {
    fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        let system = system.map(str::to_string);
        self.ask(Question {
            set: Some(value_set.to_string()),
            system,
            code: code.to_string(),
        })
    }

    fn known(&self, system: &str, code: &str) -> Membership {
        self.ask(Question {
            set: None,
            system: Some(system.to_string()),
            code: code.to_string(),
        })
    }

    fn subsumption(&self, system: &str, a: &str, b: &str) -> Option<Subsumption> {
        Base.subsumption(system, a, b)
    }
}

impl Store {
    /// Does work that asks about codes. It may be done up to four times: it is done again as long as
    /// it asked what was not known, after that was looked up. It must therefore change nothing.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn with_terminology<T>(
        &self,
        work: impl Fn(&dyn Terminology) -> T,
    ) -> Result<T, Problem> {
        let answers = self.terminology_memory().answers.clone();
        self.refresh(&answers).await?;
        for _ in 0..ROUNDS_MAX {
            let round = Round {
                answers: &answers,
                asked: Mutex::default(),
            };
            let done = work(&round);
            let asked = round.asked.into_inner();
            if asked.is_empty() {
                return Ok(done);
            }
            for question in asked {
                let answer = self.answer(&question).await?;
                let mut known = answers.known.write();
                if known.1.len() < KEPT_MAX {
                    known.1.insert(question, answer);
                }
            }
        }
        Ok(work(&Round {
            answers: &answers,
            asked: Mutex::default(),
        }))
    }

    /// Drops what was answered before a change.
    async fn refresh(&self, answers: &Answers) -> Result<(), Problem> {
        let sql = Sql::new("SELECT next FROM counter WHERE name = 'terminology'");
        let now = self
            .rows(&sql)
            .await?
            .first()
            .map_or(Ok(0), |row| row.int(0))?;
        let (known, is_full) = {
            let known = answers.known.read();
            (known.0, known.1.len() >= KEPT_MAX)
        };
        if known != now || is_full {
            *answers.known.write() = (now, HashMap::new());
        }
        Ok(())
    }

    async fn answer(&self, question: &Question) -> Result<Membership, Problem> {
        let scope = Scope::system(SystemPurpose::Terminology);
        let coded = Coded {
            system: question.system.as_deref(),
            version: None,
            code: &question.code,
            display: None,
        };
        let (found, unknown) = match &question.set {
            Some(set) => (
                self.validate_code(&scope, Asked::Url(set), coded).await,
                Unknown::ValueSet,
            ),
            None => (
                self.validate_in_system(&scope, coded).await,
                Unknown::CodeSystem,
            ),
        };
        match found {
            Ok(found) if found.result => Ok(Membership::Yes),
            Ok(_) if question.set.is_none() => self.outside(&scope, &question.system).await,
            Ok(_) => Ok(Membership::No),
            Err(problem) => match problem.kind {
                Kind::NotFound | Kind::CodeInvalid => Ok(Membership::Unknown(unknown)),
                Kind::TooCostly | Kind::NotSupported | Kind::Value => {
                    Ok(Membership::Unknown(Unknown::TooCostly))
                }
                _ => Err(problem),
            },
        }
    }

    /// A code that a system does not have here: wrong only if all of it is here.
    async fn outside(&self, scope: &Scope, system: &Option<String>) -> Result<Membership, Problem> {
        let system = self
            .system(scope, system.as_deref().unwrap_or_default(), None)
            .await?;
        match system.is_some_and(|system| system.is_whole()) {
            true => Ok(Membership::No),
            false => Ok(Membership::Unknown(Unknown::CodeSystem)),
        }
    }
}
