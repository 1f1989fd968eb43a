//! SMART App Launch (<https://hl7.org/fhir/smart-app-launch/conformance.html>): what can be told without a client of
//! one's own. Nothing is granted to anyone by it.

use http::Method;
use serde_json::Value;

use super::run::{Ask, Rest, Run, Seen};
use super::shown::encoded;
use super::target::{is_loopback, place};

const CLIENT: &str = "handover-check-unknown-client";
const NOWHERE: &str = "https://app.handover-check.invalid/callback";
const FORM: &str = "application/x-www-form-urlencoded";

/// All that hangs on the configuration.
const ALL: [&str; 13] = [
    "smart-configuration",
    "smart-fields",
    "smart-pkce",
    "smart-no-none",
    "smart-endpoints-tls",
    "smart-jwks",
    "smart-jwks-public",
    "smart-token-wrong-client",
    "smart-token-no-pkce",
    "smart-token-grant",
    "smart-token-no-store",
    "smart-token-error",
    "smart-authorize-redirect",
];

pub(super) async fn check(run: &mut Run, is_declared: bool) {
    if !run.wants("smart") {
        return;
    }
    let bearer = Box::pin(bearer(run)).await;
    run.ends(&["smart-bearer-wrong", "smart-bearer-none"], bearer);
    let rest = Box::pin(configuration(run, is_declared)).await;
    run.ends(&ALL, rest);
}

/// What the FHIR door says to a token that is none, and to none.
async fn bearer(run: &mut Run) -> Rest {
    let wrong =
        Ask::get("/Patient?_count=1").with("authorization", "Bearer handover-check-no-token");
    let seen = run.ask(wrong).await?;
    let challenged = seen.header("www-authenticate").is_some();
    let found = match challenged {
        true => "with WWW-Authenticate",
        false => "without WWW-Authenticate",
    };
    run.holds(
        "smart-bearer-wrong",
        seen.status == 401 && challenged,
        &seen,
        found,
    );
    if !run.has_token() {
        run.leaves(
            &["smart-bearer-none"],
            "Without --token it is not known whether the system asks for one.",
        );
        return Ok(());
    }
    let seen = run.ask(Ask::get("/Patient?_count=1").by_nobody()).await?;
    let refused = matches!(seen.status, 401 | 403);
    run.holds("smart-bearer-none", refused, &seen, "asked without a token");
    Ok(())
}

async fn configuration(run: &mut Run, is_declared: bool) -> Rest {
    let ask = Ask::get("/.well-known/smart-configuration").with("accept", "application/json");
    let seen = run.ask(ask.by_nobody().plain()).await?;
    let told = seen.json().filter(|it| it.is_object());
    let (Some(told), 200) = (told, seen.status) else {
        if !is_declared {
            for id in ALL {
                run.spares(id, "The CapabilityStatement does not name SMART-on-FHIR, and there is no configuration.");
            }
            return Ok(());
        }
        run.holds(
            "smart-configuration",
            false,
            &seen,
            "no JSON object with status 200",
        );
        return Err("There is no SMART configuration.".into());
    };
    let found = format!(
        "{} with {} members",
        seen.media_type(),
        told.as_object().map_or(0, |it| it.len())
    );
    let is_json = seen.media_type() == "application/json";
    run.holds("smart-configuration", is_json, &seen, found);
    fields(run, &seen, &told);
    algorithms(run, &seen, &told);
    let keys = Box::pin(keys(run, &told)).await;
    run.ends(&["smart-jwks", "smart-jwks-public"], keys);
    Box::pin(token(run, &told)).await?;
    Box::pin(authorize(run, &told)).await
}

fn names(told: &Value, of: &str) -> Vec<String> {
    let items = told.get(of).and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_str);
    items.map(str::to_owned).collect()
}

fn text<'v>(told: &'v Value, of: &str) -> Option<&'v str> {
    told.get(of)?.as_str().filter(|it| !it.is_empty())
}

fn fields(run: &mut Run, seen: &Seen, told: &Value) {
    let capabilities = names(told, "capabilities");
    let can = |what: &str| capabilities.iter().any(|it| it.starts_with(what));
    let mut wanted = vec!["token_endpoint"];
    if can("launch-") {
        wanted.push("authorization_endpoint");
    }
    if can("sso-openid-connect") {
        wanted.extend(["issuer", "jwks_uri"]);
    }
    let mut missing: Vec<&str> = wanted
        .into_iter()
        .filter(|it| text(told, it).is_none())
        .collect();
    let lists = [
        "grant_types_supported",
        "capabilities",
        "code_challenge_methods_supported",
    ];
    missing.extend(lists.into_iter().filter(|it| names(told, it).is_empty()));
    let found = match missing.is_empty() {
        true => "all fields that its capabilities ask for".to_owned(),
        false => format!("missing or empty: {}", missing.join(", ")),
    };
    run.holds("smart-fields", missing.is_empty(), seen, found);
    let methods = names(told, "code_challenge_methods_supported");
    let good = methods.iter().any(|it| it == "S256") && !methods.iter().any(|it| it == "plain");
    let found = format!("code_challenge_methods_supported: {}", methods.join(", "));
    run.holds("smart-pkce", good, seen, found);
    let open: Vec<&str> = [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "issuer",
    ]
    .into_iter()
    .filter(|it| text(told, it).is_some_and(|url| !is_safe(url)))
    .collect();
    let found = match open.is_empty() {
        true => "all endpoints are https".to_owned(),
        false => format!("not https: {}", open.join(", ")),
    };
    run.holds("smart-endpoints-tls", open.is_empty(), seen, found);
}

