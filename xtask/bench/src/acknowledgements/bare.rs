//! The loop that only groups, writes and syncs: fed within this process, and behind MLLP connections.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::load::framed;
use crate::node::folder;

/// Messages that may wait; more than any measurement has.
pub const WAITING_MAX: usize = 1024;

/// Bytes, and who waits until they are on disk.
pub type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// The other process: answers each frame once the loop has it on disk.
///
/// # Errors
/// When the file cannot be written or nothing can be listened on.
pub fn serve() -> Result<()> {
    let file = std::env::var_os(crate::bare::FILE).context(crate::bare::FILE)?;
    let file = File::create(file)?;
    let (send, receive) = mpsc::channel::<Waiting>(WAITING_MAX);
    std::thread::spawn(move || group_write_sync(file, receive));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(answer_each(stream, send.clone()));
        }
    })
}

async fn answer_each(mut stream: TcpStream, send: mpsc::Sender<Waiting>) -> Result<()> {
    let answer = framed("MSH|^~\\&|||||20260105090000||ACK|1|P|2.4\rMSA|AA|1\r");
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let end = buffer.windows(2).position(|window| window == [0x1c, 0x0d]);
        let Some(end) = end else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let message: Vec<u8> = buffer.drain(..end + 2).collect();
        let (done, durable) = oneshot::channel();
        send.send((message, done)).await?;
        durable.await?;
        stream.write_all(&answer).await?;
    }
}

/// Answers a second of the loop, fed in this process by `producers` that each wait for their answer.
///
/// # Errors
/// When the file cannot be written.
pub fn within(
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
///
/// # Errors
/// When the file cannot be written.
pub fn group_write_sync(mut file: File, mut receive: mpsc::Receiver<Waiting>) -> Result<()> {
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
