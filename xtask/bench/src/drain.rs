//! How fast a neighbour that was away gets what waited for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::load::framed;
use crate::message::{HOSPITAL, PRACTICE, letter_about};
use crate::node::network;
use crate::report::{Report, Wanted};

/// As many from each sender.
const PARCELS: i64 = 300 * SENDERS as i64;
/// Whom the letters are about: those about one person go one after the other.
const PEOPLE: usize = 500;
/// Until the sender notices that the neighbour is back, and at the very end, nothing is measured.
const FROM: i64 = PARCELS / 10;
const PER_SECOND_MIN: f64 = 3000.0;
const WAIT_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Senders at the hospital, each with one letter at a time.
const SENDERS: usize = 16;
const ACCEPTED: &str = "SELECT count(*) FROM parcel WHERE direction = 0";
const ARRIVED: &str = "SELECT count(*) FROM parcel WHERE direction = 1";
const URGENT: &str = "SELECT count(*) FROM parcel WHERE direction = 1 AND urgent = 1";
/// A patient waits for it: as long as a letter may take with nothing before it, and the batch under way.
const URGENT_MILLIS_MAX: f64 = 2000.0;
const RECEIPTED: &str = "SELECT count(*) FROM parcel WHERE direction = 0 AND state = 'delivered'";

/// Letters wait for a practice whose node hangs; then it goes on.
pub fn measure(report: &mut Report) -> Result<()> {
    let nodes = network(
        &[(HOSPITAL, "hospital"), (PRACTICE, "gp-practice")],
        "before-answer",
        None,
    )?;
    let [hospital, practice] = nodes.as_slice() else {
        anyhow::bail!("two nodes were asked for")
    };
    practice.halt()?;
    let sent = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || send(hospital.mllp, sender)))
            .collect();
        senders
            .into_iter()
            .map(|sender| {
                sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))?
            })
            .collect::<Result<Vec<()>>>()
    });
    let outbox = open(&hospital.store());
    let came = sent.and_then(|_| reached(&outbox?, ACCEPTED, PARCELS));
    practice.go_on()?;
    came?;
    let inbox = open(&practice.store())?;
    let began = reached(&inbox, ARRIVED, FROM)?;
    let urgent = urgent(hospital.mllp, &inbox)?;
    let behind = count(&inbox, ARRIVED)?;
    let ended = reached(&inbox, ARRIVED, PARCELS)?;
    let rate = (PARCELS - FROM) as f64 / (ended - began).as_secs_f64();
    report.figure(
        "a backlog of 4,800 letters, arriving at a neighbour that is back",
        "parcels/s",
        rate,
        Wanted::AtLeast(PER_SECOND_MIN),
    );
    report.figure(
        "an urgent letter sent while it drains, from its acknowledgement to its arrival",
        "ms",
        urgent.as_secs_f64() * 1000.0,
        Wanted::Below(URGENT_MILLIS_MAX),
    );
    ensure!(
        behind < PARCELS,
        "the backlog was gone before the urgent letter came"
    );
    let receipted = reached(&open(&hospital.store())?, RECEIPTED, PARCELS)?;
    report.figure(
        "after the last has arrived, until the sender has all receipts",
        "s",
        (receipted - ended).as_secs_f64(),
        Wanted::Nothing,
    );
    Ok(())
}

fn send(mllp: std::net::SocketAddr, sender: usize) -> Result<()> {
    let mut stream = TcpStream::connect(mllp)?;
    stream.set_nodelay(true)?;
    let count = usize::try_from(PARCELS)? / SENDERS;
    for number in 0..count {
        // Each a document of its own: a newer one with the same number would stand in its place.
        let id = format!("drain-{sender}-{number}");
        let person = u32::try_from((sender * count + number) % PEOPLE)?;
        stream.write_all(&framed(&letter_about(&id, person)))?;
        let mut answer = [0; 1024];
        ensure!(stream.read(&mut answer)? > 0, "the hospital hung up");
    }
    Ok(())
}

/// Sends an urgent letter; how long after its acknowledgement it is at the practice.
fn urgent(mllp: std::net::SocketAddr, inbox: &Connection) -> Result<Duration> {
    let text = letter_about("drain-urgent", 1);
    let text = text.replace("TXA|", "ORC|RE\rTQ1|1||||||||S\rOBR|1|||DS^Letter\rTXA|");
    let mut stream = TcpStream::connect(mllp)?;
    stream.set_nodelay(true)?;
    stream.write_all(&framed(&text))?;
    ensure!(stream.read(&mut [0; 1024])? > 0, "the hospital hung up");
    let began = Instant::now();
    Ok(reached(inbox, URGENT, 1)? - began)
}

fn open(store: &Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(
        store,
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?)
}

fn count(store: &Connection, count: &str) -> Result<i64> {
    Ok(store
        .prepare_cached(count)?
        .query_row([], |row| row.get(0))?)
}

/// When there are so many rows.
fn reached(store: &Connection, query: &str, rows: i64) -> Result<Instant> {
    let began = Instant::now();
    loop {
        let there = count(store, query)?;
        if there >= rows {
            return Ok(Instant::now());
        }
        ensure!(
            began.elapsed() < WAIT_MAX,
            "{there} of {rows} rows after {} s: {query}",
            WAIT_MAX.as_secs()
        );
        std::thread::sleep(LOOK_EVERY);
    }
}
