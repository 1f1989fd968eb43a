//! What changes things (--write): made-up resources that say what they are, and that are removed again.

use http::Method;
use serde_json::{Value, json};

use super::{DONE, Declared, Statement, bundle, matches};
use crate::commands::check::run::{Ask, Rest, Run, Seen};
use crate::commands::check::shown::{OURS, encoded};

const SYSTEM: &str = "https://handover-check.invalid/made-up";
const SAYS: &str = "Made-up test resource of handover check: it may be deleted";
const FHIR_JSON: &str = "application/fhir+json";
/// Creates at the same moment.
const RACERS: usize = 8;
/// Types that are about nobody.
const TYPES: [&str; 3] = ["Basic", "Organization", "Location"];

const ALL: [&str; 12] = [
    "fhir-create",
    "fhir-create-id",
    "fhir-malformed",
    "fhir-invalid",
    "fhir-update",
    "fhir-if-match",
    "fhir-id-mismatch",
    "fhir-conditional-create",
    "fhir-conditional-race",
    "fhir-transaction",
    "fhir-delete",
    "fhir-gone",
];

/// What is made, of which type, and what was made so far.
struct Making<'s> {
    declared: &'s Declared,
    ty: &'s str,
    made: Vec<String>,
}

pub(super) async fn check(run: &mut Run, statement: &Statement) {
    let able = |it: &&Declared| it.has("create") && it.has("delete") && it.has("read");
    let of = |ty: &&str| statement.types.iter().filter(able).find(|it| it.ty == **ty);
    let Some(declared) = TYPES.iter().find_map(of) else {
        for id in ALL {
            run.spares(
                id,
                format!(
                    "None of {} can be created, read and deleted.",
                    TYPES.join(", ")
                ),
            );
        }
        return;
    };
    let mut making = Making {
        declared,
        ty: &declared.ty,
        made: Vec::new(),
    };
    let rest = Box::pin(create(run, &mut making)).await;
    run.ends(&["fhir-create", "fhir-create-id"], rest);
    let rest = Box::pin(refused(run, &mut making)).await;
    run.ends(&["fhir-malformed", "fhir-invalid"], rest);
    let rest = Box::pin(update(run, &mut making)).await;
    run.ends(&["fhir-update", "fhir-if-match", "fhir-id-mismatch"], rest);
    let rest = Box::pin(conditional(run, &mut making)).await;
    run.ends(&["fhir-conditional-create", "fhir-conditional-race"], rest);
    let rest = Box::pin(transaction(run, statement, &mut making)).await;
    run.ends(&["fhir-transaction"], rest);
    let rest = Box::pin(delete(run, &mut making)).await;
    run.ends(&["fhir-delete", "fhir-gone"], rest);
    tidy(run, making).await;
}

impl Making<'_> {
    /// A resource that says what it is; its identifier is what it is found by.
    fn resource(&self, value: &str) -> Value {
        let identifier = json!([{ "system": SYSTEM, "value": value }]);
        match self.ty {
            "Basic" => {
                json!({ "resourceType": "Basic", "identifier": identifier, "code": { "text": SAYS } })
            }
            "Organization" => {
                json!({ "resourceType": "Organization", "identifier": identifier, "active": false, "name": SAYS })
            }
            ty => json!({ "resourceType": ty, "identifier": identifier, "name": SAYS }),
        }
    }

    fn post(&self, body: Vec<u8>) -> Ask {
        Ask::new(Method::POST, format!("/{}", self.ty)).body(FHIR_JSON, body)
    }

    /// Notes what an answer says was made, so that it is removed.
    fn note(&mut self, seen: &Seen) {
        if seen.status != 201 {
            return;
        }
        let of_body = seen
            .json()
            .and_then(|it| Some(it.get("id")?.as_str()?.to_owned()));
        let id = self.located(seen).or(of_body);
        if let Some(id) = id.filter(|id| !self.made.contains(id)) {
            self.made.push(id);
        }
    }

    /// The id in the Location header.
    fn located(&self, seen: &Seen) -> Option<String> {
        let mut parts = seen.header("location")?.split('/');
        parts.find(|it| *it == self.ty)?;
        parts.next().map(str::to_owned)
    }
}

/// A name that nothing had before.
fn unique() -> String {
    format!("{OURS}-{}", uuid::Uuid::new_v4().simple())
}

