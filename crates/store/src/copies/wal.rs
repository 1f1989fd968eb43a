//! Reading SQLite's write-ahead log (<https://www.sqlite.org/fileformat2.html#walformat>): the frames
//! that are whole and committed, from a place on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;

/// Pages by their numbers; the newest of each.
pub(super) type PageMap = BTreeMap<u32, Vec<u8>>;

/// How far the log has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Tell one run of the log from the next; 0 and 0 for none.
    salts: (u32, u32),
    /// Frames of this run that were read, up to a commit.
    frames: u64,
    sums: (u32, u32),
    /// How many pages the database has after the last commit that was read; `None` if none was.
    pub(super) pages: Option<u32>,
}

/// Reads on from `position` to the last whole commit, and gives the pages' new contents. If the log
/// was begun again meanwhile, all of its new run is read.
pub(super) fn read_on(log: &File, position: &mut Position) -> io::Result<PageMap> {
    let mut fresh = PageMap::new();
    let Some(head) = Head::read(log)? else {
        return Ok(fresh);
    };
    if head.salts != position.salts {
        *position = Position {
            salts: head.salts,
            frames: 0,
            sums: head.sums,
            pages: position.pages,
        };
    }
    let frame_bytes = FRAME_HEAD_BYTES + head.page_bytes;
    let mut frame = vec![0; frame_bytes];
    let (mut at, mut sums) = (position.frames, position.sums);
    // Pages of a transaction whose commit has not been seen.
    let mut open = PageMap::new();
    loop {
        let place = HEAD_BYTES as u64 + at * frame_bytes as u64;
        if !read_whole(log, &mut frame, place)? {
            return Ok(fresh);
        }
        let Some((about, page)) = frame.split_at_checked(FRAME_HEAD_BYTES) else {
            return Ok(fresh);
        };
        if (number(about, 8), number(about, 12)) != head.salts {
            return Ok(fresh);
        }
        sums = head.sum(about.get(..8).unwrap_or_default(), sums);
        sums = head.sum(page, sums);
        if (number(about, 16), number(about, 20)) != sums {
            return Ok(fresh);
        }
        open.insert(number(about, 0), page.to_vec());
        at += 1;
        let pages = number(about, 4);
        if pages > 0 {
            fresh.append(&mut open);
            position.frames = at;
            position.sums = sums;
            position.pages = Some(pages);
        }
    }
}

/// The bytes of the log that were read and are of its present run.
pub(super) fn bytes_read(position: &Position, page_bytes: usize) -> u64 {
    position.frames * (FRAME_HEAD_BYTES + page_bytes) as u64
}

struct Head {
    page_bytes: usize,
    salts: (u32, u32),
    sums: (u32, u32),
    /// Whether sums are over big-endian words.
    is_big: bool,
}

impl Head {
    /// The log's head; `None` if there is no whole one.
    fn read(log: &File) -> io::Result<Option<Head>> {
        let mut bytes = [0; HEAD_BYTES];
        if !read_whole(log, &mut bytes, 0)? {
            return Ok(None);
        }
        let magic = number(&bytes, 0);
        let head = Head {
            page_bytes: number(&bytes, 8) as usize,
            salts: (number(&bytes, 16), number(&bytes, 20)),
            sums: (number(&bytes, 24), number(&bytes, 28)),
            is_big: magic & 1 == 1,
        };
        let is_log = magic & !1 == 0x377f_0682 && (512..=65536).contains(&head.page_bytes);
        let sums = head.sum(bytes.get(..24).unwrap_or_default(), (0, 0));
        Ok((is_log && sums == head.sums).then_some(head))
    }

    fn sum(&self, bytes: &[u8], (mut first, mut second): (u32, u32)) -> (u32, u32) {
        for pair in bytes.chunks_exact(8) {
            let (one, two) = match self.is_big {
                true => (number(pair, 0), number(pair, 4)),
                false => (number(pair, 0).swap_bytes(), number(pair, 4).swap_bytes()),
            };
            first = first.wrapping_add(one).wrapping_add(second);
            second = second.wrapping_add(two).wrapping_add(first);
        }
        (first, second)
    }
}

/// A big-endian number of four bytes; 0 where there are fewer.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|it| it.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

/// Fills `into` from that place; `false` if the file ends before.
fn read_whole(file: &File, into: &mut [u8], place: u64) -> io::Result<bool> {
    match file.read_exact_at(into, place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
