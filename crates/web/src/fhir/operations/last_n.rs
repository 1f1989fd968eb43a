//! <https://hl7.org/fhir/R4/observation-operation-lastn.html>: the last `max` observations of each
//! code, the most recent first.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Reach, Scope};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::bundle::{Found, searchset_with};
use fhir::date::Millis;
use fhir::json::{Json, Limits as JsonLimits, parse};
use fhir::problem::{Kind, Problem};
use fhir::search::{Search, Value, extract, fold};
use http::StatusCode;
use store::Version;

use super::parameters::as_query;
use crate::failure::Failure;
use crate::fhir::answer;
use crate::fhir::ask::{Announced, Ask};
use crate::node::Node;

/// Of each code, at most.
const MAX_MAX: usize = 100;
/// Observations kept, at most.
const KEPT_MAX: usize = 5000;
/// Observations read at a time.
const PAGE: u32 = 500;

/// `GET Observation/$lastn`.
pub async fn last_n(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    found(&node, &ask).await
}

/// `POST Observation/$lastn`, with Parameters.
pub async fn by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    found(&node, &as_query(&ask, &body)?).await
}

async fn found(node: &Node, ask: &Ask) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::LastN, "Observation").await?;
    let base_url = node.site.fhir_url();
    let (max, pairs) = asked(ask, &scope)?;
    let mut search = Search::parse_with(
        &node.store.registry(),
        "Observation",
        &pairs,
        &base_url,
        &node.fhir.bounds.of_search(),
    )?;
    let own = search.clone();
    search.count = PAGE;
    // Of one person, as any search: the last of a code may stand under a record that was given up.
    search.follows_merges = true;
    let (mut codes, mut looked_at) = (Codes::default(), 0);
    loop {
        let page = node.store.search(&scope, &search).await?;
        looked_at += page.entries.len();
        if looked_at > node.fhir.bounds.last_n_observations_max {
            return Err(too_many().into());
        }
        for version in page.entries {
            if version.ty == "Observation" {
                codes.add(version, max)?;
            }
        }
        search.after = page.next;
        if search.after.is_none() {
            break;
        }
    }
    let kept = codes.in_order();
    let found = kept.iter().map(|version| Found {
        ty: &version.ty,
        id: &version.id,
        resource: &version.body,
    });
    let total = u64::try_from(kept.len()).ok();
    let told = scope.shows().map(|_| NOT_FOR_PROXIES.to_string());
    let found = (found, std::iter::empty());
    let bundle = searchset_with(&own, &base_url, found, None, (total, told));
    Ok(answer::json(StatusCode::OK, bundle))
}

fn too_many() -> Problem {
    let message = "Too many observations; narrow it down by category, code or date.";
    Problem::new(Kind::TooCostly, message)
}

/// How many of each code, and what else is asked.
fn asked(ask: &Ask, scope: &Scope) -> Result<(usize, Vec<(String, String)>), Problem> {
    let mut max = 1;
    let mut pairs = Vec::new();
    for (name, value) in &ask.query {
        // A modifier (_include:iterate) does not make another parameter of it.
        let bare = name.split(':').next().unwrap_or_default();
        match bare {
            "max" => {
                let number = value.parse().ok().filter(|number: &usize| *number > 0);
                let message = "max is a whole number from 1.";
                max = number
                    .ok_or_else(|| Problem::new(Kind::Value, message))?
                    .min(MAX_MAX);
            }
            "_count" | "_sort" | "_total" | "_summary" | "_include" | "_revinclude" | "_cursor" => {
                let message = "$lastn takes max and the search parameters of Observation.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
            _ => pairs.push((name.clone(), value.clone())),
        }
    }
    // That it is missing, or not somebody's, names nobody.
    let of_somebody = |name: &str| {
        let code = name.split([':', '.']).next().unwrap_or_default();
        matches!(code, "patient" | "subject")
            && !name.contains(":missing")
            && !name.contains(":not")
    };
    if !pairs.iter().any(|(name, _)| of_somebody(name)) {
        match scope.reach() {
            Reach::Compartment { patient, .. } => {
                pairs.push(("patient".into(), format!("Patient/{patient}")));
            }
            _ => {
                let message = "$lastn needs patient or subject.";
                return Err(Problem::new(Kind::Required, message));
            }
        }
    }
    Ok((max, pairs))
}

/// Observations by what they observe.
#[derive(Default)]
struct Codes {
    groups: Vec<Vec<(Millis, Version)>>,
    /// From a code to its group: an observation may be coded in several systems.
    by_code: HashMap<String, usize>,
    kept: usize,
}

impl Codes {
    fn add(&mut self, version: Version, max: usize) -> Result<(), Problem> {
        let (at, keys) = read(&version)?;
        let known = keys.iter().find_map(|key| self.by_code.get(key).copied());
        let place = known.unwrap_or(self.groups.len());
        if place == self.groups.len() {
            self.groups.push(Vec::new());
        }
        for key in keys {
            self.by_code.entry(key).or_insert(place);
        }
        let Some(group) = self.groups.get_mut(place) else {
            return Ok(());
        };
        let after = group.partition_point(|(other, _)| *other >= at);
        group.insert(after, (at, version));
        self.kept += 1;
        // Those at the very time of the last one belong to it.
        let last = group.get(max.saturating_sub(1)).map(|(at, _)| *at);
        if let Some(last) = last {
            let length = group.partition_point(|(at, _)| *at >= last);
            self.kept -= group.len() - length;
            group.truncate(length);
        }
        if self.kept > KEPT_MAX {
            return Err(too_many());
        }
        Ok(())
    }

    /// Code by code in the order in which they were found, the most recent first.
    fn in_order(self) -> Vec<Version> {
        let all = self.groups.into_iter().flatten();
        all.map(|(_, version)| version).collect()
    }
}

/// When it was observed (undated is longest ago), and what.
fn read(version: &Version) -> Result<(Millis, Vec<String>), Problem> {
    let limits = JsonLimits {
        bytes: 64 << 20,
        ..JsonLimits::default()
    };
    let json = parse(&version.body, &limits)?;
    let entries = extract("Observation", &json);
    let dates = entries.iter().filter_map(|entry| match entry.value {
        Value::Date { low, .. } if entry.code == "date" => Some(low),
        _ => None,
    });
    let at = dates.max().unwrap_or(Millis::MIN);
    let code = json.get("code");
    let codings = code.map(|code| code.items("coding")).unwrap_or_default();
    let coded = codings.iter().filter_map(|coding| {
        let (system, code) = (coding.text("system"), coding.text("code")?);
        Some(format!("{}|{code}", system.unwrap_or_default()))
    });
    let mut keys: Vec<String> = coded.collect();
    if keys.is_empty() {
        let text = code
            .and_then(|code| code.get("text"))
            .and_then(Json::as_str);
        keys.push(format!("text:{}", fold(text.unwrap_or_default())));
    }
    Ok((at, keys))
}
