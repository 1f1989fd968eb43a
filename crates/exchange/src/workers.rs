//! The node's workers: one that sees to every neighbour, one that takes in. Woken by new parcels,
//! and by the clock for what is to be tried again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use access::{Ods, Scope, SystemPurpose};
use fhir::date::Millis;
use store::parcels::ParcelWrite;
use store::{Effect, Job};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::booking;
use crate::delivery::wait_millis;
use crate::directory;
use crate::exchange::Exchange;
use crate::mailboxes;
use crate::pds;
use crate::pointers;
use crate::prescriptions;
use crate::referrals::bars_send;
use crate::reminders;
use crate::rules;
use crate::sharing;
use crate::witness;

const DAY_MILLIS: Millis = 86_400_000;
/// How often what is long undelivered and what was begun long ago is looked for.
const TIDY_EVERY_MILLIS: Millis = 60_000;
/// Contents that were begun and never finished are forgotten after so long.
const UNFINISHED_MILLIS: Millis = 7 * DAY_MILLIS;
/// How long a stop waits for requests under way.
const STOP_SECONDS_MAX: u64 = 10;

/// Running workers.
pub struct Workers {
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(exchange: Arc<Exchange>) -> Workers {
        let (stop, stopped) = watch::channel(false);
        let running = vec![
            tokio::spawn(deliver(exchange.clone(), stopped.clone())),
            tokio::spawn(take_in(exchange.clone(), stopped.clone())),
            tokio::spawn(sharing::tell(exchange.clone(), stopped.clone())),
            tokio::spawn(sharing::confirm(exchange.clone(), stopped.clone())),
            tokio::spawn(pointers::tell(exchange.clone(), stopped.clone())),
            tokio::spawn(mailboxes::run(exchange.clone(), stopped.clone())),
            tokio::spawn(mailboxes::collect_mail(exchange.clone(), stopped.clone())),
            tokio::spawn(pds::run(exchange.clone(), stopped.clone())),
            tokio::spawn(prescriptions::run(exchange.clone(), stopped.clone())),
            tokio::spawn(prescriptions::run_there(exchange.clone(), stopped.clone())),
            tokio::spawn(rules::run(exchange.clone(), stopped.clone())),
            tokio::spawn(reminders::run(exchange.clone(), stopped.clone())),
            tokio::spawn(bars_send::run(exchange.clone(), stopped.clone())),
            tokio::spawn(booking::bars_look::run(exchange.clone(), stopped.clone())),
            tokio::spawn(booking::carry::run(exchange.clone(), stopped.clone())),
            tokio::spawn(directory::follow::run(exchange.clone(), stopped.clone())),
            tokio::spawn(witness::run(exchange, stopped)),
        ];
        Workers { stop, running }
    }

    /// Stops them: what is under way is finished, or given up after ten seconds, which loses
    /// nothing.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for mut worker in self.running {
            let limit = Duration::from_secs(STOP_SECONDS_MAX);
            if tokio::time::timeout(limit, &mut worker).await.is_err() {
                worker.abort();
            }
        }
    }
}

/// Sleeps until something happens: a stop, a change of parcels, or the time is over.
pub(crate) async fn wait(
    stopped: &mut watch::Receiver<bool>,
    changed: &mut watch::Receiver<u64>,
    millis: u64,
) {
    tokio::select! {
        () = stop(stopped) => {}
        result = changed.changed() => {
            if result.is_err() {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
        () = tokio::time::sleep(Duration::from_millis(millis)) => {}
    }
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn deliver(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let mut changed = exchange.store.parcels_changed();
    let mut serving: HashSet<Ods> = HashSet::new();
    let mut tasks: JoinSet<Ods> = JoinSet::new();
    let mut tidied = 0;
    while !*stopped.borrow() {
        changed.mark_unchanged();
        let now = exchange.store.now();
        // Should the clock be put back, as well.
        if now.saturating_sub(tidied).abs() >= TIDY_EVERY_MILLIS {
            tidied = now;
            exchange.note_clocks().await;
            exchange.tidy().await;
        }
        let nearest = serve_due(&exchange, &mut serving, &mut tasks).await;
        let millis = nearest.clamp(1, exchange.settings.poll_millis.max(1));
        tokio::select! {
            () = wait(&mut stopped, &mut changed, millis) => {}
            Some(done) = tasks.join_next() => match done {
                Ok(peer) => { serving.remove(&peer); }
                Err(error) => {
                    // Which one is not told: all may be tried again, which does no harm.
                    tracing::error!(%error, "serving a neighbour ended badly");
                    serving.clear();
                }
            },
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Starts serving the neighbours whose time has come; gives how many milliseconds there are to the
/// next.
async fn serve_due(
    exchange: &Arc<Exchange>,
    serving: &mut HashSet<Ods>,
    tasks: &mut JoinSet<Ods>,
) -> u64 {
    let work = match exchange.store.peers_to_serve().await {
        Ok(work) => work,
        Err(problem) => {
            tracing::error!(?problem, "what is to be delivered could not be read");
            return exchange.settings.poll_millis;
        }
    };
    let now = exchange.store.now();
    let mut nearest = exchange.settings.poll_millis;
    for it in work {
        let wait =
            u64::try_from(wait_millis(&it, now, exchange.settings.backoff.cap_millis)).unwrap_or(0);
        if serving.contains(&it.peer) {
            continue;
        }
        if wait > 0 {
            nearest = nearest.min(wait);
        } else if serving.len() < exchange.settings.peers_at_once {
            serving.insert(it.peer.clone());
            let exchange = exchange.clone();
            tasks.spawn(async move {
                exchange.serve(&it.peer).await;
                it.peer
            });
        }
    }
    nearest
}

async fn take_in(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let mut changed = exchange.store.parcels_changed();
    while !*stopped.borrow() {
        changed.mark_unchanged();
        let more = match exchange.take_in().await {
            Ok(count) => count > 0,
            Err(problem) => {
                tracing::error!(?problem, "parcels could not be taken in");
                false
            }
        };
        if !more {
            wait(&mut stopped, &mut changed, exchange.settings.poll_millis).await;
        }
    }
}

impl Exchange {
    /// Puts what is long undelivered onto the list for a person, and forgets contents that nobody
    /// finished. The workers do this by themselves.
    pub async fn tidy(&self) {
        let now = self.store.now();
        let days = Millis::from(self.settings.undeliverable_after_days);
        let writes = [
            ParcelWrite::GiveUp {
                accepted_before: now - days * DAY_MILLIS,
            },
            ParcelWrite::Tidy {
                wanted_before: now - UNFINISHED_MILLIS,
            },
        ];
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        if let Err(problem) = self.tidy_copies().await {
            tracing::error!(
                ?problem,
                "old answers of other organisations could not be dropped"
            );
        }
        for write in writes {
            if let Err(problem) = self
                .store
                .commit(&scope, Job::effect(Effect::Parcel(write)))
                .await
            {
                tracing::error!(?problem, "undelivered parcels could not be looked through");
            }
        }
    }
}
