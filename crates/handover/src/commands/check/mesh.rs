//! MESH (<https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api>), as the owner
//! of a mailbox meets it.

mod sending;

use exchange::mesh::Credentials;
use fhir::date::Millis;
use http::Method;
use serde_json::Value;

use super::run::{Ask, Rest, Run, Seen};

const V2: &str = "application/vnd.mesh.v2+json";
const HOUR: Millis = 3_600_000;

/// What opens the mailbox.
pub(super) struct Secrets {
    pub(super) credentials: Credentials,
    /// The environment's shared key.
    pub(super) key: String,
    pub(super) workflow: String,
}

const LOOKS: [&str; 6] = [
    "mesh-handshake",
    "mesh-handshake-headers",
    "mesh-count",
    "mesh-inbox",
    "mesh-inbox-v2",
    "mesh-inbox-max",
];
const REFUSALS: [&str; 10] = [
    "mesh-no-token",
    "mesh-wrong-hmac",
    "mesh-other-mailbox",
    "mesh-replay",
    "mesh-skew-past",
    "mesh-skew-future",
    "mesh-accept",
    "mesh-tracking-unknown",
    "mesh-message-unknown",
    "mesh-refusal-shape",
];

/// A mailbox, and what its requests need.
struct Mailbox<'s> {
    secrets: &'s Secrets,
    now: Millis,
}

impl Mailbox<'_> {
    fn token(&self, later: Millis) -> String {
        self.secrets.credentials.token(self.now + later)
    }

    /// A request with a token of its own.
    fn ask(&self, method: Method, path: &str) -> Ask {
        self.shown(method, path, self.token(0))
    }

    fn shown(&self, method: Method, path: &str, token: String) -> Ask {
        let ask = Ask::new(method, path).plain().with("authorization", token);
        ask.with("accept", V2)
    }
}

pub(super) async fn check(run: &mut Run, secrets: &Secrets) {
    if !run.wants("mesh") {
        return;
    }
    let mailbox = Mailbox {
        secrets,
        now: run.clock.now(),
    };
    let rest = Box::pin(ping(run)).await;
    run.ends(&["mesh-ping"], rest);
    let rest = Box::pin(looks(run, &mailbox)).await;
    run.ends(&LOOKS, rest);
    let rest = Box::pin(refusals(run, &mailbox)).await;
    run.ends(&REFUSALS, rest);
    if run.write {
        Box::pin(sending::check(run, &mailbox)).await;
    }
}

async fn ping(run: &mut Run) -> Rest {
    let above = run
        .base()
        .rsplit_once('/')
        .map_or(String::new(), |(above, _)| above.to_owned());
    let ask = Ask::get(format!("{above}/_ping")).by_nobody().plain();
    let seen = run.ask(ask).await?;
    run.holds(
        "mesh-ping",
        seen.status == 200,
        &seen,
        "asked without a token",
    );
    Ok(())
}

async fn looks(run: &mut Run, mailbox: &Mailbox<'_>) -> Rest {
    let said = mailbox
        .ask(Method::POST, "")
        .with("mex-clientversion", "HandoverCheck");
    let said = said.with("mex-osname", "Linux").with("mex-osversion", "1");
    let seen = run.ask(said).await?;
    run.holds(
        "mesh-handshake",
        seen.status == 200,
        &seen,
        "with the client's version and system",
    );
    if seen.status == 403 {
        return Err(
            "The mailbox was not opened: check --password, --shared-key and this machine's clock."
                .into(),
        );
    }
    let seen = run.ask(mailbox.ask(Method::POST, "")).await?;
    run.holds(
        "mesh-handshake-headers",
        seen.status == 400,
        &seen,
        "without mex-ClientVersion and the others",
    );
    let seen = run.ask(mailbox.ask(Method::GET, "/count")).await?;
    let count = seen.json().and_then(|it| it.get("count")?.as_u64());
    let found = match count {
        Some(_) => "a number of messages",
        None => "no member count with a number",
    };
    run.holds(
        "mesh-count",
        seen.status == 200 && count.is_some(),
        &seen,
        found,
    );
    Box::pin(inbox(run, mailbox)).await
}

fn messages(seen: &Seen) -> Option<Vec<String>> {
    let told = seen.json()?;
    let all = told.get("messages")?.as_array()?;
    let texts = all.iter().map(|it| it.as_str().map(str::to_owned));
    texts.collect()
}

