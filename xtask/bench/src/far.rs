//! A neighbour that is far away: what it says arrives later.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;

const PIECE_BYTES: usize = 64 << 10;

/// Listens at `here` for as long as this process lives, hands on to `there` what comes at once, and what comes back
/// that much later.
///
/// # Errors
/// When it cannot be listened at that address.
pub fn stand_before(here: SocketAddr, there: SocketAddr, later: Duration) -> Result<()> {
    let listener = TcpListener::bind(here)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || between(stream, there, later));
        }
    });
    Ok(())
}

fn between(near: TcpStream, there: SocketAddr, later: Duration) -> Result<()> {
    let far = TcpStream::connect(there)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (from_near, to_far) = (near.try_clone()?, far.try_clone()?);
    std::thread::spawn(move || hand_on(from_near, to_far, Duration::ZERO));
    hand_on(far, near, later)
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, later: Duration) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).unwrap_or_default();
        if read == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return Ok(());
        }
        std::thread::sleep(later);
        to.write_all(piece.get(..read).unwrap_or_default())?;
    }
}
