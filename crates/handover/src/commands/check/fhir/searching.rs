//! Search (<https://hl7.org/fhir/R4/search.html>): the Bundle, its pages, and what every type has.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::{DONE, Declared, Found, bundle, entries, id_of, link, matches};
use crate::commands::check::run::{Ask, Rest, Run, Seen};

pub(super) const ALL: [&str; 15] = [
    "fhir-search-bundle",
    "fhir-search-self",
    "fhir-search-mode",
    "fhir-search-full-url",
    "fhir-search-count",
    "fhir-search-next",
    "fhir-search-total",
    "fhir-search-id",
    "fhir-search-last-updated",
    "fhir-search-summary",
    "fhir-search-summary-count",
    "fhir-search-post",
    "fhir-search-strict",
    "fhir-search-lenient",
    "fhir-search-value",
];

/// Pages that are followed.
const PAGES_MAX: usize = 10;

pub(super) async fn check(run: &mut Run, declared: &Declared, of: &Found) {
    let rest = Box::pin(pages(run, declared)).await;
    run.ends(ALL.get(..7).unwrap_or_default(), rest);
    let rest = Box::pin(common(run, declared, of)).await;
    run.ends(ALL.get(7..12).unwrap_or_default(), rest);
    let rest = Box::pin(handling(run, declared)).await;
    run.ends(ALL.get(12..).unwrap_or_default(), rest);
}

fn total(bundle: &Value) -> Option<u64> {
    bundle.get("total")?.as_u64()
}

async fn pages(run: &mut Run, declared: &Declared) -> Rest {
    let ty = &declared.ty;
    let seen = run.ask(Ask::get(format!("/{ty}?_count=2"))).await?;
    let told = bundle(&seen)?;
    shape(run, &seen, &told, ty);
    let count = matches(&told).len();
    run.holds(
        "fhir-search-count",
        count <= 2,
        &seen,
        format!("{count} matches with _count=2"),
    );
    let each = total(&told).map_or(2, |total| total.div_ceil(4).clamp(1, 50));
    let walk = Box::pin(walk(run, &format!("/{ty}?_count={each}&_total=accurate"))).await?;
    let Walk {
        seen,
        ids,
        pages,
        ended,
        fault,
        total,
    } = walk;
    let found = match (&fault, ended) {
        (Some(fault), _) => fault.clone(),
        (None, true) => format!("{pages} pages, {} resources, none twice", ids.len()),
        (None, false) => format!("{pages} pages were followed, nothing came twice; they go on"),
    };
    match (fault.is_none(), pages) {
        (true, 1) => run.leaves(
            &["fhir-search-next"],
            "There is only one page, so nothing to follow.",
        ),
        (good, _) => run.holds("fhir-search-next", good, &seen, &*found),
    }
    match (total, fault.is_none() && ended) {
        (None, _) => run.spares(
            "fhir-search-total",
            "The Bundle has no total, which it may leave out.",
        ),
        (Some(total), true) => {
            let count = ids.len() as u64;
            let found = format!("total {total}; {count} on all pages");
            run.holds("fhir-search-total", total == count, &seen, found);
        }
        (Some(_), false) => run.leaves(
            &["fhir-search-total"],
            "Not all pages were seen, so the total cannot be compared.",
        ),
    }
    DONE
}

