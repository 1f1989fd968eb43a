//! The day that plays itself: what happens in the neighbourhood, from 07:25 on, as fast as is chosen.
//!
//! Everything comes in by the doors that real systems and people use: HL7 v2 over MLLP, and the pages over HTTP. What a
//! door does not take is tried again until it does, as a real system would; the rest of the day goes on meanwhile.

mod browser;
mod errands;
mod plan;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use exchange::mllp::Sender;
use fhir::date::Millis;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::network::Network;
use super::population::Person;
use plan::{Door, Event};

/// When the day begins, in minutes.
const BEGINS: f64 = 445.0;
/// How often is looked what is due, and how long after something was not taken it is tried again.
const STEP: Duration = Duration::from_millis(200);
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// What happened that is still shown.
const SHOWN_MAX: usize = 9;
/// A door has so long to answer.
const ANSWER_SECONDS_MAX: u64 = 30;
const MINUTES_A_MILLI: f64 = 1.0 / 60_000.0;

/// The day.
pub struct Day {
    people: Arc<Vec<Person>>,
    /// Where the number of the day is kept, so that each day's messages are new ones.
    file: PathBuf,
    state: Mutex<State>,
    changed: AtomicU64,
}

struct State {
    number: u64,
    minutes: f64,
    speed: u32,
    to_come: VecDeque<Event>,
    /// Those that no door has taken yet.
    refused: VecDeque<Event>,
    happened: VecDeque<(String, String)>,
    is_planned: bool,
}

impl Day {
    /// The day that comes after the last one of this folder.
    pub fn new(people: Arc<Vec<Person>>, speed: u32, file: PathBuf) -> Day {
        let last = std::fs::read_to_string(&file).ok();
        let last = last.and_then(|it| it.trim().parse::<u64>().ok());
        Day {
            people,
            file,
            state: Mutex::new(State {
                number: last.unwrap_or(0) + 1,
                minutes: BEGINS,
                speed,
                to_come: VecDeque::new(),
                refused: VecDeque::new(),
                happened: VecDeque::new(),
                is_planned: false,
            }),
            changed: AtomicU64::new(0),
        }
    }

    /// Another number whenever something of it changed that is shown.
    pub fn pulse(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }

    fn changed(&self) {
        self.changed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn set_speed(&self, speed: u32) -> String {
        self.state.lock().speed = speed;
        match speed {
            0 => "The day is paused.".to_owned(),
            _ => format!("The day goes {speed} times as fast as the clock."),
        }
    }

    /// Ends the day and begins another.
    pub fn again(&self) -> String {
        let mut state = self.state.lock();
        state.number += 1;
        state.minutes = BEGINS;
        state.is_planned = false;
        state.to_come.clear();
        state.happened.clear();
        // What no door has taken yet is still on its way.
        "Another day begins.".to_owned()
    }

    pub fn shown(&self) -> web::neighbourhood::Day {
        let state = self.state.lock();
        web::neighbourhood::Day {
            time: clock(state.minutes),
            speed: state.speed,
            is_over: state.is_planned && state.to_come.is_empty() && state.refused.is_empty(),
            happened: state.happened.iter().cloned().collect(),
            to_come: state.to_come.len() + state.refused.len(),
        }
    }

    /// Plays until the process ends. Nothing happens before all histories are there: it is about these people.
    pub async fn play(self: Arc<Day>, network: Arc<Network>) {
        let mut tried = Instant::now();
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(STEP).await;
            let passed = last.elapsed();
            last = Instant::now();
            let (filled, all) = network.filling.progress();
            if filled < all && network.filling.stopped().is_none() {
                continue;
            }
            self.plan(&network);
            if tried.elapsed() >= AGAIN_AFTER {
                tried = Instant::now();
                self.try_refused(&network).await;
            }
            while let Some(event) = self.next(passed) {
                self.happen(&network, event, true).await;
                // What took longer than a moment does not make the day jump.
                last = Instant::now();
            }
            self.tick(passed);
        }
    }

