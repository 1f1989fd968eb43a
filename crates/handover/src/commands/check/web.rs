//! What browsers and caches are told: CORS, headers on answers and errors.

use http::Method;

use super::fhir::Statement;
use super::run::{Ask, Rest, Run, Seen};
use super::shown::encoded;

/// An origin of nobody's.
const ORIGIN: &str = "https://app.handover-check.invalid";

/// Words of stack traces and of databases' errors.
const INSIDES: [&str; 10] = [
    "Traceback (most recent",
    "at java.",
    "at org.",
    "at System.",
    "NullPointerException",
    "StackTrace",
    "ORA-0",
    "SQLSTATE",
    "SQLException",
    "node_modules",
];

pub(super) async fn check(run: &mut Run, statement: &Statement, sample: &Seen) {
    if !run.wants("web") {
        return;
    }
    let read = headers(run, sample);
    run.ends(&["web-not-cached"], read);
    let shared = cors(run, statement).await;
    run.ends(
        &["web-cors", "web-cors-preflight", "web-cors-no-cookies"],
        shared,
    );
    let errors = errors(run).await;
    run.ends(&["web-nosniff", "web-no-insides"], errors);
}

fn headers(run: &mut Run, sample: &Seen) -> Rest {
    let cache = sample
        .header("cache-control")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let kept_private = ["no-store", "private", "no-cache"]
        .iter()
        .any(|it| cache.contains(it));
    let found = match cache.is_empty() {
        true => "no Cache-Control".to_owned(),
        false => format!("Cache-Control: {cache}"),
    };
    run.holds("web-not-cached", kept_private, sample, found);
    Ok(())
}

async fn cors(run: &mut Run, statement: &Statement) -> Rest {
    if !statement.cors {
        for id in ["web-cors", "web-cors-preflight", "web-cors-no-cookies"] {
            run.spares(id, "The CapabilityStatement does not say cors: true.");
        }
        return Ok(());
    }
    let seen = run
        .ask(Ask::get("/metadata").with("origin", ORIGIN))
        .await?;
    let allowed = seen
        .header("access-control-allow-origin")
        .unwrap_or("none")
        .to_owned();
    let open = allowed == "*" || allowed == ORIGIN;
    run.holds(
        "web-cors",
        open,
        &seen,
        format!("Access-Control-Allow-Origin: {allowed}"),
    );
    let cookies = seen.header("access-control-allow-credentials") == Some("true");
    let found = match cookies {
        true => "any origin may send the user's cookies (Access-Control-Allow-Credentials: true)",
        false => "no Access-Control-Allow-Credentials",
    };
    run.holds("web-cors-no-cookies", !(open && cookies), &seen, found);
    let asking = Ask::new(Method::OPTIONS, "/Patient")
        .with("origin", ORIGIN)
        .with("access-control-request-method", "GET")
        .with("access-control-request-headers", "authorization")
        .by_nobody()
        .plain();
    let seen = run.ask(asking).await?;
    let headers = seen
        .header("access-control-allow-headers")
        .unwrap_or_default();
    let headers = headers.to_ascii_lowercase();
    let takes = headers.contains("authorization");
    let found = format!("Access-Control-Allow-Headers: {headers}");
    run.holds("web-cors-preflight", seen.is_ok() && takes, &seen, found);
    Ok(())
}

async fn errors(run: &mut Run) -> Rest {
    let path = format!("/Patient?{}=%27", encoded("handover-check:x"));
    let odd = run.ask(Ask::get(path)).await?;
    let nowhere = run.ask(Ask::get("/handover-check-nowhere")).await?;
    let sniffing = [&odd, &nowhere]
        .into_iter()
        .find(|it| it.header("x-content-type-options") != Some("nosniff"));
    match sniffing {
        Some(seen) => run.holds(
            "web-nosniff",
            false,
            seen,
            "no X-Content-Type-Options: nosniff",
        ),
        None => run.holds(
            "web-nosniff",
            true,
            &nowhere,
            "X-Content-Type-Options: nosniff",
        ),
    }
    let mut shown = None;
    for seen in run.errors.iter().chain([&odd, &nowhere]) {
        let text = String::from_utf8_lossy(&seen.body);
        if let Some(inside) = INSIDES.iter().find(|it| text.contains(**it)) {
            shown = Some((seen.clone(), *inside));
        }
    }
    match shown {
        Some((seen, inside)) => {
            let found = format!("the answer holds {inside:?}");
            run.holds("web-no-insides", false, &seen, found);
        }
        None => run.holds(
            "web-no-insides",
            true,
            &nowhere,
            "errors tell nothing of the software's insides",
        ),
    }
    Ok(())
}
