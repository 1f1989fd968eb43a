//! How fast a neighbour that was away gets what waited for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::load::framed;
use crate::message::{HOSPITAL, PRACTICE, letter_about};
use crate::node::network;
use crate::report::{Report, Wanted};

/// Whom the letters are about: those about one person go one after the other.
const PEOPLE: usize = 500;
const PER_SECOND_MIN: f64 = 3000.0;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Senders at the hospital, each with one letter at a time.
const SENDERS: usize = 16;
/// All that is at either: one only sends and the other only receives. Not counted, which would take from both what it takes to
/// count a hundred thousand.
const ALL: &str = "SELECT coalesce(max(pid), 0) FROM parcel";
/// A patient waits for it: as long as a letter may take with nothing before it, and the batch under way.
const URGENT_MILLIS_MAX: f64 = 2000.0;
/// A node holds a batch of what waits, not the backlog.
const MEGABYTES_MAX: f64 = 400.0;
const RECEIPTED: &str = "SELECT count(*) FROM parcel WHERE direction = 0 AND state = 'delivered'";

/// What waits, and what is sent while it drains.
struct Backlog {
    /// As many from each sender.
    parcels: i64,
    /// Urgent letters, evenly over the time.
    urgent: i64,
    wait_max: Duration,
}

impl Backlog {
    /// Until the sender notices that the neighbour is back, and at the very end, nothing is measured.
    fn from(&self) -> i64 {
        self.parcels / 10
    }

    /// How many have arrived when that urgent letter is sent.
    fn before_urgent(&self, number: i64) -> i64 {
        self.from() + (self.parcels - self.from()) * number / self.urgent
    }
}

/// What came of it.
struct Drained {
    per_second: f64,
    /// How long the slowest of the urgent letters took.
    urgent: Duration,
    receipted: Duration,
    megabytes: [f64; 2],
}

/// Letters wait for a practice whose node hangs; then it goes on.
pub fn measure(report: &mut Report) -> Result<()> {
    let backlog = Backlog {
        parcels: 300 * SENDERS as i64,
        urgent: 1,
        wait_max: Duration::from_secs(300),
    };
    let drained = drained(&backlog)?;
    report.figure(
        "a backlog of 4,800 letters, arriving at a neighbour that is back",
        "parcels/s",
        drained.per_second,
        Wanted::AtLeast(PER_SECOND_MIN),
    );
    report.figure(
        "an urgent letter sent while it drains, from its acknowledgement to its arrival",
        "ms",
        drained.urgent.as_secs_f64() * 1000.0,
        Wanted::Below(URGENT_MILLIS_MAX),
    );
    report.figure(
        "after the last has arrived, until the sender has all receipts",
        "s",
        drained.receipted.as_secs_f64(),
        Wanted::Nothing,
    );
    Ok(())
}

/// The same with so many that whatever grows with what waits shows.
pub fn measure_long(report: &mut Report) -> Result<()> {
    let backlog = Backlog {
        parcels: 6250 * SENDERS as i64,
        urgent: 9,
        wait_max: Duration::from_secs(600),
    };
    let drained = drained(&backlog)?;
    report.figure(
        "a backlog of 100,000 letters, arriving at a neighbour that is back",
        "parcels/s",
        drained.per_second,
        Wanted::AtLeast(PER_SECOND_MIN),
    );
    report.figure(
        "the slowest of nine urgent letters sent while the 100,000 drain, from its acknowledgement to its arrival",
        "ms",
        drained.urgent.as_secs_f64() * 1000.0,
        Wanted::Below(URGENT_MILLIS_MAX),
    );
    report.figure(
        "after the last of 100,000 has arrived, until the sender has all receipts",
        "s",
        drained.receipted.as_secs_f64(),
        Wanted::Nothing,
    );
    let [sender, receiver] = drained.megabytes;
    for (who, megabytes) in [("sends", sender), ("receives", receiver)] {
        report.figure(
            &format!("the most memory held by the node that {who} the 100,000"),
            "MB",
            megabytes,
            Wanted::Below(MEGABYTES_MAX),
        );
    }
    Ok(())
}

