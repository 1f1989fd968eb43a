//! Reading a .zip file (PKWARE's APPNOTE, <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>): stored
//! and deflated files, ZIP64 too. Nothing is unpacked to disk.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// Files in an archive, at most.
const FILES_MAX: u64 = 100_000;
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;
/// What a file unpacks to, at most, where the directory says so.
const FILE_BYTES_MAX: u64 = 16 << 30;

/// A file in an archive.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    method: u16,
    packed: u64,
    unpacked: u64,
    at: u64,
}

/// A little-endian number of `N` bytes at a place.
fn number<const N: usize>(bytes: &[u8], at: usize) -> anyhow::Result<u64> {
    let part = bytes
        .get(at..at + N)
        .context("the archive's directory is cut off")?;
    Ok(part
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// The files of an archive.
///
/// # Errors
/// If it is no .zip file, is damaged, or is packed in another way.
pub fn members(path: &Path) -> anyhow::Result<Vec<Member>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (count, size, start) = directory(&mut file, length)?;
    ensure!(
        count <= FILES_MAX && size <= DIRECTORY_BYTES_MAX,
        "the archive holds too many files"
    );
    let mut bytes = vec![0; usize::try_from(size)?];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut bytes)
        .context("the archive's directory is cut off")?;
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let (member, next) = entry(&bytes, at)?;
        at = next;
        if !member.name.ends_with('/') {
            found.push(member);
        }
    }
    Ok(found)
}

/// How many entries, how long, and where the directory begins.
fn directory(file: &mut File, length: u64) -> anyhow::Result<(u64, u64, u64)> {
    let tail = length.min(66_000);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    file.take(tail).read_to_end(&mut bytes)?;
    let at = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .context("this is no .zip file, or it is cut off")?;
    let plain = (
        number::<2>(&bytes, at + 10)?,
        number::<4>(&bytes, at + 12)?,
        number::<4>(&bytes, at + 16)?,
    );
    if plain.0 != 0xffff && plain.1 != 0xffff_ffff && plain.2 != 0xffff_ffff {
        return Ok(plain);
    }
    let locator = at
        .checked_sub(20)
        .context("the archive's directory is cut off")?;
    ensure!(
        bytes.get(locator..locator + 4) == Some(b"PK\x06\x07"),
        "the archive's directory does not read"
    );
    file.seek(SeekFrom::Start(number::<8>(&bytes, locator + 8)?))?;
    let mut record = [0; 56];
    file.read_exact(&mut record)
        .context("the archive's directory is cut off")?;
    Ok((
        number::<8>(&record, 32)?,
        number::<8>(&record, 40)?,
        number::<8>(&record, 48)?,
    ))
}

fn entry(bytes: &[u8], at: usize) -> anyhow::Result<(Member, usize)> {
    ensure!(
        bytes.get(at..at + 4) == Some(b"PK\x01\x02"),
        "the archive's directory does not read"
    );
    let length = |place| number::<2>(bytes, at + place).and_then(|it| Ok(usize::try_from(it)?));
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let text = bytes
        .get(at + 46..at + 46 + name)
        .context("the archive's directory is cut off")?;
    let mut member = Member {
        name: String::from_utf8_lossy(text).into_owned(),
        method: u16::try_from(number::<2>(bytes, at + 10)?)?,
        packed: number::<4>(bytes, at + 20)?,
        unpacked: number::<4>(bytes, at + 24)?,
        at: number::<4>(bytes, at + 42)?,
    };
    ensure!(
        number::<2>(bytes, at + 8)? & 1 == 0,
        "{} is encrypted",
        member.name
    );
    let extras = bytes
        .get(at + 46 + name..at + 46 + name + extra)
        .context("the archive's directory is cut off")?;
    wide(&mut member, extras)?;
    ensure!(
        member.unpacked <= FILE_BYTES_MAX,
        "{} is too large",
        member.name
    );
    Ok((member, at + 46 + name + extra + comment))
}

/// ZIP64: numbers that do not fit stand among the extras, in this order.
fn wide(member: &mut Member, extras: &[u8]) -> anyhow::Result<()> {
    let mut at = 0;
    while at + 4 <= extras.len() {
        let (kind, size) = (
            number::<2>(extras, at)?,
            usize::try_from(number::<2>(extras, at + 2)?)?,
        );
        if kind == 1 {
            let mut next = at + 4;
            for field in [&mut member.unpacked, &mut member.packed, &mut member.at] {
                if *field == 0xffff_ffff {
                    *field = number::<8>(extras, next)?;
                    next += 8;
                }
            }
        }
        at += 4 + size;
    }
    Ok(())
}

/// The content of a file, unpacked as it is read.
///
/// # Errors
/// If it is not there, or packed in a way that is not read.
pub fn open(path: &Path, member: &Member) -> anyhow::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(member.at))?;
    let mut head = [0; 30];
    file.read_exact(&mut head)
        .context("the archive is cut off")?;
    ensure!(
        head.starts_with(b"PK\x03\x04"),
        "the archive does not read at {}",
        member.name
    );
    let skip = number::<2>(&head, 26)? + number::<2>(&head, 28)?;
    file.seek(SeekFrom::Current(i64::try_from(skip)?))?;
    let packed = file.take(member.packed);
    match member.method {
        0 => Ok(Box::new(packed)),
        8 => Ok(Box::new(
            flate2::read::DeflateDecoder::new(packed).take(member.unpacked),
        )),
        _ => bail!(
            "{} is packed in a way that is not read; unpack the archive and give the folder",
            member.name
        ),
    }
}
