//! Reads, versions, history, and what is not there.

use serde_json::Value;

use super::{DONE, Declared, Found, Statement, bundle, entries, is_id};
use crate::commands::check::run::{Ask, Rest, Run, Seen};

pub(super) const ALL: [&str; 11] = [
    "fhir-read",
    "fhir-etag",
    "fhir-last-modified",
    "fhir-if-none-match",
    "fhir-if-modified-since",
    "fhir-vread",
    "fhir-vread-unknown",
    "fhir-history",
    "fhir-unknown-id",
    "fhir-bad-id",
    "fhir-unknown-type",
];

pub(super) async fn check(run: &mut Run, statement: &Statement, declared: &Declared, of: &Found) {
    let rest = Box::pin(read(run, declared, of)).await;
    run.ends(
        &[
            "fhir-read",
            "fhir-etag",
            "fhir-last-modified",
            "fhir-if-none-match",
            "fhir-if-modified-since",
        ],
        rest,
    );
    let rest = Box::pin(versions(run, declared, of)).await;
    run.ends(&["fhir-vread", "fhir-vread-unknown", "fhir-history"], rest);
    let rest = Box::pin(unknown(run, statement, declared)).await;
    run.ends(
        &["fhir-unknown-id", "fhir-bad-id", "fhir-unknown-type"],
        rest,
    );
}

fn version(resource: &Value) -> Option<&str> {
    resource.pointer("/meta/versionId")?.as_str()
}

async fn read(run: &mut Run, declared: &Declared, of: &Found) -> Rest {
    if !declared.has("read") || !is_id(&of.id) {
        for id in [
            "fhir-read",
            "fhir-etag",
            "fhir-last-modified",
            "fhir-if-none-match",
            "fhir-if-modified-since",
        ] {
            run.spares(
                id,
                format!(
                    "Read is not declared for {}, or its id cannot be asked for.",
                    declared.ty
                ),
            );
        }
        return DONE;
    }
    let path = format!("/{}/{}", of.ty, of.id);
    let seen = run.ask(Ask::get(&path)).await?;
    let resource = seen.json().unwrap_or_default();
    let same = seen.status == 200
        && resource.get("resourceType").and_then(Value::as_str) == Some(of.ty.as_str())
        && resource.get("id").and_then(Value::as_str) == Some(of.id.as_str());
    run.holds(
        "fhir-read",
        same,
        &seen,
        "the resource that the search found, by its id",
    );
    if !same {
        return Err("The resource could not be read.".into());
    }
    marks(run, &seen, &resource);
    Box::pin(unchanged(run, declared, &path, &seen)).await
}

fn marks(run: &mut Run, seen: &Seen, resource: &Value) {
    let etag = seen.header("etag");
    let told = version(resource);
    let wanted = told.map(|it| format!("W/\"{it}\""));
    let found = match (etag, &wanted) {
        (None, _) => "no ETag".to_owned(),
        (Some(_), None) => "an ETag, but no meta.versionId".to_owned(),
        (Some(etag), Some(wanted)) if etag == wanted => {
            "ETag is the weak form of meta.versionId".to_owned()
        }
        _ => "ETag is not W/\"versionId\"".to_owned(),
    };
    run.holds(
        "fhir-etag",
        etag.is_some() && etag == wanted.as_deref(),
        seen,
        found,
    );
    let modified = seen.header("last-modified");
    let updated = resource
        .pointer("/meta/lastUpdated")
        .and_then(Value::as_str);
    let wanted = updated
        .and_then(fhir::date::span)
        .map(|it| fhir::date::http_date(it.low));
    let found = match (modified, &wanted) {
        (None, _) => "no Last-Modified",
        (Some(modified), Some(wanted)) if modified == wanted => "Last-Modified is meta.lastUpdated",
        _ => "Last-Modified is not meta.lastUpdated",
    };
    let good = modified.is_some() && modified == wanted.as_deref();
    run.holds("fhir-last-modified", good, seen, found);
}