    fn plan(&self, network: &Network) {
        let mut state = self.state.lock();
        if state.is_planned {
            return;
        }
        if let Err(cause) = std::fs::write(&self.file, format!("{}\n", state.number)) {
            tracing::warn!(%cause, "the day's number cannot be kept");
        }
        let signed = network.places.iter().map(|it| it.neighbour.ods);
        let signed = signed.flat_map(|ods| {
            network
                .filling
                .sign_ins(ods)
                .into_iter()
                .map(move |it| (ods, it.username))
        });
        let signed: Vec<_> = signed.collect();
        let yesterday = web::neighbourhood::Neighbourhood::now(network) / super::people::DAY_MS - 1;
        state.to_come = plan::events(state.number, &self.people, &signed, yesterday).into();
        state.is_planned = true;
        drop(state);
        self.changed();
    }

    /// What is due next, if something is.
    fn next(&self, passed: Duration) -> Option<Event> {
        let mut state = self.state.lock();
        if state.speed == 0 {
            return None;
        }
        let now = state.minutes + gone(passed, state.speed);
        let is_due = state
            .to_come
            .front()
            .is_some_and(|it| f64::from(it.at) <= now);
        if is_due {
            state.to_come.pop_front()
        } else {
            None
        }
    }

    fn tick(&self, passed: Duration) {
        let mut state = self.state.lock();
        if state.is_planned && !state.to_come.is_empty() {
            state.minutes += gone(passed, state.speed);
        }
    }

    async fn try_refused(&self, network: &Network) {
        let waiting = std::mem::take(&mut self.state.lock().refused);
        for event in waiting {
            self.happen(network, event, false).await;
        }
    }

    /// Takes an event to its door. What is not taken waits; that is told once.
    async fn happen(&self, network: &Network, event: Event, is_first: bool) {
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        let done = tokio::time::timeout(limit, through(network, &event.door)).await;
        let done = done.unwrap_or_else(|_| Err("nothing answered in time".to_owned()));
        let time = clock(f64::from(event.at));
        let mut state = self.state.lock();
        let told = match done {
            Ok(said) => Some(if said.is_empty() {
                event.what
            } else {
                format!("{} {said}", event.what)
            }),
            Err(why) => {
                tracing::info!(what = event.what, why, "a door did not take what happened");
                let told = format!(
                    "{} Not taken yet ({why}); tried again until it is.",
                    event.what
                );
                // People go away when a page does not work; systems send again.
                if matches!(event.door, Door::Hl7 { .. }) {
                    state.refused.push_back(event);
                    is_first.then_some(told)
                } else {
                    Some(format!("{} It did not work: {why}.", event.what))
                }
            }
        };
        if let Some(told) = told {
            state.happened.push_front((time, told));
            state.happened.truncate(SHOWN_MAX);
        }
        drop(state);
        self.changed();
    }
}

/// Minutes of the day that pass meanwhile.
fn gone(passed: Duration, speed: u32) -> f64 {
    passed.as_secs_f64() * 1_000.0 * f64::from(speed) * MINUTES_A_MILLI
}

fn clock(minutes: f64) -> String {
    let at = Millis::from(minutes as i32);
    format!("{:02}:{:02}", at / 60, at % 60)
}

/// What came of it in words, or why it was not taken.
async fn through(network: &Network, door: &Door) -> Result<String, String> {
    match door {
        Door::Hl7 { ods, message } => {
            let place = network.places.iter().find(|it| it.neighbour.ods == *ods);
            let listen = place.and_then(|it| it.config.hl7v2.listen);
            let address = listen.ok_or("the organisation hears no HL7 v2")?;
            let mut sender = Sender::connect(address)
                .await
                .map_err(|it| it.message.to_string())?;
            let answer = sender
                .send(message.as_bytes())
                .await
                .map_err(|it| it.message.to_string())?;
            match answer.windows(6).any(|part| part == b"MSA|AA") {
                true => Ok(String::new()),
                false => Err("the node did not accept the message".to_owned()),
            }
        }
        Door::Pages(errand) => errands::run(network, errand).await,
    }
}