fn shape(run: &mut Run, seen: &Seen, told: &Value, ty: &str) {
    let kind = told
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("nothing");
    run.holds(
        "fhir-search-bundle",
        kind == "searchset",
        seen,
        format!("type {kind}"),
    );
    let own = link(told, "self");
    let repeats = own.is_some_and(|it| it.contains("_count=2"));
    let found = match (own, repeats) {
        (None, _) => "no link with relation self",
        (_, false) => "the self link does not repeat _count=2, which was asked for",
        _ => "the self link repeats what was asked for",
    };
    run.holds("fhir-search-self", repeats, seen, found);
    let all = entries(told);
    let odd = all.iter().position(|it| {
        let mode = it.pointer("/search/mode").and_then(Value::as_str);
        let is_match = it.pointer("/resource/resourceType").and_then(Value::as_str) == Some(ty);
        !match is_match {
            true => mode == Some("match") || mode == Some("include"),
            false => mode == Some("include") || mode == Some("outcome"),
        }
    });
    let found = match odd {
        Some(at) => format!("entry[{at}].search.mode does not say why the entry is there"),
        None => format!("{} entries, each with its mode", all.len()),
    };
    run.holds("fhir-search-mode", odd.is_none(), seen, found);
    let odd = all.iter().position(|it| {
        let end = id_of(it).map(|id| format!("/{id}")).unwrap_or_default();
        let url = it
            .get("fullUrl")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mode = it.pointer("/search/mode").and_then(Value::as_str);
        let is_good = url.starts_with("urn:uuid:") || (url.contains("://") && url.ends_with(&end));
        mode != Some("outcome") && !is_good
    });
    let found = match odd {
        Some(at) => {
            format!("entry[{at}].fullUrl is no absolute address that ends with the resource's id")
        }
        None => format!("{} entries", all.len()),
    };
    run.holds("fhir-search-full-url", odd.is_none(), seen, found);
}

/// Pages that were followed.
struct Walk {
    /// The last answer.
    seen: Seen,
    ids: BTreeSet<String>,
    pages: usize,
    ended: bool,
    fault: Option<String>,
    /// What the first page says.
    total: Option<u64>,
}

async fn walk(run: &mut Run, first: &str) -> Result<Walk, String> {
    let seen = run.ask(Ask::get(first)).await?;
    let told = bundle(&seen)?;
    let total = total(&told);
    let mut walk = Walk {
        seen,
        ids: BTreeSet::new(),
        pages: 0,
        ended: false,
        fault: None,
        total,
    };
    let mut known = BTreeSet::new();
    let mut told = told;
    loop {
        walk.pages += 1;
        for entry in matches(&told) {
            let id = id_of(entry).unwrap_or_default().to_owned();
            if !walk.ids.insert(id) {
                walk.fault = Some(format!(
                    "page {} has a resource that an earlier one had",
                    walk.pages
                ));
                return Ok(walk);
            }
        }
        let Some(next) = link(&told, "next").map(str::to_owned) else {
            walk.ended = true;
            return Ok(walk);
        };
        if !run.is_here(&next) {
            walk.fault = Some("the next link leads to another host; it was not followed".into());
            return Ok(walk);
        }
        if !known.insert(next.clone()) {
            walk.fault = Some(format!(
                "the next link of page {} was there before: they never end",
                walk.pages
            ));
            return Ok(walk);
        }
        if walk.pages >= PAGES_MAX {
            return Ok(walk);
        }
        walk.seen = run.ask(Ask::get(next)).await?;
        match bundle(&walk.seen) {
            Ok(bundle) => told = bundle,
            Err(fault) => {
                walk.fault = Some(fault);
                return Ok(walk);
            }
        }
    }
}