/// <https://hl7.org/fhir/R4/http.html#cread>
async fn unchanged(run: &mut Run, declared: &Declared, path: &str, first: &Seen) -> Rest {
    let cases = [
        ("fhir-if-none-match", "not-match", "if-none-match", "etag"),
        (
            "fhir-if-modified-since",
            "modified-since",
            "if-modified-since",
            "last-modified",
        ),
    ];
    for (id, part, asks, shows) in cases {
        let declared = ["full-support", part].contains(&declared.conditional_read.as_str());
        match (declared, first.header(shows)) {
            (false, _) => run.spares(
                id,
                "The CapabilityStatement does not declare it (conditionalRead).",
            ),
            (true, None) => run.leaves(&[id], &format!("The read has no {shows} to ask with.")),
            (true, Some(value)) => {
                let seen = run.ask(Ask::get(path).with(asks, value)).await?;
                let empty = if seen.body.is_empty() {
                    "no body"
                } else {
                    "a body"
                };
                let good = seen.status == 304 && seen.body.is_empty();
                run.holds(
                    id,
                    good,
                    &seen,
                    format!("{empty}, asked with the {shows} of the last answer"),
                );
            }
        }
    }
    DONE
}

async fn versions(run: &mut Run, declared: &Declared, of: &Found) -> Rest {
    let path = format!("/{}/{}/_history", of.ty, of.id);
    match (declared.has("vread"), version(&of.resource)) {
        (true, Some(told)) => {
            let seen = run.ask(Ask::get(format!("{path}/{told}"))).await?;
            let same = seen.json().is_some_and(|it| version(&it) == Some(told));
            let found = match same {
                true => "the version that was asked for",
                false => "not the version that was asked for",
            };
            run.holds("fhir-vread", seen.status == 200 && same, &seen, found);
            let seen = run
                .ask(Ask::get(format!("{path}/handover-check-0")))
                .await?;
            run.holds(
                "fhir-vread-unknown",
                seen.status == 404,
                &seen,
                "a version that there never was",
            );
        }
        (true, None) => run.leaves(
            &["fhir-vread", "fhir-vread-unknown"],
            "The resource has no meta.versionId.",
        ),
        (false, _) => {
            for id in ["fhir-vread", "fhir-vread-unknown"] {
                run.spares(id, format!("vread is not declared for {}.", declared.ty));
            }
        }
    }
    if !declared.has("history-instance") {
        run.spares(
            "fhir-history",
            format!("history-instance is not declared for {}.", declared.ty),
        );
        return DONE;
    }
    let seen = run.ask(Ask::get(&path)).await?;
    let told = bundle(&seen).unwrap_or_default();
    let all = entries(&told);
    let is_history = told.get("type").and_then(Value::as_str) == Some("history");
    let whole = all.iter().all(|it| {
        it.pointer("/request/method").is_some() && it.pointer("/response/status").is_some()
    });
    let found = match (is_history, all.is_empty(), whole) {
        (false, ..) => "no Bundle of type history".to_owned(),
        (_, true, _) => "a history without entries, of a resource that is there".to_owned(),
        (.., false) => "an entry lacks request.method or response.status".to_owned(),
        _ => format!("{} versions, each with request and response", all.len()),
    };
    run.holds(
        "fhir-history",
        is_history && !all.is_empty() && whole,
        &seen,
        found,
    );
    DONE
}

async fn unknown(run: &mut Run, statement: &Statement, declared: &Declared) -> Rest {
    let ty = &declared.ty;
    let seen = run
        .ask(Ask::get(format!("/{ty}/handover-check-no-such-id")))
        .await?;
    let good = matches!(seen.status, 404 | 410);
    run.holds("fhir-unknown-id", good, &seen, "an id that there never was");
    let seen = run
        .ask(Ask::get(format!("/{ty}/handover-check%20no%24id")))
        .await?;
    run.holds(
        "fhir-bad-id",
        matches!(seen.status, 400 | 404),
        &seen,
        "an id with characters that no id has",
    );
    let is_declared = statement.types.iter().any(|it| it.ty == "NoSuchType");
    let seen = run.ask(Ask::get("/NoSuchType?_count=1")).await?;
    let good = is_declared || matches!(seen.status, 400 | 404);
    run.holds(
        "fhir-unknown-type",
        good,
        &seen,
        "a type that FHIR does not have",
    );
    DONE
}
