//! The files of a blueprint: of its package (`.tgz`) or of a folder, bounded and plainly named whatever the input; and the
//! package written, the same bytes each time.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// The largest package, what it may unpack to, and one file of it.
const PACKED_BYTES_MAX: u64 = 4 << 20;
const UNPACKED_BYTES_MAX: u64 = 16 << 20;
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most files of it, and the longest name.
const FILES_MAX: usize = 400;
const NAME_BYTES_MAX: usize = 90;
/// Folders inside each other, below `package`.
const FOLDERS_MAX: usize = 2;
/// The folder that everything stands in.
const ROOT: &str = "package/";
const BLOCK: usize = 512;

/// Files by their name below `package/`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files of a package.
///
/// # Errors
/// Names what is too large, wrongly named or no plain file.
pub fn read(path: &Path) -> anyhow::Result<Files> {
    let mut packed = Vec::new();
    let opened = std::fs::File::open(path)?;
    opened.take(PACKED_BYTES_MAX + 1).read_to_end(&mut packed)?;
    if packed.len() as u64 > PACKED_BYTES_MAX {
        bail!("it is larger than {} MiB", PACKED_BYTES_MAX >> 20);
    }
    unpacked(GzDecoder::new(&packed[..]))
}

/// The files of a tar archive (POSIX ustar).
pub(super) fn unpacked(packed: impl Read) -> anyhow::Result<Files> {
    let mut archive = packed.take(UNPACKED_BYTES_MAX);
    let mut found = Files::new();
    let mut entries = 0;
    loop {
        let mut block = [0_u8; BLOCK];
        archive
            .read_exact(&mut block)
            .context("it ends too early, is no .tgz, or unpacks to more than 16 MiB")?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(found);
        }
        entries += 1;
        if entries > FILES_MAX * 2 {
            bail!("it has more than {FILES_MAX} files");
        }
        let entry = Entry::read(&block).context("it is no .tgz of the tar format")?;
        let shown = entry.name.escape_debug().to_string();
        if entry.size > FILE_BYTES_MAX {
            bail!("{shown} is larger than {} MiB", FILE_BYTES_MAX >> 20);
        }
        let mut content = Vec::new();
        archive
            .by_ref()
            .take(entry.size)
            .read_to_end(&mut content)?;
        if content.len() as u64 != entry.size {
            bail!("it ends within {shown}, or unpacks to more than 16 MiB");
        }
        let padding = (BLOCK as u64 - entry.size % BLOCK as u64) % BLOCK as u64;
        std::io::copy(&mut archive.by_ref().take(padding), &mut std::io::sink())?;
        take(&mut found, &entry, content).with_context(|| shown)?;
    }
}

/// Takes an entry, if it is a file; folders say nothing.
fn take(found: &mut Files, entry: &Entry, content: Vec<u8>) -> anyhow::Result<()> {
    match entry.kind {
        b'0' | 0 => {
            let name = entry.name.strip_prefix("./").unwrap_or(&entry.name);
            let Some(name) = name.strip_prefix(ROOT) else {
                bail!("it does not stand in the folder package");
            };
            add(found, name, content)
        }
        b'5' => Ok(()),
        // What pax adds must not change what stands in the header.
        b'x' | b'g' if !changes(&content) => Ok(()),
        b'1' | b'2' => bail!("it is a link; a blueprint holds plain files only"),
        _ => bail!("it is no plain file, or its name is too long"),
    }
}

/// Whether a pax header says another name, target or size.
fn changes(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    ["path=", "size="].iter().any(|it| text.contains(it))
}

fn add(found: &mut Files, name: &str, content: Vec<u8>) -> anyhow::Result<()> {
    if !is_plain(name) {
        bail!(
            "its name is not plain: letters, digits, full stops, hyphens and underscores, in at most {FOLDERS_MAX} folders"
        );
    }
    if found.len() == FILES_MAX {
        bail!("it is one file more than the {FILES_MAX} that there may be");
    }
    if found.insert(name.to_owned(), content).is_some() {
        bail!("it stands there twice");
    }
    Ok(())
}

/// Whether a name leads nowhere but below its folder, and reads the same to everybody.
fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.bytes().all(rest)
    };
    name.len() <= NAME_BYTES_MAX
        && name.split('/').count() <= FOLDERS_MAX + 1
        && name.split('/').all(plain)
}

/// The files of a folder; what begins with a full stop is passed over.
///
/// # Errors
/// Names what is too large, wrongly named or a link.
pub fn folder(path: &Path) -> anyhow::Result<Files> {
    let mut found = Files::new();
    walk(path, "", &mut found)?;
    Ok(found)
}

fn walk(path: &Path, before: &str, found: &mut Files) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let last = entry.file_name().to_string_lossy().into_owned();
        let name = format!("{before}{last}");
        if last.starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if before.matches('/').count() >= FOLDERS_MAX {
                bail!("{name}: its folders are nested too deep");
            }
            walk(&entry.path(), &format!("{name}/"), found)?;
        } else if kind.is_file() {
            if entry.metadata()?.len() > FILE_BYTES_MAX {
                bail!("{name} is larger than {} MiB", FILE_BYTES_MAX >> 20);
            }
            add(found, &name, std::fs::read(entry.path())?).with_context(|| name.clone())?;
        } else {
            bail!("{name} is a link, or no file; a blueprint holds plain files only");
        }
    }
    Ok(())
}

