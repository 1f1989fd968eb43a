//! The files of a `.tgz` or a folder, bounded whatever the input.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;

/// What a package unpacks to, at most.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;
/// The largest file taken.
const FILE_BYTES_MAX: u64 = 48 << 20;
/// Files of a package.
const FILES_MAX: usize = 20_000;
/// Folders inside each other.
const DEPTH_MAX: usize = 8;

/// A file's name, with its folders, and its content.
pub type File = (String, Vec<u8>);

/// The JSON and XML files of a package.
pub fn files(path: &Path) -> anyhow::Result<Vec<File>> {
    if path.is_dir() {
        let mut found = Vec::new();
        folder(path, "", 0, &mut found)?;
        found.sort();
        return Ok(found);
    }
    let file = std::fs::File::open(path)?;
    unpacked(GzDecoder::new(file))
}

fn is_wanted(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    (last.ends_with(".json") || last.ends_with(".xml")) && !last.starts_with('.')
}

fn folder(path: &Path, before: &str, depth: usize, found: &mut Vec<File>) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        bail!("its folders are nested too deep");
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folder(&entry.path(), &format!("{name}/"), depth + 1, found)?;
        } else if kind.is_file() && is_wanted(&name) {
            if entry.metadata()?.len() > FILE_BYTES_MAX {
                bail!("{name} is larger than {} MiB", FILE_BYTES_MAX >> 20);
            }
            found.push((name, std::fs::read(entry.path())?));
            check_count(found)?;
        }
    }
    Ok(())
}

fn check_count(found: &[File]) -> anyhow::Result<()> {
    let bytes: usize = found.last().map_or(0, |(_, content)| content.len());
    if found.len() > FILES_MAX || bytes as u64 > FILE_BYTES_MAX {
        bail!("it has more than {FILES_MAX} files");
    }
    Ok(())
}

/// The files of a tar archive (POSIX ustar, with the long names of pax and GNU).
pub(super) fn unpacked(packed: impl Read) -> anyhow::Result<Vec<File>> {
    let mut archive = packed.take(UNPACKED_BYTES_MAX);
    let (mut found, mut long_name) = (Vec::new(), None);
    loop {
        let mut header = [0_u8; 512];
        archive
            .read_exact(&mut header)
            .context("it ends too early, is no .tgz, or unpacks to more than 512 MiB")?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(found);
        }
        let entry = Header::read(&header).context("it is no .tgz of the tar format")?;
        if entry.size > FILE_BYTES_MAX {
            bail!("{} is larger than {} MiB", entry.name, FILE_BYTES_MAX >> 20);
        }
        let name = long_name.take().unwrap_or(entry.name);
        let mut content = Vec::new();
        archive
            .by_ref()
            .take(entry.size)
            .read_to_end(&mut content)?;
        if archive.limit() == 0 {
            bail!("it unpacks to more than {} MiB", UNPACKED_BYTES_MAX >> 20);
        }
        if content.len() as u64 != entry.size {
            bail!("it ends within {name}");
        }
        let padding = (512 - entry.size % 512) % 512;
        std::io::copy(&mut archive.by_ref().take(padding), &mut std::io::sink())?;
        match entry.kind {
            b'x' => long_name = pax_path(&content),
            b'L' => {
                let text = String::from_utf8_lossy(&content);
                long_name = Some(text.trim_end_matches('\0').to_string());
            }
            b'0' | 0 if is_wanted(&name) => {
                found.push((name, content));
                check_count(&found)?;
            }
            _ => {}
        }
    }
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn read(block: &[u8; 512]) -> Option<Header> {
        let text = |from: usize, to: usize| {
            let field = block.get(from..to)?;
            let end = field
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(field.len());
            std::str::from_utf8(field.get(..end)?).ok().map(str::trim)
        };
        let sum = u64::from_str_radix(text(148, 156)?, 8).ok()?;
        let counted = block.iter().enumerate().map(|(at, byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        });
        (counted.sum::<u64>() == sum).then_some(())?;
        let prefix = if block.get(257..262)? == b"ustar" {
            text(345, 500)?
        } else {
            ""
        };
        let name = match prefix {
            "" => text(0, 100)?.to_string(),
            prefix => format!("{prefix}/{}", text(0, 100)?),
        };
        Some(Header {
            name,
            size: u64::from_str_radix(text(124, 136)?, 8).ok()?,
            kind: *block.get(156)?,
        })
    }
}

/// `path` of a pax header: lines of `length key=value`.
fn pax_path(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?;
    text.lines().find_map(|line| {
        let (_, pair) = line.split_once(' ')?;
        pair.strip_prefix("path=").map(str::to_string)
    })
}
