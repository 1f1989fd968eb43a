//! Durable MLLP acknowledgements a second, against a loop that only groups, writes and fsyncs the same bytes.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::load::{self, Mllp};
use crate::measure::in_turns;
use crate::message::{HOSPITAL, admission};
use crate::node::{Node, folder};
use crate::report::{Report, Wanted};

const TURNS: usize = 5;

/// Producers' messages that may wait; more than any measurement has.
const WAITING_MAX: usize = 1024;

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// Connections, and what is wanted there.
const CONNECTIONS: [(usize, Wanted); 3] = [
    (1, Wanted::Nothing),
    (8, Wanted::Nothing),
    (64, Wanted::AtLeast(0.6)),
];

pub fn measure(report: &mut Report, seconds: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let node = Node::start(HOSPITAL, "hospital", "before-answer")?;
    for (connections, wanted) in CONNECTIONS {
        let mut turn = 0;
        let both = in_turns(
            TURNS,
            || {
                turn += 1;
                let run = format!("{connections}-{turn}");
                let mllp = Arc::new(Mllp {
                    message: admission,
                    run,
                });
                load::run(&runtime, node.mllp, connections, seconds, &mllp)
            },
            || bare_loop(&runtime, connections, seconds, admission),
        )?;
        report.ratio(
            &format!("MLLP acknowledgements, {connections} connections"),
            "AA/s",
            both,
            wanted,
        );
    }
    Ok(())
}

/// Answers a second of the bare loop, fed by `producers` that each wait for their answer.
///
/// # Errors
/// When the file cannot be written.
pub fn bare_loop(
    runtime: &Runtime,
    producers: usize,
    seconds: f64,
    message: fn(&str) -> String,
) -> Result<f64> {
    let folder = folder()?;
    let file = File::create(folder.path().join("log"))?;
    let (send, receive) = mpsc::channel::<Waiting>(WAITING_MAX);
    let writer = std::thread::spawn(move || group_write_sync(file, receive));
    let answers: u64 = runtime.block_on(async {
        let warm = Instant::now() + Duration::from_secs_f64(seconds / 5.0);
        let end = warm + Duration::from_secs_f64(seconds);
        let mut all = JoinSet::new();
        for producer in 0..producers {
            all.spawn(produce(send.clone(), producer, message, warm, end));
        }
        drop(send);
        let mut answers = 0;
        while let Some(joined) = all.join_next().await {
            answers += joined??;
        }
        anyhow::Ok(answers)
    })?;
    writer.join().ok().context("the bare loop panicked")??;
    Ok(answers as f64 / seconds)
}

async fn produce(
    send: mpsc::Sender<Waiting>,
    producer: usize,
    message: fn(&str) -> String,
    warm: Instant,
    end: Instant,
) -> Result<u64> {
    let (mut counted, mut number) = (0, 0);
    loop {
        let (done, answer) = oneshot::channel();
        send.send((message(&format!("{producer}-{number}")).into_bytes(), done))
            .await?;
        answer.await?;
        number += 1;
        let now = Instant::now();
        if now >= end {
            return Ok(counted);
        }
        if now >= warm {
            counted += 1;
        }
    }
}

/// Takes what waits, writes it, makes it durable, answers all of it.
fn group_write_sync(mut file: File, mut receive: mpsc::Receiver<Waiting>) -> Result<()> {
    while let Some((mut bytes, first)) = receive.blocking_recv() {
        let mut answers = vec![first];
        while let Ok((more, answer)) = receive.try_recv() {
            bytes.extend(more);
            answers.push(answer);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        for answer in answers {
            // A producer that has gone does not wait.
            let _ = answer.send(());
        }
    }
    Ok(())
}