/// The package of these files: the same files give the same bytes.
///
/// # Errors
/// If it would be larger than is taken.
pub fn packed(files: &Files) -> anyhow::Result<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0).operating_system(255);
    let mut packer = gzip.write(Vec::new(), Compression::best());
    let mut bytes = 0;
    for (name, content) in files {
        packer.write_all(&header(name, content.len())?)?;
        packer.write_all(content)?;
        let padding = (BLOCK - content.len() % BLOCK) % BLOCK;
        packer.write_all(&vec![0; padding])?;
        bytes += content.len() + padding + BLOCK;
    }
    packer.write_all(&[0; BLOCK * 2])?;
    let packed = packer.finish()?;
    if bytes as u64 + BLOCK as u64 * 2 >= UNPACKED_BYTES_MAX
        || packed.len() as u64 > PACKED_BYTES_MAX
    {
        bail!("the package would be larger than is taken");
    }
    Ok(packed)
}

fn header(name: &str, length: usize) -> anyhow::Result<[u8; BLOCK]> {
    let mut block = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        if let Some(place) = block.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    };
    put(0, format!("{ROOT}{name}").as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{length:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let mut put = |at: usize, text: &[u8]| {
        if let Some(place) = block.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    };
    put(148, format!("{sum:06o}\0 ").as_bytes());
    match is_plain(name) {
        true => Ok(block),
        false => bail!("{name}: its name is not plain"),
    }
}

/// What the header of an entry says.
struct Entry {
    name: String,
    size: u64,
    kind: u8,
}

impl Entry {
    fn read(block: &[u8; BLOCK]) -> Option<Entry> {
        let text = |from: usize, to: usize| {
            let field = block.get(from..to)?;
            let end = field.iter().position(|byte| *byte == 0);
            let field = field.get(..end.unwrap_or(field.len()))?;
            std::str::from_utf8(field).ok()
        };
        let number = |from, to, radix| u64::from_str_radix(text(from, to)?.trim(), radix).ok();
        let counted = block.iter().enumerate().map(|(at, byte)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        });
        (counted.sum::<u64>() == number(148, 156, 8)?).then_some(())?;
        let is_ustar = block.get(257..263)? == b"ustar\0";
        let prefix = if is_ustar { text(345, 500)? } else { "" };
        let name = match prefix {
            "" => text(0, 100)?.to_owned(),
            prefix => format!("{prefix}/{}", text(0, 100)?),
        };
        Some(Entry {
            name,
            size: number(124, 136, 8)?,
            kind: *block.get(156)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// One entry of that name, kind and content, with what ends an archive.
    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut block = [0_u8; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        block[154] = 0;
        let mut all = block.to_vec();
        all.extend_from_slice(content);
        all.resize(all.len().div_ceil(BLOCK) * BLOCK + BLOCK * 2, 0);
        all
    }

    fn refused(archive: &[u8]) -> String {
        format!("{:#}", unpacked(archive).unwrap_err())
    }

    #[test]
    fn the_same_files_are_packed_into_the_same_bytes_and_read_back() {
        let mut files = Files::new();
        files.insert("package.json".into(), b"{}".to_vec());
        files.insert("samples/a.hl7".into(), vec![b'x'; 512]);
        files.insert("empty.json".into(), Vec::new());
        let bytes = packed(&files).unwrap();
        assert_eq!(bytes, packed(&files).unwrap());
        assert_eq!(unpacked(GzDecoder::new(&bytes[..])).unwrap(), files);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tgz");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap(), files);
        // What everybody's tar reads.
        let listed = std::process::Command::new("tar")
            .arg("-tzf")
            .arg(&path)
            .output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        assert_eq!(
            listed,
            "package/empty.json\npackage/package.json\npackage/samples/a.hl7\n"
        );
    }

    #[test]
    fn x08_what_leads_elsewhere_links_or_is_named_twice_is_refused() {
        for name in [
            "package/../x.json",
            "/package/x.json",
            "package//x.json",
            "package/.x.json",
            "package/a/b/c/x.json",
            "package/x y.json",
            "x.json",
            "package/",
        ] {
            let said = refused(&entry(name, b'0', b"{}"));
            assert!(
                said.contains("plain") || said.contains("folder package"),
                "{name}: {said}"
            );
        }
        for kind in [b'1', b'2', b'3', b'6', b'L'] {
            let said = refused(&entry("package/x.json", kind, b""));
            assert!(said.contains("plain file"), "{said}");
        }
        let mut twice = entry("package/x.json", b'0', b"{}");
        twice.truncate(BLOCK * 2);
        twice.extend(entry("package/x.json", b'0', b"[]"));
        assert!(refused(&twice).contains("twice"));
        let pax = entry("pax", b'x', b"30 path=package/other.json\n");
        assert!(refused(&pax).contains("plain"));
    }

    #[test]
    fn x08_a_blueprint_that_unpacks_without_end_or_breaks_off_is_refused() {
        let file = entry("package/a.json", b'0', &[b' '; 1 << 19]);
        let file = &file[..file.len() - BLOCK * 2];
        let mut endless = Vec::new();
        for number in 0..40 {
            let name = format!("package/{number:02}.json");
            let mut one = entry(&name, b'0', &[b' '; 1 << 19]);
            one.truncate(file.len());
            endless.extend(one);
        }
        assert!(refused(&endless).contains("16 MiB"));
        assert!(refused(file).contains("ends"));
        let huge = entry("package/a.json", b'0', &vec![0; (1 << 20) + 1]);
        assert!(refused(&huge).contains("larger"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.tgz");
        std::fs::write(&path, vec![7; (4 << 20) + 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("larger"));
        for bytes in [
            b"no package".to_vec(),
            gzipped(b"short"),
            gzipped(&[7; 2048]),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path).is_err());
        }
    }

    #[test]
    fn a_folder_with_a_link_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        std::fs::write(folder.path().join(".hidden"), "x").unwrap();
        assert_eq!(super::folder(folder.path()).unwrap().len(), 1);
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("b.json")).unwrap();
        assert!(super::folder(folder.path()).is_err());
    }
}