async fn create(run: &mut Run, making: &mut Making<'_>) -> Rest {
    let mut resource = making.resource(&unique());
    let wished = unique();
    if let Some(members) = resource.as_object_mut() {
        members.insert("id".into(), wished.clone().into());
    }
    let seen = run.ask(making.post(resource.to_string().into())).await?;
    making.note(&seen);
    let id = making.located(&seen);
    let located = seen
        .header("location")
        .is_some_and(|it| it.contains("/_history/"));
    let versioned = located || making.declared.versioning == "no-version";
    let found = match (&id, versioned) {
        (None, _) => "no Location with the new resource's id",
        (Some(_), false) => "the Location does not name the version",
        _ => "the Location names id and version",
    };
    let made = seen.status == 201 && id.is_some() && versioned;
    run.holds("fhir-create", made, &seen, found);
    let id = id.ok_or("Nothing was created.")?;
    let found = match id == wished {
        true => "the id that the client wrote was taken over",
        false => "the server chose the id",
    };
    run.holds("fhir-create-id", id != wished, &seen, found);
    DONE
}

async fn refused(run: &mut Run, making: &mut Making<'_>) -> Rest {
    let seen = run
        .ask(making.post(b"{\"resourceType\": \"Basic\", ".to_vec()))
        .await?;
    making.note(&seen);
    run.holds(
        "fhir-malformed",
        matches!(seen.status, 400 | 422),
        &seen,
        "a body that ends early",
    );
    let mut resource = making.resource(&unique());
    if let Some(members) = resource.as_object_mut() {
        members.insert("identifier".into(), json!("no list"));
        members.insert("noSuchElement".into(), json!(true));
    }
    let seen = run.ask(making.post(resource.to_string().into())).await?;
    making.note(&seen);
    let good = matches!(seen.status, 400 | 422);
    run.holds(
        "fhir-invalid",
        good,
        &seen,
        "an unknown element, and text where a list belongs",
    );
    // However deep it is, it is answered: `fhir-no-server-error` looks at that.
    let deep = format!(
        "{}1{}",
        "{\"extension\":[".repeat(2_000),
        "]}".repeat(2_000)
    );
    let seen = run.ask(making.post(deep.into_bytes())).await?;
    making.note(&seen);
    DONE
}

async fn update(run: &mut Run, making: &mut Making<'_>) -> Rest {
    let ids = ["fhir-update", "fhir-if-match", "fhir-id-mismatch"];
    if !making.declared.has("update") {
        for id in ids {
            run.spares(id, format!("update is not declared for {}.", making.ty));
        }
        return DONE;
    }
    let id = making
        .made
        .first()
        .cloned()
        .ok_or("Nothing was created that could be updated.")?;
    let path = format!("/{}/{id}", making.ty);
    let mut resource = making.resource(&unique());
    if let Some(members) = resource.as_object_mut() {
        members.insert("id".into(), id.clone().into());
    }
    let before = run.ask(Ask::get(&path)).await?;
    let put = |resource: &Value, path: &str| {
        Ask::new(Method::PUT, path).body(FHIR_JSON, resource.to_string())
    };
    let seen = run.ask(put(&resource, &path)).await?;
    let after = run.ask(Ask::get(&path)).await?;
    let part = |seen: &Seen, at: &str| {
        let told = seen.json()?;
        Some(told.pointer(at)?.as_str()?.to_owned())
    };
    let version = |seen: &Seen| part(seen, "/meta/versionId");
    let new = version(&before) != version(&after) || making.declared.versioning == "no-version";
    let value = resource
        .pointer("/identifier/0/value")
        .and_then(Value::as_str);
    let kept = part(&after, "/identifier/0/value").as_deref() == value;
    let found = match (new, kept) {
        (false, _) => "the version is the same as before",
        (_, false) => "what was written is not what is read",
        _ => "read back in a new version",
    };
    run.holds(
        "fhir-update",
        seen.status == 200 && new && kept,
        &seen,
        found,
    );
    let stale = before
        .header("etag")
        .map(str::to_owned)
        .or_else(|| Some(format!("W/\"{}\"", version(&before)?)));
    match stale {
        Some(stale) if new => {
            let seen = run
                .ask(put(&resource, &path).with("if-match", stale))
                .await?;
            run.holds(
                "fhir-if-match",
                seen.status == 412,
                &seen,
                "If-Match with a version that was replaced",
            );
        }
        _ => run.leaves(&["fhir-if-match"], "There is no version to ask with."),
    }
    let other = format!("/{}/{}", making.ty, unique());
    let seen = run.ask(put(&resource, &other)).await?;
    if seen.status == 201 {
        making.note(&seen);
    }
    run.holds(
        "fhir-id-mismatch",
        seen.status == 400,
        &seen,
        "a PUT whose body has another id than its address",
    );
    DONE
}

