//! From the first MLLP byte at the hospital to the row in the practice's inbox, on another node.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, OpenFlags};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::load::framed;
use crate::measure::{median, quantile};
use crate::message::{HOSPITAL, PRACTICE, letter};
use crate::node::network;
use crate::report::{Report, Wanted};

const LETTERS: usize = 300;
const WAIT_SECONDS: u64 = 20;
const LOOK_EVERY: Duration = Duration::from_micros(500);
const MEDIAN_MS_MAX: f64 = 50.0;
const SLOW_MS_MAX: f64 = 100.0;
/// Rows that the inbox page lists: taken in.
const TAKEN_IN: &str =
    "SELECT count(*) FROM parcel WHERE direction = 1 AND (document IS NOT NULL OR unmatched = 1)";

pub fn measure(report: &mut Report) -> Result<()> {
    let nodes = network(
        &[(HOSPITAL, "hospital"), (PRACTICE, "gp-practice")],
        "before-answer",
        None,
    )?;
    let [hospital, practice] = nodes.as_slice() else {
        anyhow::bail!("two nodes were asked for")
    };
    let inbox = Connection::open_with_flags(practice.store(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut sender = TcpStream::connect(hospital.mllp)?;
    sender.set_nodelay(true)?;
    let mut times = Vec::new();
    for number in 0..LETTERS {
        let frame = framed(&letter(&format!("letter-{number}")));
        let began = Instant::now();
        sender.write_all(&frame)?;
        let mut acknowledgement = [0; 1024];
        ensure!(
            sender.read(&mut acknowledgement)? > 0,
            "the hospital hung up"
        );
        wait_for(&inbox, number + 1, began)?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    report.figure(
        "letter, MLLP byte to row in the inbox, median",
        "ms",
        median(&times),
        Wanted::Below(MEDIAN_MS_MAX),
    );
    report.figure(
        "letter, MLLP byte to row in the inbox, 99 in 100",
        "ms",
        quantile(&times, 0.99),
        Wanted::Below(SLOW_MS_MAX),
    );
    Ok(())
}

fn wait_for(inbox: &Connection, rows: usize, began: Instant) -> Result<()> {
    let mut statement = inbox.prepare_cached(TAKEN_IN)?;
    while statement.query_row([], |row| row.get::<_, i64>(0))? < i64::try_from(rows)? {
        ensure!(
            began.elapsed().as_secs() < WAIT_SECONDS,
            "letter {rows} did not arrive in {WAIT_SECONDS} s"
        );
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
