//! The running neighbourhood: its nodes, its lines, and the switches on both. What is shown of it comes from the tables of
//! both ends of each line.

mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::Ods;
use anyhow::Context as _;
use exchange::backoff::Backoff;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use store::Store;
use tokio::sync::Mutex as Turn;
use web::neighbourhood::{Act, Answering, Line, Neighbourhood, Organisation, Picture, SignIn};

use super::day::Day;
use super::filling::Filling;
use super::lines::Lines;
use super::neighbours::Place;
use super::people;
use crate::node::{Running, Surroundings, open_store};

/// A neighbour that did not answer is tried again soon: somebody watches.
const BACKOFF: Backoff = Backoff {
    first_millis: 500,
    cap_millis: 3_000,
};
/// What is shown is counted anew after so long at the earliest.
const COUNTED_EVERY: Duration = Duration::from_millis(500);

/// The neighbourhood.
pub struct Network {
    pub places: Vec<Place>,
    pub filling: Arc<Filling>,
    pub day: Arc<Day>,
    lines: Arc<Lines>,
    stores: BTreeMap<String, Store>,
    running: Turn<BTreeMap<String, Running>>,
    state: Mutex<State>,
    switched: AtomicU64,
    counted: Turn<Option<Counted>>,
}

/// What was counted last, and when.
type Counted = (tokio::time::Instant, Vec<Line>, Option<u32>);

/// What the switches say.
#[derive(Default)]
struct State {
    up: BTreeSet<String>,
    /// Each two once, in the order of their codes.
    cut: BTreeSet<(String, String)>,
}

impl Network {
    /// Opens all stores and starts all nodes, several at a time.
    ///
    /// # Errors
    /// Names the node that did not start.
    pub async fn start(
        places: Vec<Place>,
        filling: Arc<Filling>,
        day: Arc<Day>,
    ) -> anyhow::Result<Arc<Network>> {
        let nodes: anyhow::Result<Vec<_>> = places
            .iter()
            .map(|it| Ok((Ods::parse(it.neighbour.ods)?, it.config.exchange.listen)))
            .collect();
        let lines = Lines::between(&nodes?);
        let mut opening = tokio::task::JoinSet::new();
        for place in &places {
            opening.spawn(opened(place.clone(), lines.clone()));
        }
        let (mut stores, mut running) = (BTreeMap::new(), BTreeMap::new());
        while let Some(node) = opening.join_next().await {
            let (ods, node) = node??;
            stores.insert(ods.clone(), node.store.clone());
            running.insert(ods, node);
        }
        let network = Arc::new(Network {
            state: Mutex::new(State {
                up: stores.keys().cloned().collect(),
                cut: BTreeSet::new(),
            }),
            places,
            filling,
            day,
            lines,
            stores,
            running: Turn::new(running),
            switched: AtomicU64::new(0),
            counted: Turn::new(None),
        });
        network.set_lines().await?;
        Ok(network)
    }

    /// All stores, by ODS code.
    pub fn stores(&self) -> &BTreeMap<String, Store> {
        &self.stores
    }

    fn place(&self, ods: &str) -> Option<&Place> {
        self.places.iter().find(|it| it.neighbour.ods == ods)
    }

