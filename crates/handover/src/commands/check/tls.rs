//! What the connection itself shows.

use exchange::probe::{Old, SeenTls, look, takes_old};
use fhir::date;

use super::Way;
use super::run::{Rest, Run};
use super::target::is_loopback;

/// A certificate that ends sooner is told.
const DAYS_LEFT_MIN: i64 = 14;
const DAY: i64 = 86_400_000;

const ALL: [&str; 5] = [
    "tls-used",
    "tls-trusted",
    "tls-version",
    "tls-old-refused",
    "tls-expiry",
];

pub(super) async fn check(run: &mut Run, way: &Way) {
    if !run.wants("tls") {
        return;
    }
    let (host, port, tls) = run.target.place();
    let at = format!("connect {host} port {port}");
    if !tls {
        for id in ALL.iter().skip(1) {
            run.spares(id, "The address is not one of TLS.");
        }
        match is_loopback(&host) {
            true => run.spares("tls-used", "The address is this machine's own."),
            false => run.shows("tls-used", false, &at, "the address is not one of TLS"),
        }
        return;
    }
    let looked = looked(run, way, &host, port, &at).await;
    run.ends(&ALL, looked);
}

async fn looked(run: &mut Run, way: &Way, host: &str, port: u16, at: &str) -> Rest {
    run.count()?;
    let seen = look(host, port, way.authorities.as_deref(), way.seconds).await;
    let seen = match seen {
        Ok(seen) => seen,
        Err(reason) => {
            run.unanswered.push((at.to_owned(), reason.clone()));
            return Err(reason);
        }
    };
    run.reach();
    run.shows("tls-used", true, at, "TLS was agreed on");
    told(run, at, &seen);
    let mut taken = Vec::new();
    for (old, name) in [(Old::Tls10, "TLS 1.0"), (Old::Tls11, "TLS 1.1")] {
        run.count()?;
        if takes_old(host, port, old, way.seconds).await? {
            taken.push(name);
        }
    }
    let found = match taken.is_empty() {
        true => "TLS 1.0 and 1.1 were offered and refused".to_owned(),
        false => format!(
            "agreed on when nothing newer was offered: {}",
            taken.join(", ")
        ),
    };
    run.shows("tls-old-refused", taken.is_empty(), at, found);
    Ok(())
}

fn told(run: &mut Run, at: &str, seen: &SeenTls) {
    let found = match &seen.distrusted {
        None => "the certificate is believed, for this host".to_owned(),
        Some(why) => format!("the certificate is not believed: {why}"),
    };
    run.shows("tls-trusted", seen.distrusted.is_none(), at, found);
    let modern = ["TLS 1.2", "TLS 1.3"].contains(&seen.version.as_str());
    run.shows(
        "tls-version",
        modern,
        at,
        format!("agreed on {}", seen.version),
    );
    match seen.until {
        Some(until) => {
            let days = (until - run.clock.now()) / DAY;
            let found = format!("the certificate is good until {}", date::instant(until));
            run.shows("tls-expiry", days >= DAYS_LEFT_MIN, at, found);
        }
        None => run.leaves(&["tls-expiry"], "The certificate's dates do not read."),
    }
}