/// Parameters that every type has.
async fn common(run: &mut Run, declared: &Declared, of: &Found) -> Rest {
    let ty = &declared.ty;
    let seen = run.ask(Ask::get(format!("/{ty}?_id={}", of.id))).await?;
    let told = bundle(&seen)?;
    let found: Vec<Option<&str>> = matches(&told).into_iter().map(id_of).collect();
    let only = found == [Some(of.id.as_str())];
    run.holds(
        "fhir-search-id",
        only,
        &seen,
        format!("{} matches", found.len()),
    );
    match declared.takes("_lastUpdated") {
        false => run.spares(
            "fhir-search-last-updated",
            "The CapabilityStatement does not declare _lastUpdated.",
        ),
        true => {
            let seen = run
                .ask(Ask::get(format!(
                    "/{ty}?_lastUpdated=gt2999-01-01T00:00:00Z&_count=1"
                )))
                .await?;
            let late = matches(&bundle(&seen)?).len();
            let early = run
                .ask(Ask::get(format!(
                    "/{ty}?_lastUpdated=lt2999-01-01T00:00:00Z&_count=1"
                )))
                .await?;
            let early = matches(&bundle(&early)?).len();
            let found =
                format!("{late} changed after the year 2999, and {early} on the first page before");
            run.holds(
                "fhir-search-last-updated",
                late == 0 && early > 0,
                &seen,
                found,
            );
        }
    }
    Box::pin(summaries(run, ty)).await?;
    let form = Ask::new(Method::POST, format!("/{ty}/_search"));
    let form = form.body(
        "application/x-www-form-urlencoded",
        format!("_id={}", of.id),
    );
    let seen = run.ask(form).await?;
    let told = seen.json().unwrap_or_default();
    let found: Vec<Option<&str>> = matches(&told).into_iter().map(id_of).collect();
    let same = seen.is_ok() && found == [Some(of.id.as_str())];
    run.holds(
        "fhir-search-post",
        same,
        &seen,
        format!("{} matches for _id in a form", found.len()),
    );
    DONE
}

async fn summaries(run: &mut Run, ty: &str) -> Rest {
    let seen = run.ask(Ask::get(format!("/{ty}?_summary=count"))).await?;
    let told = bundle(&seen)?;
    let (count, total) = (entries(&told).len(), total(&told));
    let found = match total {
        Some(total) => format!("total {total}, {count} entries"),
        None => format!("no total, {count} entries"),
    };
    run.holds(
        "fhir-search-summary-count",
        total.is_some() && count == 0,
        &seen,
        found,
    );
    let seen = run
        .ask(Ask::get(format!("/{ty}?_summary=true&_count=2")))
        .await?;
    let told = bundle(&seen)?;
    let marked = |entry: &&Value| {
        let tags = entry
            .pointer("/resource/meta/tag")
            .and_then(Value::as_array);
        let mut codes = tags
            .into_iter()
            .flatten()
            .filter_map(|it| it.get("code")?.as_str());
        codes.any(|code| code == "SUBSETTED")
    };
    let all = matches(&told);
    let bare = all.iter().filter(|it| !marked(it)).count();
    let found = format!("{bare} of {} resources lack the tag SUBSETTED", all.len());
    run.holds(
        "fhir-search-summary",
        bare == 0 && !all.is_empty(),
        &seen,
        found,
    );
    DONE
}

/// <https://hl7.org/fhir/R4/search.html#errors>
async fn handling(run: &mut Run, declared: &Declared) -> Rest {
    let ty = &declared.ty;
    let path = format!("/{ty}?handover-check-unknown=handover-check&_count=1");
    let seen = run
        .ask(Ask::get(&path).with("prefer", "handling=strict"))
        .await?;
    run.holds(
        "fhir-search-strict",
        seen.is_refusal(),
        &seen,
        "an unknown parameter, with Prefer: handling=strict",
    );
    let seen = run
        .ask(Ask::get(&path).with("prefer", "handling=lenient"))
        .await?;
    let told = seen.json().unwrap_or_default();
    let own = link(&told, "self").unwrap_or_default();
    let left_out = seen.is_ok() && !own.contains("handover-check-unknown");
    let found = match (seen.is_ok(), left_out) {
        (false, _) => "refused, although Prefer: handling=lenient",
        (true, false) => "the self link has the unknown parameter, as if it had been used",
        _ => "the unknown parameter is not in the self link",
    };
    run.holds("fhir-search-lenient", left_out, &seen, found);
    if !declared.takes("_lastUpdated") {
        run.spares(
            "fhir-search-value",
            "The CapabilityStatement does not declare _lastUpdated.",
        );
        return DONE;
    }
    let seen = run
        .ask(Ask::get(format!(
            "/{ty}?_lastUpdated=handover-check&_count=1"
        )))
        .await?;
    run.holds(
        "fhir-search-value",
        seen.is_refusal(),
        &seen,
        "a date that is none",
    );
    DONE
}