    fn name(&self, ods: &str) -> Result<&'static str, Problem> {
        let place = self.place(ods).map(|it| it.neighbour.name);
        place.ok_or_else(|| Problem::new(Kind::Value, "There is no such organisation here."))
    }

    /// Puts up the lines that are to be up, and cuts the others.
    async fn set_lines(&self) -> anyhow::Result<()> {
        let all: Vec<&str> = self.stores.keys().map(String::as_str).collect();
        for from in &all {
            for to in all.iter().filter(|to| *to != from) {
                let is_up = {
                    let state = self.state.lock();
                    state.up.contains(*to) && !state.cut.contains(&pair(from, to))
                };
                self.lines.set(from, to, is_up).await?;
            }
        }
        Ok(())
    }

    /// Counts the switch, and lets what is shown be counted anew.
    async fn switched(&self) {
        self.switched.fetch_add(1, Ordering::Relaxed);
        *self.counted.lock().await = None;
    }

    async fn set_line(&self, a: &str, b: &str, up: bool) -> Result<String, Problem> {
        let names = (self.name(a)?, self.name(b)?);
        if a == b {
            return Err(Problem::new(Kind::Value, "A line has two ends."));
        }
        {
            let mut state = self.state.lock();
            match up {
                true => state.cut.remove(&pair(a, b)),
                false => state.cut.insert(pair(a, b)),
            };
        }
        self.set_lines().await.map_err(failed)?;
        let what = if up { "up" } else { "cut" };
        Ok(format!(
            "The line between {} and {} is {what}.",
            names.0, names.1
        ))
    }

    async fn stop_node(&self, ods: &str) -> Result<String, Problem> {
        let name = self.name(ods)?;
        let mut running = self.running.lock().await;
        self.state.lock().up.remove(ods);
        self.set_lines().await.map_err(failed)?;
        match running.remove(ods) {
            // Its store stays open: what stands in it is still counted.
            Some(node) => drop(node.halt().await),
            None => return Ok(format!("{name} was stopped already.")),
        }
        Ok(format!(
            "{name} is stopped: nothing of it listens any more."
        ))
    }

    async fn start_node(&self, ods: &str) -> Result<String, Problem> {
        let name = self.name(ods)?;
        let (Some(place), Some(store)) = (self.place(ods), self.stores.get(ods)) else {
            return Err(Problem::new(
                Kind::Value,
                "There is no such organisation here.",
            ));
        };
        let mut running = self.running.lock().await;
        if running.contains_key(ods) {
            return Ok(format!("{name} is up already."));
        }
        let around = surroundings(&self.lines, place).map_err(failed)?;
        let node = Running::start_on(&place.config, store.clone(), around);
        let node = Box::pin(node).await.map_err(failed)?;
        running.insert(ods.to_owned(), node);
        self.state.lock().up.insert(ods.to_owned());
        self.set_lines().await.map_err(failed)?;
        Ok(format!("{name} is up."))
    }

    async fn mend_all(&self) -> Result<String, Problem> {
        self.state.lock().cut.clear();
        for ods in self.stores.keys() {
            self.start_node(ods).await?;
        }
        self.set_lines().await.map_err(failed)?;
        Ok("All lines and all nodes are up.".to_owned())
    }

    async fn done(&self, act: Act) -> Result<String, Problem> {
        let said = match act {
            Act::Cut(a, b) => self.set_line(&a, &b, false).await?,
            Act::Mend(a, b) => self.set_line(&a, &b, true).await?,
            Act::MendAll => self.mend_all().await?,
            Act::Stop(ods) => self.stop_node(&ods).await?,
            Act::Start(ods) => self.start_node(&ods).await?,
            Act::Speed(speed) => self.day.set_speed(speed),
            Act::Again => self.day.again(),
        };
        self.switched().await;
        Ok(said)
    }

    async fn shown(&self) -> Result<Picture, Problem> {
        let (lines, counted_of_each) = self.lines_counted().await?;
        let organisations = self.places.iter().map(|place| self.organisation(place));
        Ok(Picture {
            organisations: organisations.collect(),
            lines,
            day: self.day.shown(),
            filled: self.filling.progress(),
            unfilled: self.filling.stopped(),
            counted_of_each,
        })
    }

    async fn lines_counted(&self) -> Result<(Vec<Line>, Option<u32>), Problem> {
        let mut counted = self.counted.lock().await;
        let fresh = counted.as_ref().filter(|it| it.0.elapsed() < COUNTED_EVERY);
        let (mut lines, most) = match fresh {
            Some((_, lines, most)) => (lines.clone(), *most),
            None => {
                let order: Vec<&str> = self.places.iter().map(|it| it.neighbour.ods).collect();
                let (lines, most) = tally::lines(&order, &self.stores, self.now()).await?;
                *counted = Some((tokio::time::Instant::now(), lines.clone(), most));
                (lines, most)
            }
        };
        let state = self.state.lock();
        for line in &mut lines {
            line.is_cut = state.cut.contains(&pair(&line.between.0, &line.between.1));
        }
        Ok((lines, most))
    }

    fn organisation(&self, place: &Place) -> Organisation {
        let neighbour = place.neighbour;
        let staff = neighbour.accounts.iter().map(|it| SignIn {
            username: it.username.to_owned(),
            name: it.name.to_owned(),
            about: it.about.to_owned(),
        });
        let patients = neighbour.patients.iter().map(|it| SignIn {
            username: it.username.to_owned(),
            name: it.name.to_owned(),
            about: String::new(),
        });
        Organisation {
            ods: neighbour.ods.to_owned(),
            name: neighbour.name.to_owned(),
            short: neighbour.short.to_owned(),
            is_up: self.state.lock().up.contains(neighbour.ods),
            pages: place.config.pages.public_url.clone(),
            staff: staff.collect(),
            patients: patients
                .chain(self.filling.sign_ins(neighbour.ods))
                .collect(),
        }
    }

    /// Stops all that runs, and closes the stores.
    pub async fn stop(&self) {
        self.lines.end();
        let mut running = self.running.lock().await;
        let mut stopping = tokio::task::JoinSet::new();
        for (_, node) in std::mem::take(&mut *running) {
            stopping.spawn(async move { drop(node.halt().await) });
        }
        while stopping.join_next().await.is_some() {}
        for store in self.stores.values() {
            store.clone().close().await;
        }
    }
}

impl Neighbourhood for Network {
    fn picture(&self) -> Answering<'_, Picture> {
        Box::pin(self.shown())
    }

    fn act(&self, act: Act) -> Answering<'_, String> {
        Box::pin(self.done(act))
    }

    fn pulse(&self) -> u64 {
        let parcels = self
            .stores
            .values()
            .map(|it| *it.parcels_changed().borrow());
        let (filled, _) = self.filling.progress();
        let own = [
            self.switched.load(Ordering::Relaxed),
            self.day.pulse(),
            u64::from(filled),
        ];
        parcels.chain(own).fold(0, u64::wrapping_add)
    }

    fn now(&self) -> Millis {
        self.stores.values().next().map_or(0, Store::now)
    }
}

fn pair(a: &str, b: &str) -> (String, String) {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    (low.to_owned(), high.to_owned())
}

fn failed(cause: anyhow::Error) -> Problem {
    let said = format!("It could not be done: {cause:#}.");
    Problem::new(Kind::Exception, said)
}

fn surroundings(lines: &Arc<Lines>, place: &Place) -> anyhow::Result<Surroundings> {
    Ok(Surroundings {
        ways: Some(lines.ways_from(&Ods::parse(place.neighbour.ods)?)),
        backoff: Some(BACKOFF),
    })
}

/// Opens a store, settles who is there, and starts the node.
async fn opened(place: Place, lines: Arc<Lines>) -> anyhow::Result<(String, Running)> {
    let around = surroundings(&lines, &place)?;
    let store = open_store(&place.config).await?;
    let node = Running::start_on(&place.config, store, around);
    let node = Box::pin(node).await.with_context(|| {
        format!(
            "{} did not start (another demo on these ports? --base-port takes others)",
            place.neighbour.name
        )
    })?;
    people::settle(place.neighbour, &node.store).await?;
    Ok((place.neighbour.ods.to_owned(), node))
}
