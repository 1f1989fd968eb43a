//! One questionnaire that somebody is asked to answer, with what is known of it: the form, what it begins with, what its reader
//! has written so far, and the answers that were handed in.

use std::collections::BTreeMap;

use access::Scope;
use fhir::date::Millis;
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::questionnaire::{
    self, Answered, Answerer, Answers, Fields, Form, Posted, Prefilled, same,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::forms::FormWrite;
use store::{Effect, Job, Reading};

use super::{gone, load, said, writer};
use crate::form;
use crate::node::Node;
use crate::page::tongue::Language;
use crate::record::json;
use crate::visit::Visit;

/// What somebody has written and not handed in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub(crate) struct Draft {
    /// The Questionnaire, and the version of it, that it answers.
    pub of: String,
    pub fields: Fields,
    /// What the questions began with, and where that came from, in English.
    pub prefilled: BTreeMap<String, (Vec<Value>, String)>,
}

pub(crate) struct Sheet {
    pub id: String,
    pub ask: questionnaire::Ask,
    pub task: Value,
    pub version: u64,
    /// The form as the Questionnaire has it, and with the copies of its groups that were filled in.
    pub base: Form,
    pub form: Form,
    /// Names the Questionnaire and its version: what was written for another is not taken for this one.
    pub of: String,
    pub prefilled: BTreeMap<String, Prefilled>,
    /// Something that the form is prefilled from is not shown to its reader.
    pub is_partial: bool,
    /// What was handed in, and its version.
    pub response: Option<(Value, u64)>,
    pub draft: Option<Draft>,
    /// What was written was written for other questions, and is left out.
    pub is_outdated: bool,
    now: Millis,
}

/// The Task, its version and what it asks, as far as the scope shows it.
///
/// # Errors
/// `NotFound` for any other Task; those of the store.
pub(crate) async fn asked(
    node: &Node,
    scope: &Scope,
    id: &str,
) -> Result<(Value, u64, questionnaire::Ask), Problem> {
    fhir::resource::check_id(id).map_err(|_| gone())?;
    let Reading::Found(version) = node.store.read(scope, "Task", id).await? else {
        return Err(gone());
    };
    let task = json(&version)?;
    let ask = questionnaire::ask(&task).ok_or_else(gone)?;
    Ok((task, version.version, ask))
}

impl Sheet {
    /// Loads it for who reads under that scope.
    ///
    /// # Errors
    /// `NotFound`; those of the form, the decision and the store.
    pub(crate) async fn load(
        node: &Node,
        visit: &Visit,
        scope: &Scope,
        id: &str,
    ) -> Result<Sheet, Problem> {
        let (task, version, ask) = asked(node, scope, id).await?;
        // Without the patient nothing of them is shown, and nothing is written about them.
        if visit.on_staff_pages() {
            let Reading::Found(_) = node.store.read(scope, "Patient", &ask.patient).await? else {
                return Err(gone());
            };
        }
        let response = match ask.response.as_str() {
            "" => None,
            id => match node.store.read(scope, "QuestionnaireResponse", id).await? {
                Reading::Found(found) => Some((json(&found)?, found.version)),
                _ => None,
            },
        };
        // What was answered is read with the questions that were asked.
        let canonical = match &response {
            Some((response, _)) => text(response, "/questionnaire").to_owned(),
            None => ask.canonical.clone(),
        };
        let (form, of) = load::form(&node.store, &canonical).await?;
        let of = format!("{}/{of}", form.id);
        let record = match ask.is_open() {
            true => load::record(node, visit, &ask.patient, &form).await?,
            false => load::Record::default(),
        };
        let (account, _) = writer(visit)?;
        let kept = node.store.form_draft(scope, id, account).await?;
        let kept: Option<Draft> = kept.and_then(|it| serde_json::from_str(&it).ok());
        let is_outdated = kept.as_ref().is_some_and(|it| it.of != of);
        let draft = kept.filter(|_| !is_outdated);
        let copied = match (&draft, &response) {
            (Some(draft), _) => form.copied(&draft.fields),
            (None, Some((response, _))) => form.copied_for(response),
            (None, None) => form.clone(),
        };
        Ok(Sheet {
            id: id.to_owned(),
            prefilled: form.prefill(&record.resources, visit.now),
            is_partial: record.is_partial,
            ask,
            task,
            version,
            form: copied,
            base: form,
            now: visit.now,
            of,
            response,
            draft,
            is_outdated,
        })
    }

    /// What the questions begin with, by linkId.
    fn beginnings(&self) -> Answers {
        let begins = self.prefilled.iter();
        begins
            .map(|(link, it)| (link.clone(), it.answers.clone()))
            .collect()
    }

