//! Messages to oneself (--write): they say that they are made up, and are acknowledged at the end, which takes them away.

use std::time::Duration;

use http::Method;

use super::{Mailbox, messages};
use crate::commands::check::run::{Ask, Rest, Run, Seen};
use crate::commands::check::shown::{OURS, short};

/// What the first message tells.
const ONE: [&str; 6] = [
    "mesh-send",
    "mesh-listed",
    "mesh-fetch",
    "mesh-fetch-headers",
    "mesh-tracked",
    "mesh-acknowledge",
];
const TEXT: &[u8] = b"A made-up message of handover check. It may be acknowledged and forgotten.\n";
/// How often the inbox is looked at before a message counts as not there.
const LOOKS_MAX: u32 = 30;

pub(super) async fn check(run: &mut Run, mailbox: &Mailbox<'_>) {
    let mut sent = Vec::new();
    let rest = Box::pin(one(run, mailbox, &mut sent)).await;
    run.ends(&ONE, rest);
    let rest = Box::pin(refused(run, mailbox)).await;
    run.ends(&["mesh-unregistered", "mesh-send-headers"], rest);
    let rest = Box::pin(chunked(run, mailbox, &mut sent)).await;
    run.ends(&["mesh-chunks", "mesh-chunk-range"], rest);
    for id in sent {
        let done = run
            .ask(mailbox.ask(Method::PUT, &format!("/inbox/{id}/status/acknowledged")))
            .await;
        if !done.is_ok_and(|it| it.is_ok()) {
            run.left.push(format!(
                "the message {id} in the inbox of {}",
                mailbox.secrets.credentials.mailbox()
            ));
        }
    }
}

fn sending(mailbox: &Mailbox<'_>, to: &str, local: &str) -> Ask {
    let ask = mailbox.ask(Method::POST, "/outbox").with("mex-to", to);
    let ask = ask
        .with("mex-workflowid", mailbox.secrets.workflow.clone())
        .with("mex-localid", local);
    ask.with("mex-subject", OURS)
        .body("application/octet-stream", TEXT)
}

/// A local id that nothing had before: what comes twice under one may count as one message.
fn unique() -> String {
    format!("{OURS}-{}", uuid::Uuid::new_v4().simple())
}

fn id_of(seen: &Seen) -> Option<String> {
    let told = seen.json()?;
    Some(told.get("message_id")?.as_str()?.to_owned())
}

