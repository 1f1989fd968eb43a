//! Topics (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/topic-resources.html>): in R4 a
//! SubscriptionTopic is a Basic with R5's elements as extensions. What a topic says is held to; what
//! it says that the node does not do is refused when the topic is stored.

use fhir::definitions::Definitions;
use fhir::fhirpath::Expression;
use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};

use super::event::Event;

/// R5's elements, as extensions of R4's Basic.
const ELEMENT: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.";
const CODES: &str = "http://hl7.org/fhir/fhir-types";
const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Parameters that can be filtered by, and includes, at most.
const ITEMS_MAX: usize = 50;
/// Bytes of a FHIRPath.
const PATH_BYTES_MAX: usize = 4000;

/// What a topic says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What subscriptions name it by.
    pub url: String,
    /// The type that it is of.
    pub ty: String,
    pub creates: bool,
    pub updates: bool,
    pub deletes: bool,
    /// What a resource must match.
    pub query: String,
    /// What the version before must have matched.
    pub previous: String,
    /// Whether both have to; else one is enough.
    pub both: bool,
    /// What counts as the answer of `previous` for what was created, and of `query` for what was
    /// deleted; where nothing is said, that question is left out.
    pub on_create: Option<bool>,
    pub on_delete: Option<bool>,
    /// FHIRPath that has to hold, over `%previous` and `%current`.
    pub path: String,
    /// What may be filtered by: a parameter a line, and its modifiers, all parted by spaces.
    pub filters: String,
    /// What is told besides: `_include=…&_revinclude=…`.
    pub shape: String,
}

pub(super) fn refused(message: impl Into<String>) -> Problem {
    Problem::new(Kind::Invalid, message).at("Basic.extension")
}

pub(super) fn not_done(message: impl Into<String>) -> Problem {
    Problem::new(Kind::NotSupported, message).at("Basic.extension")
}

pub(super) fn inner<'j>(of: &'j Json<'j>, name: &'j str) -> impl Iterator<Item = &'j Json<'j>> {
    let all = of.items("extension").iter();
    all.filter(move |it| it.text("url").is_some_and(|url| url == name))
}

/// The value of the first inner extension of that name, whatever primitive it is.
fn value<'j>(of: &'j Json<'j>, name: &'j str) -> Option<&'j str> {
    let found = inner(of, name).next()?;
    ["valueUri", "valueCanonical", "valueCode", "valueString"]
        .iter()
        .find_map(|it| found.text(it))
}

fn parts<'j>(basic: &'j Json<'j>, name: &'static str) -> impl Iterator<Item = &'j Json<'j>> {
    let all = basic.items("extension").iter();
    all.filter(move |it| {
        let url = it.text("url").and_then(|url| url.strip_prefix(ELEMENT));
        url == Some(name)
    })
}

impl Topic {
    /// Reads a Basic; nothing if it is no topic.
    ///
    /// # Errors
    /// `Invalid` or `NotSupported`, saying what is wrong or not done.
    pub(crate) fn of(basic: &Json<'_>) -> Result<Option<Topic>, Problem> {
        let code = basic.get("code");
        let is_topic = code.is_some_and(|code| {
            code.items("coding").iter().any(|coding| {
                coding.text("system") == Some(CODES)
                    && coding.text("code") == Some("SubscriptionTopic")
            })
        });
        if !is_topic {
            return Ok(None);
        }
        let url = parts(basic, "url").next();
        let url = url.and_then(|it| it.text("valueUri")).unwrap_or_default();
        if !url.contains(':') || url.len() > 500 {
            return Err(refused(format!(
                "A topic needs an address: {ELEMENT}url with a valueUri."
            )));
        }
        let mut changes = parts(basic, "resourceTrigger");
        let mut events = parts(basic, "eventTrigger");
        let all = (changes.next(), changes.next(), events.next(), events.next());
        let mut topic = match all {
            (Some(trigger), None, None, None) => Topic::triggered(url, trigger)?,
            (None, None, Some(trigger), None) => Topic::of_event(url, trigger)?,
            _ => {
                let message =
                    "A topic has exactly one trigger here: a resourceTrigger or an eventTrigger.";
                return Err(not_done(message));
            }
        };
        topic.filters = topic.filtered_by(basic)?;
        topic.shape = topic.shaped(basic)?;
        Ok(Some(topic))
    }