async fn inbox(run: &mut Run, mailbox: &Mailbox<'_>) -> Rest {
    let seen = run.ask(mailbox.ask(Method::GET, "/inbox")).await?;
    let listed = messages(&seen);
    let found = match &listed {
        Some(ids) => format!("{} messages", ids.len()),
        None => "no list messages of ids".to_owned(),
    };
    run.holds(
        "mesh-inbox",
        seen.status == 200 && listed.is_some(),
        &seen,
        found,
    );
    let told = seen.json().unwrap_or_default();
    let kind = seen.media_type();
    let linked = told.pointer("/links/self").is_some_and(Value::is_string);
    let counted = told.get("approx_inbox_count").is_some_and(Value::is_u64);
    let found = format!("Content-Type {kind}, links.self: {linked}, approx_inbox_count: {counted}");
    run.holds(
        "mesh-inbox-v2",
        kind == V2 && linked && counted,
        &seen,
        found,
    );
    let seen = run
        .ask(mailbox.ask(Method::GET, "/inbox?max_results=10"))
        .await?;
    let listed = messages(&seen).map_or(usize::MAX, |it| it.len());
    let found = match listed {
        usize::MAX => "no list".to_owned(),
        listed => format!("{listed} messages with max_results=10"),
    };
    run.holds(
        "mesh-inbox-max",
        seen.status == 200 && listed <= 10,
        &seen,
        found,
    );
    Ok(())
}

async fn refusals(run: &mut Run, mailbox: &Mailbox<'_>) -> Rest {
    let Secrets {
        credentials, key, ..
    } = mailbox.secrets;
    let name = credentials.mailbox();
    let wrong = |name: &str, password: &str| {
        Credentials::new(name, password, key).map(|it| it.token(mailbox.now))
    };
    let forged = wrong(name, "handover-check-wrong").map_err(|it| it.message)?;
    let other = wrong("HANDOVERCHECK", "handover-check-wrong").map_err(|it| it.message)?;
    let once = mailbox.token(0);
    let first = run
        .ask(mailbox.shown(Method::GET, "/count", once.clone()))
        .await?;
    if first.status != 200 {
        return Err(
            "A right token was refused, so that it tells nothing that wrong ones are.".into(),
        );
    }
    let mut refused = Vec::new();
    let cases = [
        (
            "mesh-wrong-hmac",
            forged,
            "a token that another password made",
        ),
        ("mesh-other-mailbox", other, "a token of another mailbox"),
        ("mesh-replay", once, "a token that has served"),
        (
            "mesh-skew-past",
            mailbox.token(-3 * HOUR),
            "a token of three hours ago",
        ),
        (
            "mesh-skew-future",
            mailbox.token(3 * HOUR),
            "a token of in three hours",
        ),
    ];
    for (id, token, what) in cases {
        let seen = run.ask(mailbox.shown(Method::GET, "/count", token)).await?;
        run.holds(id, seen.status == 403, &seen, what);
        refused.push(seen);
    }
    let bare = Ask::get("/count").plain().by_nobody().with("accept", V2);
    let seen = run.ask(bare).await?;
    run.holds(
        "mesh-no-token",
        matches!(seen.status, 400 | 401 | 403),
        &seen,
        "without Authorization",
    );
    Box::pin(requests(run, mailbox, &mut refused)).await?;
    let odd = refused
        .iter()
        .filter(|it| it.status >= 400)
        .find(|it| !is_told(it));
    match (odd, refused.last()) {
        (Some(seen), _) => run.holds("mesh-refusal-shape", false, seen, "no detail with msg"),
        (None, Some(last)) => {
            let found = format!("{} refusals, each with detail and msg", refused.len());
            run.holds("mesh-refusal-shape", true, last, found);
        }
        (None, None) => {}
    }
    Ok(())
}

/// Version 2 of the interface: `{"detail": [{"event", "code", "msg"}]}`.
fn is_told(seen: &Seen) -> bool {
    let told = seen.json().unwrap_or_default();
    told.pointer("/detail/0/msg").is_some_and(Value::is_string)
}

/// Requests with a good token that ask for what there is not.
async fn requests(run: &mut Run, mailbox: &Mailbox<'_>, refused: &mut Vec<Seen>) -> Rest {
    let odd = Ask::get("/count")
        .plain()
        .with("authorization", mailbox.token(0));
    let seen = run
        .ask(odd.with("accept", "application/vnd.mesh.vx+json"))
        .await?;
    run.holds(
        "mesh-accept",
        seen.status == 400,
        &seen,
        "Accept: application/vnd.mesh.vx+json",
    );
    for (id, path) in [
        (
            "mesh-tracking-unknown",
            "/outbox/tracking?messageID=HANDOVERCHECK0",
        ),
        ("mesh-message-unknown", "/inbox/HANDOVERCHECK0"),
    ] {
        let seen = run.ask(mailbox.ask(Method::GET, path)).await?;
        run.holds(
            id,
            seen.status == 404,
            &seen,
            "a message that there never was",
        );
        refused.push(seen);
    }
    Ok(())
}