fn drained(backlog: &Backlog) -> Result<Drained> {
    let nodes = network(
        &[(HOSPITAL, "hospital"), (PRACTICE, "gp-practice")],
        "before-answer",
        None,
    )?;
    let [hospital, practice] = nodes.as_slice() else {
        anyhow::bail!("two nodes were asked for")
    };
    practice.halt()?;
    let sent = send_all(hospital.mllp, backlog);
    let outbox = open(&hospital.store());
    let came = sent.and_then(|()| reached(&outbox?, ALL, backlog.parcels, backlog));
    practice.go_on()?;
    came?;
    let inbox = open(&practice.store())?;
    let began = reached(&inbox, ALL, backlog.from(), backlog)?;
    let mut slowest = Duration::ZERO;
    for number in 0..backlog.urgent {
        let before = backlog.before_urgent(number);
        reached(&inbox, ALL, before, backlog)?;
        slowest = slowest.max(urgent(hospital.mllp, &inbox, number, backlog)?);
        ensure!(
            count(&inbox, ALL)? < backlog.parcels,
            "the backlog was gone before the urgent letter came"
        );
    }
    let ended = reached(&inbox, ALL, backlog.parcels, backlog)?;
    let counted = backlog.parcels - backlog.from();
    let outbox = open(&hospital.store())?;
    let receipted = reached(&outbox, RECEIPTED, backlog.parcels, backlog)?;
    Ok(Drained {
        per_second: counted as f64 / (ended - began).as_secs_f64(),
        urgent: slowest,
        receipted: receipted - ended,
        megabytes: [hospital.megabytes_max()?, practice.megabytes_max()?],
    })
}

fn send_all(mllp: SocketAddr, backlog: &Backlog) -> Result<()> {
    let each = usize::try_from(backlog.parcels)? / SENDERS;
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || send(mllp, sender, each)))
            .collect();
        let ended = senders.into_iter().map(|sender| {
            let ended = sender.join();
            ended.map_err(|_| anyhow::anyhow!("a sender panicked"))?
        });
        ended.collect()
    })
}

fn send(mllp: SocketAddr, sender: usize, count: usize) -> Result<()> {
    let mut stream = TcpStream::connect(mllp)?;
    stream.set_nodelay(true)?;
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
fn urgent(
    mllp: SocketAddr,
    inbox: &Connection,
    number: i64,
    backlog: &Backlog,
) -> Result<Duration> {
    let text = letter_about(&format!("drain-urgent-{number}"), 1);
    let text = text.replace("TXA|", "ORC|RE\rTQ1|1||||||||S\rOBR|1|||DS^Letter\rTXA|");
    let mut stream = TcpStream::connect(mllp)?;
    stream.set_nodelay(true)?;
    stream.write_all(&framed(&text))?;
    ensure!(stream.read(&mut [0; 1024])? > 0, "the hospital hung up");
    let began = Instant::now();
    // By an index, however many others are there.
    let arrived = format!(
        "SELECT count(*) FROM parcel WHERE direction = 1 AND due IN (0, 1) AND recipient = '{PRACTICE}' AND urgent = 1"
    );
    Ok(reached(inbox, &arrived, number + 1, backlog)? - began)
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
fn reached(store: &Connection, query: &str, rows: i64, backlog: &Backlog) -> Result<Instant> {
    let began = Instant::now();
    loop {
        let there = count(store, query)?;
        if there >= rows {
            return Ok(Instant::now());
        }
        ensure!(
            began.elapsed() < backlog.wait_max,
            "{there} of {rows} rows after {} s: {query}",
            backlog.wait_max.as_secs()
        );
        std::thread::sleep(LOOK_EVERY);
    }
}
