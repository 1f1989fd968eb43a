//! Questionnaires are about nobody: they are read by the node itself, for whoever answers them and for rules that ask by them
//! (`docs/questionnaires.md`).

use access::{Scope, SystemPurpose};
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::questionnaire::{CODINGS_MAX, Choice, Form, title};
use fhir::search::{Clause, Criterion, Search};
use serde_json::Value;
use store::terminology::{Asked, ExpansionOptions};
use store::{Reading, Store, Version};

use crate::taking_in::passes;

/// Questionnaires of an organisation that are looked through.
const FORMS_MAX: usize = 500;
const PAGE: u32 = 200;

fn own() -> Scope {
    Scope::system(SystemPurpose::ReadQuestionnaires)
}

/// A Questionnaire of this node's, and the version of it that was read.
pub struct Found {
    pub id: String,
    pub version: u64,
    pub resource: Value,
}

impl Found {
    fn of(version: &Version) -> Result<Found, Problem> {
        let resource = serde_json::from_slice(&version.body).map_err(|error| {
            Problem::new(Kind::Exception, "A stored questionnaire does not read.").because(error)
        })?;
        Ok(Found {
            id: version.id.clone(),
            version: version.version,
            resource,
        })
    }

    pub fn is_active(&self) -> bool {
        text(&self.resource, "/status") == "active"
    }
}

async fn found(store: &Store, mut search: Search) -> Result<Vec<Found>, Problem> {
    let scope = own();
    let mut found = Vec::new();
    loop {
        let page = store.search(&scope, &search).await?;
        for version in &page.entries {
            found.push(Found::of(version)?);
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= FORMS_MAX {
            return Ok(found);
        }
    }
}

/// All that are here, by title.
///
/// # Errors
/// Those of the store.
pub async fn all(store: &Store) -> Result<Vec<Found>, Problem> {
    let mut all = found(store, Search::all("Questionnaire", PAGE)).await?;
    all.sort_by(|a, b| {
        title(&a.resource)
            .cmp(title(&b.resource))
            .then(a.id.cmp(&b.id))
    });
    Ok(all)
}

/// The Questionnaire of that canonical: of several versions the one that is named, or else the newest that is active.
///
/// # Errors
/// Those of the store.
pub async fn of_canonical(store: &Store, canonical: &str) -> Result<Option<Found>, Problem> {
    let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
    let mut search = Search::all("Questionnaire", PAGE);
    search
        .clauses
        .push(Clause::one("url", Criterion::Uri(url.to_owned())));
    let mut all = found(store, search).await?;
    all.retain(|it| version.is_empty() || text(&it.resource, "/version") == version);
    let dated = |it: &Found| {
        let version = text(&it.resource, "/version").to_owned();
        (
            it.is_active(),
            text(&it.resource, "/date").to_owned(),
            version,
        )
    };
    all.sort_by_key(dated);
    Ok(all.pop())
}

/// The form of that canonical, and the version of the Questionnaire that it was made from.
///
/// # Errors
/// `NotFound`; what `Form::read` refuses; those of the store.
pub async fn form(store: &Store, canonical: &str) -> Result<(Form, u64), Problem> {
    let chosen = of_canonical(store, canonical).await?.ok_or_else(|| {
        let message = "The questionnaire that was asked for is not here.";
        Problem::new(Kind::NotFound, message)
    })?;
    read(store, &chosen).await
}

/// The form of that id; `None` where there is no such Questionnaire.
///
/// # Errors
/// As `form`.
pub async fn by_id(store: &Store, id: &str) -> Result<Option<(Form, u64)>, Problem> {
    match store.read(&own(), "Questionnaire", id).await? {
        Reading::Found(version) => read(store, &Found::of(&version)?).await.map(Some),
        _ => Ok(None),
    }
}

/// Whether somebody can be asked by it: it is here, active, and can be answered here.
///
/// # Errors
/// `BusinessRule` with the reason and what to do, naming the questionnaire; those of the store.
pub async fn askable(store: &Store, canonical: &str) -> Result<(), Problem> {
    let refused = |message: String| Err(Problem::new(Kind::BusinessRule, message));
    let Some(found) = of_canonical(store, canonical).await? else {
        return refused(format!(
            "The questionnaire {canonical} is not here. Put it here first, over the FHIR door or by a blueprint."
        ));
    };
    let title = title(&found.resource);
    if !found.is_active() {
        let status = text(&found.resource, "/status");
        return refused(format!(
            "The questionnaire “{title}” cannot be asked: its status is “{status}”. Whoever writes it makes it active first."
        ));
    }
    match read(store, &found).await {
        Ok(_) => Ok(()),
        Err(problem) if passes(&problem) || problem.kind == Kind::Exception => Err(problem),
        Err(problem) => refused(format!(
            "The questionnaire “{title}” cannot be answered here: {problem}. Whoever writes it puts that right first; see Questionnaires."
        )),
    }
}

async fn read(store: &Store, found: &Found) -> Result<(Form, u64), Problem> {
    let mut form = Form::read(&found.resource)?;
    let asked = form.questions.iter().map(|it| it.value_set.clone());
    let mut value_sets: Vec<String> = asked.filter(|it| !it.is_empty()).collect();
    value_sets.sort();
    value_sets.dedup();
    for value_set in value_sets {
        let choices = choices(store, &value_set).await?;
        form.offer(&value_set, &choices);
    }
    Ok((form, found.version))
}

/// The answers that a value set holds.
async fn choices(store: &Store, value_set: &str) -> Result<Vec<Choice>, Problem> {
    let options = ExpansionOptions {
        count: u64::try_from(CODINGS_MAX).ok(),
        active_only: true,
        ..ExpansionOptions::default()
    };
    let (url, _) = value_set.split_once('|').unwrap_or((value_set, ""));
    let expanded = store.expand(&own(), Asked::Url(url), &options).await?;
    if expanded.total > options.count.unwrap_or_default() {
        let message =
            format!("The value set {url} has more than {CODINGS_MAX} answers to choose among.");
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let codes = expanded.codes.iter();
    Ok(codes
        .map(|it| Choice::coding(&it.system, &it.code, &it.display))
        .collect())
}