/// Waits until the inbox lists the message.
async fn listed(run: &mut Run, mailbox: &Mailbox<'_>, id: &str) -> Result<(bool, Seen), String> {
    for look in 1..=LOOKS_MAX {
        let seen = run.ask(mailbox.ask(Method::GET, "/inbox")).await?;
        let there = messages(&seen).is_some_and(|ids| ids.iter().any(|it| it == id));
        if there || look == LOOKS_MAX {
            return Ok((there, seen));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err("The inbox was not looked at.".into())
}

async fn one(run: &mut Run, mailbox: &Mailbox<'_>, sent: &mut Vec<String>) -> Rest {
    let own = mailbox.secrets.credentials.mailbox().to_owned();
    let local = unique();
    let seen = run.ask(sending(mailbox, &own, &local)).await?;
    let id = id_of(&seen);
    let found = match &id {
        Some(_) => "with message_id",
        None => "without message_id",
    };
    run.holds(
        "mesh-send",
        seen.status == 202 && id.is_some(),
        &seen,
        found,
    );
    let id = id.ok_or("No message was taken.")?;
    let (there, seen) = Box::pin(listed(run, mailbox, &id)).await?;
    run.holds(
        "mesh-listed",
        there,
        &seen,
        format!("the message {} to oneself", short(&id)),
    );
    if !there {
        run.left
            .push(format!("the message {id}, which never came into the inbox"));
        return Err("The message did not come.".into());
    }
    sent.push(id.clone());
    let path = format!("/inbox/{id}");
    let seen = run.ask(mailbox.ask(Method::GET, &path)).await?;
    let same = seen.body == TEXT;
    let found = if same {
        "byte for byte what was sent"
    } else {
        "not what was sent"
    };
    run.holds("mesh-fetch", seen.status == 200 && same, &seen, found);
    written(run, mailbox, &seen, &own);
    Box::pin(acknowledged(run, mailbox, &id, sent)).await
}

/// What is written on a message.
fn written(run: &mut Run, mailbox: &Mailbox<'_>, seen: &Seen, own: &str) {
    let wanted = [
        ("mex-from", own),
        ("mex-to", own),
        ("mex-workflowid", mailbox.secrets.workflow.as_str()),
        ("mex-subject", OURS),
        ("mex-messagetype", "DATA"),
    ];
    let odd = wanted.into_iter().find(|(name, value)| {
        !seen
            .header(name)
            .is_some_and(|it| it.eq_ignore_ascii_case(value))
    });
    let found = match odd {
        Some((name, _)) => format!("{name} is not what was sent"),
        None => "sender, recipient, workflow and subject as they were sent".to_owned(),
    };
    run.holds("mesh-fetch-headers", odd.is_none(), seen, found);
}

async fn acknowledged(
    run: &mut Run,
    mailbox: &Mailbox<'_>,
    id: &str,
    sent: &mut Vec<String>,
) -> Rest {
    let track = format!("/outbox/tracking?messageID={id}");
    let before = run.ask(mailbox.ask(Method::GET, &track)).await?;
    let path = format!("/inbox/{id}/status/acknowledged");
    let seen = run.ask(mailbox.ask(Method::PUT, &path)).await?;
    let inbox = run.ask(mailbox.ask(Method::GET, "/inbox")).await?;
    let there = messages(&inbox).is_none_or(|ids| ids.iter().any(|it| it == id));
    let found = if there {
        "and the inbox lists it still"
    } else {
        "and the inbox lists it no more"
    };
    run.holds(
        "mesh-acknowledge",
        seen.status == 200 && !there,
        &seen,
        found,
    );
    if !there {
        sent.retain(|it| it != id);
    }
    let after = run.ask(mailbox.ask(Method::GET, &track)).await?;
    let status = |seen: &Seen| {
        let told = seen.json()?;
        Some(told.get("status")?.as_str()?.to_ascii_lowercase())
    };
    let told = [status(&before), status(&after)].map(|it| it.unwrap_or_else(|| "nothing".into()));
    let good = told == ["accepted", "acknowledged"];
    run.holds(
        "mesh-tracked",
        good,
        &after,
        format!("{} after it was acknowledged", told.join(" before, ")),
    );
    Ok(())
}

async fn refused(run: &mut Run, mailbox: &Mailbox<'_>) -> Rest {
    let seen = run
        .ask(sending(mailbox, "HANDOVERCHECK0", &unique()))
        .await?;
    run.holds(
        "mesh-unregistered",
        seen.status == 417,
        &seen,
        "to a mailbox that there is not",
    );
    let bare = mailbox
        .ask(Method::POST, "/outbox")
        .body("application/octet-stream", TEXT);
    let seen = run.ask(bare).await?;
    run.holds(
        "mesh-send-headers",
        seen.status == 400,
        &seen,
        "without mex-To and mex-WorkflowID",
    );
    Ok(())
}

async fn chunked(run: &mut Run, mailbox: &Mailbox<'_>, sent: &mut Vec<String>) -> Rest {
    let own = mailbox.secrets.credentials.mailbox().to_owned();
    let odd = sending(mailbox, &own, &unique()).with("mex-chunk-range", "2:1");
    let seen = run.ask(odd).await?;
    if let Some(id) = id_of(&seen) {
        sent.push(id);
    }
    run.holds(
        "mesh-chunk-range",
        seen.is_refusal(),
        &seen,
        "mex-Chunk-Range: 2:1",
    );
    let first = run
        .ask(sending(mailbox, &own, &unique()).with("mex-chunk-range", "1:2"))
        .await?;
    let id = id_of(&first).ok_or("The first of two chunks was not taken.")?;
    let path = format!("/outbox/{id}/2");
    let second = mailbox
        .ask(Method::POST, &path)
        .with("mex-chunk-range", "2:2");
    let second = run
        .ask(second.body("application/octet-stream", TEXT))
        .await?;
    let (there, inbox) = Box::pin(listed(run, mailbox, &id)).await?;
    if !there {
        run.left
            .push(format!("the message {id}, which never came into the inbox"));
        run.holds(
            "mesh-chunks",
            false,
            &inbox,
            format!(
                "the second chunk was answered {}, and the message did not come",
                second.status
            ),
        );
        return Ok(());
    }
    sent.push(id.clone());
    let one = run
        .ask(mailbox.ask(Method::GET, &format!("/inbox/{id}")))
        .await?;
    let two = run
        .ask(mailbox.ask(Method::GET, &format!("/inbox/{id}/2")))
        .await?;
    let ranges = [&one, &two].map(|it| it.header("mex-chunk-range").unwrap_or("none").to_owned());
    let good = (one.status, two.status) == (206, 200)
        && ranges == ["1:2", "2:2"]
        && one.body == TEXT
        && two.body == TEXT;
    let found = format!(
        "206 and 200 are due: {} and {}; mex-Chunk-Range {}",
        one.status,
        two.status,
        ranges.join(" and ")
    );
    run.holds("mesh-chunks", good, &two, found);
    Ok(())
}