async fn count(run: &mut Run, making: &Making<'_>, value: &str) -> Result<(usize, Seen), String> {
    let path = format!("/{}?identifier={}%7C{value}", making.ty, encoded(SYSTEM));
    let seen = run.ask(Ask::get(path)).await?;
    let told = bundle(&seen)?;
    Ok((matches(&told).len(), seen))
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>
async fn conditional(run: &mut Run, making: &mut Making<'_>) -> Rest {
    if !making.declared.conditional_create || !making.declared.takes("identifier") {
        for id in ["fhir-conditional-create", "fhir-conditional-race"] {
            run.spares(
                id,
                format!("conditionalCreate is not declared for {}.", making.ty),
            );
        }
        return DONE;
    }
    let ask = |making: &Making<'_>, value: &str| {
        let resource = making.resource(value).to_string();
        making
            .post(resource.into())
            .with("if-none-exist", format!("identifier={SYSTEM}|{value}"))
    };
    let value = unique();
    let first = run.ask(ask(&*making, &value)).await?;
    making.note(&first);
    let again = run.ask(ask(&*making, &value)).await?;
    making.note(&again);
    let (there, _) = count(run, making, &value).await?;
    let good = first.status == 201 && again.status == 200 && there == 1;
    let found = format!("{} and then {}; {there} there", first.status, again.status);
    run.holds("fhir-conditional-create", good, &again, found);
    let value = unique();
    let all = run.race(&ask(&*making, &value), RACERS).await?;
    for seen in &all {
        making.note(seen);
    }
    let made = all.iter().filter(|it| it.status == 201).count();
    let (there, seen) = count(run, making, &value).await?;
    let found = format!("{RACERS} at the same moment: {made} answered 201, {there} there");
    run.holds(
        "fhir-conditional-race",
        made == 1 && there == 1,
        &seen,
        found,
    );
    DONE
}

/// <https://hl7.org/fhir/R4/http.html#transaction>
async fn transaction(run: &mut Run, statement: &Statement, making: &mut Making<'_>) -> Rest {
    if !statement.whole.iter().any(|it| it == "transaction") || !making.declared.takes("identifier")
    {
        run.spares("fhir-transaction", "transaction is not declared.");
        return DONE;
    }
    let value = unique();
    let target = unique();
    let mut second = making.resource(&value);
    if let Some(members) = second.as_object_mut() {
        members.insert("id".into(), target.clone().into());
    }
    let ty = making.ty;
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": format!("urn:uuid:{}", uuid::Uuid::new_v4()),
                "resource": making.resource(&value),
                "request": { "method": "POST", "url": ty },
            },
            {
                "resource": second,
                "request": { "method": "PUT", "url": format!("{ty}/{target}"), "ifMatch": "W/\"999999\"" },
            },
        ],
    });
    let seen = run
        .ask(Ask::new(Method::POST, "").body(FHIR_JSON, bundle.to_string()))
        .await?;
    let (there, looked) = count(run, making, &value).await?;
    let told = looked.json().unwrap_or_default();
    let left = matches(&told)
        .into_iter()
        .filter_map(|it| it.pointer("/resource/id")?.as_str());
    making.made.extend(left.map(str::to_owned));
    let found = format!(
        "the second entry cannot succeed (If-Match); {there} resources of it are there after"
    );
    run.holds(
        "fhir-transaction",
        seen.is_refusal() && there == 0,
        &seen,
        found,
    );
    DONE
}

async fn delete(run: &mut Run, making: &mut Making<'_>) -> Rest {
    let id = making
        .made
        .first()
        .cloned()
        .ok_or("Nothing was created that could be deleted.")?;
    let path = format!("/{}/{id}", making.ty);
    let seen = run.ask(Ask::new(Method::DELETE, &path)).await?;
    let after = run.ask(Ask::get(&path)).await?;
    let gone = matches!(after.status, 404 | 410);
    let good = matches!(seen.status, 200 | 202 | 204) && gone;
    run.holds(
        "fhir-delete",
        good,
        &seen,
        format!("a read answers {} after it", after.status),
    );
    if gone {
        making.made.remove(0);
    }
    let tracks = making.declared.versioning != "no-version";
    match tracks {
        true => run.holds(
            "fhir-gone",
            after.status == 410,
            &after,
            "a resource that was deleted",
        ),
        false => run.spares(
            "fhir-gone",
            "The system declares that it keeps no versions.",
        ),
    }
    DONE
}

/// Removes what was made.
async fn tidy(run: &mut Run, making: Making<'_>) {
    for id in &making.made {
        let path = format!("/{}/{id}", making.ty);
        if let Err(why) = Box::pin(remove(run, &path)).await {
            // Made up by this run, so that its id may be told whole: it has to be found.
            run.left.push(format!(
                "{}/{id} (its identifier begins with {OURS}): {why}",
                making.ty
            ));
        }
    }
}

async fn remove(run: &mut Run, path: &str) -> Rest {
    let removed = run.ask(Ask::new(Method::DELETE, path)).await?;
    if removed.is_ok() {
        return DONE;
    }
    // Perhaps it is gone already.
    let looked = run.ask(Ask::get(path)).await?;
    match looked.status {
        404 | 410 => DONE,
        _ => Err(format!("DELETE answered {}", removed.status)),
    }
}