    /// What stands in the fields: what was written, or what was handed in, or what the questions begin with.
    pub(crate) fn fields(&self) -> Fields {
        if let Some(draft) = &self.draft {
            return draft.fields.clone();
        }
        match self.answered() {
            Some(answered) => self.form.fields_of(&answered.answers, &said::local),
            None => self.form.fields_of(&self.beginnings(), &said::local),
        }
    }

    /// What was handed in.
    pub(crate) fn answered(&self) -> Option<Answered> {
        let (response, _) = self.response.as_ref()?;
        Some(Answered::read(&self.base.copied_for(response), response))
    }

    /// The form with the copies of its groups that were handed in.
    pub(crate) fn form_answered(&self) -> Form {
        match &self.response {
            Some((response, _)) => self.base.copied_for(response),
            None => self.base.clone(),
        }
    }

    /// What those fields say.
    pub(crate) fn read(&self, fields: &Fields) -> Posted {
        let fixed = match self.answered() {
            Some(answered) => answered.answers,
            None => self.beginnings(),
        };
        self.form
            .read_fields(fields, &fixed, (&said::zone, self.now))
    }

    /// What was written now, as a draft: what the questions began with stays what it was when it was first kept.
    pub(crate) fn written(&self, fields: Fields) -> Draft {
        let begins = match &self.draft {
            Some(draft) => draft.prefilled.clone(),
            None => self.begins(),
        };
        Draft {
            of: self.of.clone(),
            fields,
            prefilled: begins,
        }
    }

    /// What the record says, with where it stands, in English: staff read it.
    fn begins(&self) -> BTreeMap<String, (Vec<Value>, String)> {
        let begins = self.prefilled.iter().filter_map(|(link, it)| {
            let source = said::source(Language::English, &it.source)?;
            Some((link.clone(), (it.answers.clone(), source)))
        });
        begins.collect()
    }

    /// Which answers stand as they were prefilled, and from where.
    pub(crate) fn unchanged(&self, draft: &Draft, answers: &Answers) -> BTreeMap<String, String> {
        let mut unchanged = BTreeMap::new();
        for (link, given) in answers {
            let Some((began, source)) = draft.prefilled.get(link) else {
                continue;
            };
            let alike =
                began.len() == given.len() && began.iter().zip(given).all(|(a, b)| same(a, b));
            if alike {
                unchanged.insert(link.clone(), source.clone());
            }
        }
        // What stood in answers before and was not touched stays marked.
        if let Some(before) = self.answered() {
            for (link, source) in before.prefilled {
                if before.answers.get(&link) == answers.get(&link) {
                    unchanged.insert(link, source);
                }
            }
        }
        unchanged
    }

    /// Keeps what was written.
    ///
    /// # Errors
    /// `Conflict` if nobody is asked any more; those of the store.
    pub(crate) async fn keep(
        &self,
        node: &Node,
        visit: &Visit,
        scope: &Scope,
        draft: &Draft,
    ) -> Result<(), Problem> {
        let (account, _) = writer(visit)?;
        let body = serde_json::to_string(draft);
        let body = body.map_err(|error| {
            Problem::new(Kind::Exception, "What was written cannot be kept.").because(error)
        })?;
        let write = FormWrite::Keep {
            task: self.id.clone(),
            account,
            body,
        };
        let job = Job {
            traces: vec![self.trace(scope)],
            ..Job::effect(Effect::Form(write))
        };
        node.store.commit(scope, job).await.map(|_| ())
    }

    /// A line of the log about work on it.
    pub(crate) fn trace(&self, scope: &Scope) -> access::AuditEntry {
        let target = access::Target {
            ty: "Task".into(),
            id: Some(self.id.clone()),
            patient: Some(self.ask.patient.clone()),
            ..access::Target::default()
        };
        scope.trace(scope.interaction(), access::Outcome::Success, target)
    }

    pub(crate) fn by_patient(&self) -> bool {
        self.ask.by == Answerer::Patient
    }
}

impl Sheet {
    /// The form's own fields of what was posted, with a copy of a group added or taken away if that is what was pressed; the form
    /// has its groups' copies by them from then on.
    pub(crate) fn posted(&mut self, fields: &form::Fields) -> Fields {
        let mut own = self.base.own_fields(fields.all());
        let pressed = fields.text("do");
        if let Some(group) = pressed.strip_prefix("add:") {
            self.base.copied(&own).add_copy(&mut own, group);
        }
        if let Some((group, copy)) = pressed
            .strip_prefix("remove:")
            .and_then(|it| it.split_once(':'))
        {
            let copy = copy.parse().unwrap_or_default();
            self.base.remove_copy(&mut own, group, copy);
        }
        self.form = self.base.copied(&own);
        own
    }
}

/// Whether what was pressed adds a copy of a group, or takes one away.
pub(crate) fn changes_copies(pressed: &str) -> bool {
    pressed.starts_with("add:") || pressed.starts_with("remove:")
}