    /// A topic without conditions.
    fn plain(url: &str, ty: String) -> Topic {
        Topic {
            url: url.to_string(),
            ty,
            creates: false,
            updates: false,
            deletes: false,
            query: String::new(),
            previous: String::new(),
            both: false,
            on_create: None,
            on_delete: None,
            path: String::new(),
            filters: String::new(),
            shape: String::new(),
        }
    }

    /// An event is what it makes of resources.
    fn of_event(url: &str, trigger: &Json<'_>) -> Result<Topic, Problem> {
        let ty = type_of(trigger)?;
        let event = Event::of(trigger, &ty)?;
        Ok(Topic {
            creates: event.creates(),
            updates: event.updates(),
            deletes: event.deletes(),
            path: event.path.to_string(),
            ..Topic::plain(url, ty)
        })
    }

    fn triggered(url: &str, trigger: &Json<'_>) -> Result<Topic, Problem> {
        let ty = type_of(trigger)?;
        let all = inner(trigger, "supportedInteraction").filter_map(|it| it.text("valueCode"));
        let all: Vec<&str> = all.collect();
        let known = ["create", "update", "delete"];
        if let Some(other) = all.iter().find(|it| !known.contains(it)) {
            return Err(not_done(format!(
                "supportedInteraction is create, update or delete, not {other}."
            )));
        }
        let path = inner(trigger, "fhirPathCriteria").next();
        let path = path.and_then(|it| it.text("valueString"));
        let mut topic = Topic {
            creates: all.is_empty() || all.contains(&"create"),
            updates: all.is_empty() || all.contains(&"update"),
            deletes: all.contains(&"delete"),
            path: path.unwrap_or_default().to_string(),
            ..Topic::plain(url, ty)
        };
        if let Some(criteria) = inner(trigger, "queryCriteria").next() {
            topic.asks(criteria)?;
        }
        topic.asks_by_path()?;
        Ok(topic)
    }

    /// `queryCriteria`.
    fn asks(&mut self, criteria: &Json<'_>) -> Result<(), Problem> {
        let text = |name| value(criteria, name).unwrap_or_default().to_string();
        (self.query, self.previous) = (text("current"), text("previous"));
        self.on_create = counts(criteria, "resultForCreate")?;
        self.on_delete = counts(criteria, "resultForDelete")?;
        let both = inner(criteria, "requireBoth").next();
        self.both = both.and_then(|it| it.get("valueBoolean")?.as_bool()) == Some(true);
        searched(&self.ty, &self.query)?;
        let alone = |what: &str| {
            not_done(format!(
                "{what} may not lead to other resources or ask a terminology: it is asked of a version that is not the current one."
            ))
        };
        if !searched(&self.ty, &self.previous)?.is_told_alone() {
            return Err(alone("queryCriteria.previous"));
        }
        let asks_the_deleted = self.deletes && self.previous.is_empty() && self.on_delete.is_none();
        if asks_the_deleted && !searched(&self.ty, &self.query)?.is_told_alone() {
            return Err(alone("queryCriteria.current of what is deleted"));
        }
        Ok(())
    }

    /// `fhirPathCriteria`.
    fn asks_by_path(&self) -> Result<(), Problem> {
        if self.path.len() > PATH_BYTES_MAX {
            return Err(refused("fhirPathCriteria is too long."));
        }
        if self.path.is_empty() {
            return Ok(());
        }
        match Expression::compile(&self.path, Definitions::r4()) {
            Ok(_) => Ok(()),
            Err(reason) => Err(refused(format!(
                "fhirPathCriteria does not read: {reason}."
            ))),
        }
    }