/// https, or this machine.
fn is_safe(url: &str) -> bool {
    url.starts_with("https://") || place(url).is_ok_and(|(host, _)| is_loopback(&host))
}

fn algorithms(run: &mut Run, seen: &Seen, told: &Value) {
    let mut lists = Vec::new();
    for (name, value) in told.as_object().into_iter().flatten() {
        let is_none = |it: &Value| {
            it.as_str()
                .is_some_and(|it| it.eq_ignore_ascii_case("none"))
        };
        let of_algs = name.ends_with("_alg_values_supported");
        if of_algs && value.as_array().is_some_and(|all| all.iter().any(is_none)) {
            lists.push(name.as_str());
        }
    }
    let found = match lists.is_empty() {
        true => "no list of algorithms holds none".to_owned(),
        false => format!("the algorithm none is in {}", lists.join(", ")),
    };
    run.holds("smart-no-none", lists.is_empty(), seen, found);
}

async fn keys(run: &mut Run, told: &Value) -> Rest {
    let Some(address) = text(told, "jwks_uri") else {
        for id in ["smart-jwks", "smart-jwks-public"] {
            run.spares(id, "The configuration names no jwks_uri.");
        }
        return Ok(());
    };
    let seen = run.ask(Ask::get(address).by_nobody().plain()).await?;
    let set = seen.json();
    let keys = set.as_ref().and_then(|it| it.get("keys")?.as_array());
    let keys = keys.filter(|it| !it.is_empty() && seen.status == 200);
    let Some(keys) = keys else {
        run.holds("smart-jwks", false, &seen, "no set with a key");
        return Err("There is no key set.".into());
    };
    let mut ids: Vec<&str> = keys
        .iter()
        .filter_map(|it| it.get("kid")?.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let named = ids.len() == keys.len() && keys.iter().all(|it| it.get("kty").is_some());
    let found = format!("{} keys, {} different kid", keys.len(), ids.len());
    run.holds("smart-jwks", named, &seen, found);
    let secret = ["d", "p", "q", "dp", "dq", "qi", "k"];
    let shown = secret
        .into_iter()
        .find(|part| keys.iter().any(|it| it.get(*part).is_some()));
    let found = match shown {
        None => "public parts only".to_owned(),
        Some(part) => format!("a key shows its secret part {part:?}"),
    };
    run.holds("smart-jwks-public", shown.is_none(), &seen, found);
    Ok(())
}

/// The token endpoint, asked with what must be refused.
async fn token(run: &mut Run, told: &Value) -> Rest {
    let address =
        text(told, "token_endpoint").ok_or("The configuration names no token endpoint.")?;
    let code = format!(
        "grant_type=authorization_code&code=handover-check-no-code&redirect_uri={}",
        encoded(NOWHERE)
    );
    let cases = [
        (
            "smart-token-wrong-client",
            format!("{code}&client_id={CLIENT}&code_verifier={}", "v".repeat(64)),
        ),
        ("smart-token-no-pkce", format!("{code}&client_id={CLIENT}")),
        (
            "smart-token-grant",
            format!("grant_type=password&username=x&password=x&client_id={CLIENT}"),
        ),
    ];
    let mut plain = None;
    let mut kept = None;
    for (id, form) in cases {
        let ask = Ask::new(Method::POST, address).body(FORM, form);
        let seen = run.ask(ask.by_nobody().plain()).await?;
        let error = seen
            .json()
            .and_then(|it| Some(it.get("error")?.as_str()?.to_owned()));
        let refused = matches!(seen.status, 400 | 401);
        let found = error.as_deref().unwrap_or("no error code").to_owned();
        run.holds(id, refused, &seen, found);
        if error.is_none() {
            plain = Some(seen.clone());
        }
        let cache = seen.header("cache-control").unwrap_or_default();
        if !cache.contains("no-store") {
            kept = Some(seen.clone());
        }
        if id == "smart-token-grant" {
            let last = &seen;
            match &plain {
                Some(seen) => run.holds(
                    "smart-token-error",
                    false,
                    seen,
                    "no JSON with a member error",
                ),
                None => run.holds("smart-token-error", true, last, "JSON with a member error"),
            }
            match &kept {
                Some(seen) => run.holds(
                    "smart-token-no-store",
                    false,
                    seen,
                    "no Cache-Control: no-store",
                ),
                None => run.holds(
                    "smart-token-no-store",
                    true,
                    last,
                    "Cache-Control: no-store",
                ),
            }
        }
    }
    Ok(())
}

/// Whoever is not known is sent nowhere.
async fn authorize(run: &mut Run, told: &Value) -> Rest {
    let Some(address) = text(told, "authorization_endpoint") else {
        run.spares(
            "smart-authorize-redirect",
            "The configuration names no authorization endpoint.",
        );
        return Ok(());
    };
    let query = format!(
        "response_type=code&client_id={CLIENT}&redirect_uri={}&scope=openid&state=handover-check-state&aud={}",
        encoded(NOWHERE),
        encoded(run.base())
    );
    let join = if address.contains('?') { '&' } else { '?' };
    let ask = Ask::get(format!("{address}{join}{query}"))
        .by_nobody()
        .plain();
    let seen = run.ask(ask).await?;
    let to = seen.header("location").unwrap_or_default();
    let is_sent = to.starts_with(NOWHERE);
    let found = match is_sent {
        true => "the browser is sent to an address that no client registered",
        false => "the browser is not sent to the unknown client's address",
    };
    run.holds("smart-authorize-redirect", !is_sent, &seen, found);
    Ok(())
}