    /// Whether a change has to be looked at together with the version before it.
    pub fn looks_back(&self) -> bool {
        self.deletes || !self.previous.is_empty() || !self.path.is_empty()
    }

    /// What comes of its queries: whether the version of now and the one before match, as far as each
    /// is asked.
    pub fn is_met(&self, current: Option<bool>, previous: Option<bool>) -> bool {
        match (current, previous) {
            (Some(current), Some(previous)) if self.both => current && previous,
            (Some(current), Some(previous)) => current || previous,
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => true,
        }
    }

    fn filtered_by(&self, basic: &Json<'_>) -> Result<String, Problem> {
        let mut lines = Vec::new();
        for by in parts(basic, "canFilterBy") {
            if value(by, "resource").is_some() && type_of(by)? != self.ty {
                return Err(not_done("canFilterBy is of the type of the trigger."));
            }
            let name = value(by, "filterParameter").unwrap_or_default();
            if !is_word(name) {
                return Err(refused("canFilterBy needs a filterParameter."));
            }
            let modifiers = inner(by, "modifier").filter_map(|it| it.text("valueCode"));
            let mut line = vec![name];
            for modifier in modifiers {
                if !is_word(modifier) {
                    return Err(refused("A modifier of canFilterBy does not read."));
                }
                line.push(modifier);
            }
            lines.push(line.join(" "));
        }
        if lines.len() > ITEMS_MAX {
            return Err(refused("A topic has at most 50 of canFilterBy."));
        }
        Ok(lines.join("\n"))
    }

    fn shaped(&self, basic: &Json<'_>) -> Result<String, Problem> {
        let mut shape = form_urlencoded::Serializer::new(String::new());
        let mut count = 0;
        for told in parts(basic, "notificationShape") {
            if type_of(told)? != self.ty {
                return Err(not_done("notificationShape is of the type of the trigger."));
            }
            for (name, parameter) in [("include", "_include"), ("revInclude", "_revinclude")] {
                for item in inner(told, name).filter_map(|it| it.text("valueString")) {
                    shape.append_pair(parameter, item);
                    count += 1;
                }
            }
        }
        if count > ITEMS_MAX {
            return Err(refused("A topic has at most 50 includes."));
        }
        let shape = shape.finish();
        searched(&self.ty, &shape).map(|_| ())?;
        Ok(shape)
    }

    /// Whether a subscription may filter by that query.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter and what may be filtered by.
    pub fn allows(&self, query: &str) -> Result<(), Problem> {
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            let (name, modifier) = name.split_once(':').unwrap_or((&name, ""));
            let fits = |line: &str| {
                let mut words = line.split(' ');
                words.next() == Some(name)
                    && (modifier.is_empty() || words.any(|it| it == modifier))
            };
            if !self.filters.lines().any(fits) {
                let known: Vec<&str> = self
                    .filters
                    .lines()
                    .filter_map(|it| it.split(' ').next())
                    .collect();
                let known = match known.is_empty() {
                    true => "nothing".to_string(),
                    false => known.join(", "),
                };
                let message = format!(
                    "The topic is not filtered by {name} in that way; it can be filtered by {known}."
                );
                return Err(Problem::new(Kind::Invalid, message).at("Subscription.criteria"));
            }
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
}

fn type_of(part: &Json<'_>) -> Result<String, Problem> {
    let named = value(part, "resource").unwrap_or_default();
    let ty = named.strip_prefix(BASE).unwrap_or(named);
    if !Definitions::r4().is_resource(ty) || ty == "Subscription" {
        return Err(refused(format!(
            "A resource of a topic is a type of R4, such as {BASE}Observation."
        )));
    }
    Ok(ty.to_string())
}

/// What a result for creations or deletions counts as.
fn counts(criteria: &Json<'_>, name: &str) -> Result<Option<bool>, Problem> {
    match value(criteria, name) {
        None => Ok(None),
        Some("test-passes") => Ok(Some(true)),
        Some("test-fails") => Ok(Some(false)),
        Some(_) => Err(refused(format!("{name} is test-passes or test-fails."))),
    }
}

fn searched(ty: &str, query: &str) -> Result<Search, Problem> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    Search::parse(ty, &pairs, "", &Limits::default()).map_err(|problem| refused(problem.message))
}

#[cfg(test)]
mod tests {
    use fhir::json::{Limits as JsonLimits, parse};

    use super::*;

    const RESOURCE: &str =
        r#"{"url":"resource","valueUri":"http://hl7.org/fhir/StructureDefinition/Encounter"}"#;

    fn topic(triggers: &[String]) -> Result<Topic, Problem> {
        let text = format!(
            r#"{{"resourceType":"Basic","code":{{"coding":[{{"system":"{CODES}","code":"SubscriptionTopic"}}]}},
            "extension":[{{"url":"{ELEMENT}url","valueUri":"urn:topic"}}{}]}}"#,
            triggers.concat()
        );
        let basic = parse(text.as_bytes(), &JsonLimits::default()).unwrap();
        Topic::of(&basic).map(Option::unwrap)
    }

    fn event(codings: &str) -> String {
        format!(
            r#",{{"url":"{ELEMENT}eventTrigger","extension":[{RESOURCE},{{"url":"event","valueCodeableConcept":{{"coding":[{codings}]}}}}]}}"#
        )
    }

    fn v2(code: &str) -> String {
        format!(r#"{{"system":"http://terminology.hl7.org/CodeSystem/v2-0003","code":"{code}"}}"#)
    }

    #[test]
    fn a_topic_of_an_event_is_one_of_the_changes_that_make_it() {
        let admitted = topic(&[event(&v2("A01"))]).unwrap();
        let kinds = (admitted.creates, admitted.updates, admitted.deletes);
        assert_eq!(kinds, (true, true, false));
        assert_eq!(admitted.ty, "Encounter");
        assert!(admitted.path.contains("in-progress") && admitted.looks_back());
        let rest = r#"{"system":"urn:own","code":"x"},{"system":"http://hl7.org/fhir/restful-interaction","code":"delete"}"#;
        let gone = topic(&[event(rest)]).unwrap();
        let kinds = (gone.creates, gone.updates, gone.deletes);
        assert_eq!((kinds, gone.path.as_str()), ((false, false, true), ""));
        let changed = topic(&[event(
            r#"{"system":"http://hl7.org/fhir/restful-interaction","code":"update"}"#,
        )]);
        let changed = changed.unwrap();
        assert_eq!((changed.creates, changed.updates), (false, true));
    }

    #[test]
    fn what_is_no_event_here_is_refused_with_those_that_are() {
        let refused = topic(&[event(&v2("A17"))]).unwrap_err();
        assert_eq!(refused.kind, Kind::NotSupported);
        assert!(refused.message.contains("A01, A04"), "{}", refused.message);
        let change = format!(r#",{{"url":"{ELEMENT}resourceTrigger","extension":[{RESOURCE}]}}"#);
        for (triggers, expected) in [
            (vec![], Kind::NotSupported),
            (
                vec![event(&v2("A01")), event(&v2("A03"))],
                Kind::NotSupported,
            ),
            (vec![change.clone(), event(&v2("A01"))], Kind::NotSupported),
            (vec![change.clone(), change], Kind::NotSupported),
            (vec![event("")], Kind::Invalid),
            (vec![event(&v2("R01"))], Kind::NotSupported),
        ] {
            let refused = topic(&triggers).unwrap_err();
            assert_eq!(refused.kind, expected, "{triggers:?}");
        }
    }
}
