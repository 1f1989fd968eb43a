//! The TIFF files of fax servers: pages of black and white, coded as they came over the line (TIFF 6.0,
//! section 11; RFC 2306). Nothing is decoded here: the coded bytes go on as they are.
//!
//! Invariant: no file makes it read outside of it, loop, or take more than the file's own size.

use fhir::problem::{Kind, Problem};

/// Entries of one page's directory: a fax has about twenty.
const ENTRIES_MAX: u16 = 512;
/// Strips of one page.
const STRIPS_MAX: u32 = 4096;
/// Dots across and down: an A3 page of 400 dots an inch, and a roll of paper.
const COLUMNS_MAX: u32 = 10_000;
const ROWS_MAX: u32 = 60_000;
/// Dots to the inch that a fax may claim; what is outside is no fact but a fault.
const DOTS: std::ops::RangeInclusive<f64> = 10.0..=2400.0;
/// What a fax has where it does not say: ITU-T T.4's fine resolution.
const USUAL_DOTS: (f64, f64) = (204.0, 196.0);

/// How a page's rows are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Each row by itself from a byte's beginning (compression 2).
    Rows,
    /// ITU-T T.4, each row by itself.
    OneDimensional,
    /// T.4, most rows as they differ from the one before.
    TwoDimensional,
    /// T.6, all rows as they differ from the one before.
    Group4,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub columns: u32,
    pub rows: u32,
    pub coding: Coding,
    /// Whether what is coded as black is to be shown as white.
    pub inverted: bool,
    /// Whether the first dot is the lowest bit of a byte.
    pub reversed: bool,
    /// Dots to the inch, across and down: seldom the same in a fax.
    pub dots: (f64, f64),
    /// From top to bottom.
    pub strips: Vec<Strip>,
}

/// Some of a page's rows, coded by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip {
    /// Where its bytes are in the file.
    pub start: usize,
    pub length: usize,
    pub rows: u32,
}

/// Reads the pages of a file.
///
/// # Errors
/// `Structure`, `NotSupported` or `TooLong`, with what is wrong in a sentence for whoever must see to it.
pub fn read(file: &[u8], pages_max: usize) -> Result<Vec<Page>, Problem> {
    let reader = Reader::new(file)?;
    let mut pages = Vec::new();
    let mut seen: Vec<usize> = Vec::new();
    let mut room = file.len();
    let mut at = reader.place(4)?;
    while at != 0 {
        if seen.contains(&at) {
            return Err(broken("its pages follow each other in a circle"));
        }
        if seen.len() >= pages_max {
            let message = format!("The fax has more than {pages_max} pages.");
            return Err(Problem::new(Kind::TooLong, message));
        }
        seen.push(at);
        let (entries, next) = reader.directory(at)?;
        if let Some(page) = page(&reader, &entries, &mut room)? {
            pages.push(page);
        }
        at = next;
    }
    if pages.is_empty() {
        return Err(broken("there is no page in it"));
    }
    Ok(pages)
}

/// An entry of a page's directory.
#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    /// Where its value, or the place of its value, stands.
    at: usize,
}

/// The file, and which end of a number comes first.
struct Reader<'f> {
    file: &'f [u8],
    big: bool,
}

impl<'f> Reader<'f> {
    fn new(file: &'f [u8]) -> Result<Reader<'f>, Problem> {
        let big = match file.get(..2) {
            Some(b"II") => false,
            Some(b"MM") => true,
            _ => return Err(broken("it does not begin as a TIFF file does")),
        };
        let reader = Reader { file, big };
        match reader.u16(2)? {
            42 => Ok(reader),
            43 => Err(unsupported("it is a BigTIFF file")),
            _ => Err(broken("it does not begin as a TIFF file does")),
        }
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Problem> {
        let end = at.checked_add(N);
        let found = end.and_then(|end| self.file.get(at..end));
        let found = found.and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
        found.ok_or_else(|| broken("it ends too early"))
    }

    fn u16(&self, at: usize) -> Result<u16, Problem> {
        let bytes = self.bytes::<2>(at)?;
        Ok(match self.big {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    fn u32(&self, at: usize) -> Result<u32, Problem> {
        let bytes = self.bytes::<4>(at)?;
        Ok(match self.big {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// A place in the file that is named there.
    fn place(&self, at: usize) -> Result<usize, Problem> {
        usize::try_from(self.u32(at)?).map_err(|_| broken("it points outside of itself"))
    }

    /// A page's entries, and where the next page's are.
    fn directory(&self, at: usize) -> Result<(Vec<Entry>, usize), Problem> {
        let count = self.u16(at)?;
        if count > ENTRIES_MAX {
            return Err(broken("a page of it has too many entries"));
        }
        let first = at.saturating_add(2);
        let mut entries = Vec::new();
        for number in 0..usize::from(count) {
            let at = first.saturating_add(number.saturating_mul(12));
            entries.push(Entry {
                tag: self.u16(at)?,
                kind: self.u16(at.saturating_add(2))?,
                count: self.u32(at.saturating_add(4))?,
                at: at.saturating_add(8),
            });
        }
        let end = first.saturating_add(usize::from(count).saturating_mul(12));
        Ok((entries, self.place(end)?))
    }

    /// The whole numbers of an entry.
    fn numbers(&self, entry: &Entry) -> Result<Vec<u32>, Problem> {
        let size = match entry.kind {
            1 => 1,
            3 => 2,
            4 => 4,
            _ => return Err(broken("an entry of it is of a kind that does not fit")),
        };
        if entry.count > STRIPS_MAX {
            return Err(broken("a page of it has too many strips"));
        }
        let count = usize::try_from(entry.count).unwrap_or(usize::MAX);
        let first = match count.saturating_mul(size) {
            0..=4 => entry.at,
            _ => self.place(entry.at)?,
        };
        let mut numbers = Vec::new();
        for number in 0..count {
            let at = first.saturating_add(number.saturating_mul(size));
            numbers.push(match size {
                1 => u32::from(self.bytes::<1>(at)?[0]),
                2 => u32::from(self.u16(at)?),
                _ => self.u32(at)?,
            });
        }
        Ok(numbers)
    }

    fn fraction(&self, entry: &Entry) -> Result<f64, Problem> {
        if entry.kind != 5 {
            return Err(broken("a resolution of it is no fraction"));
        }
        let at = self.place(entry.at)?;
        let (above, below) = (self.u32(at)?, self.u32(at.saturating_add(4))?);
        Ok(f64::from(above) / f64::from(below.max(1)))
    }
}

/// The entries of one page, by their tags.
struct Tags<'r, 'f> {
    reader: &'r Reader<'f>,
    entries: &'r [Entry],
}

impl Tags<'_, '_> {
    fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    fn number(&self, tag: u16) -> Result<Option<u32>, Problem> {
        let Some(entry) = self.find(tag) else {
            return Ok(None);
        };
        Ok(self.reader.numbers(entry)?.first().copied())
    }

    fn or(&self, tag: u16, usual: u32) -> Result<u32, Problem> {
        Ok(self.number(tag)?.unwrap_or(usual))
    }

    fn all(&self, tag: u16, what: &str) -> Result<Vec<u32>, Problem> {
        let entry = self.find(tag);
        let entry = entry.ok_or_else(|| broken(&format!("a page of it does not say {what}")))?;
        self.reader.numbers(entry)
    }
}

/// A page; `None` for a small picture of one. `room` is how many bytes its strips, and those of the pages
/// after it, may have: pages that share bytes would be larger than the file.
fn page(reader: &Reader<'_>, entries: &[Entry], room: &mut usize) -> Result<Option<Page>, Problem> {
    let tags = Tags { reader, entries };
    if tags.or(254, 0)? & 1 == 1 {
        return Ok(None);
    }
    if tags.or(258, 1)? != 1 || tags.or(277, 1)? != 1 {
        return Err(unsupported("it is not in black and white only"));
    }
    if tags.find(322).is_some() || tags.find(324).is_some() {
        return Err(unsupported("it is cut into tiles"));
    }
    let needed = |value: Option<u32>, what: &str| {
        value.ok_or_else(|| broken(&format!("a page of it does not say {what}")))
    };
    let columns = needed(tags.number(256)?, "how wide it is")?;
    let rows = needed(tags.number(257)?, "how long it is")?;
    if columns == 0 || rows == 0 || columns > COLUMNS_MAX || rows > ROWS_MAX {
        return Err(broken(&format!(
            "a page of it claims {columns} by {rows} dots, which no fax machine sends"
        )));
    }
    Ok(Some(Page {
        columns,
        rows,
        coding: coding(&tags)?,
        inverted: tags.or(262, 0)? == 1,
        reversed: tags.or(266, 1)? == 2,
        dots: dots(&tags)?,
        strips: strips(&tags, rows, room)?,
    }))
}

fn coding(tags: &Tags<'_, '_>) -> Result<Coding, Problem> {
    // A bit of these options says that parts stand uncoded, which no fax machine sends.
    let uncoded = || Err(unsupported("parts of it are not coded as faxes are"));
    match tags.or(259, 1)? {
        2 => Ok(Coding::Rows),
        3 => match tags.or(292, 0)? {
            options if options & 2 != 0 => uncoded(),
            options if options & 1 == 1 => Ok(Coding::TwoDimensional),
            _ => Ok(Coding::OneDimensional),
        },
        4 if tags.or(293, 0)? & 2 != 0 => uncoded(),
        4 => Ok(Coding::Group4),
        other => Err(unsupported(&format!(
            "it is compressed in the way {other}, which is none of faxes"
        ))),
    }
}

fn dots(tags: &Tags<'_, '_>) -> Result<(f64, f64), Problem> {
    let of = |tag: u16| match tags.find(tag) {
        Some(entry) => tags.reader.fraction(entry).map(Some),
        None => Ok(None),
    };
    let (Some(across), Some(down)) = (of(282)?, of(283)?) else {
        return Ok(USUAL_DOTS);
    };
    let to_the_inch = if tags.or(296, 2)? == 3 { 2.54 } else { 1.0 };
    let dots = (across * to_the_inch, down * to_the_inch);
    Ok(match DOTS.contains(&dots.0) && DOTS.contains(&dots.1) {
        true => dots,
        false => USUAL_DOTS,
    })
}

fn strips(tags: &Tags<'_, '_>, rows: u32, room: &mut usize) -> Result<Vec<Strip>, Problem> {
    let starts = tags.all(273, "where it is")?;
    let lengths = tags.all(279, "how many bytes it has")?;
    let each = tags.or(278, rows)?.clamp(1, rows);
    let count = usize::try_from(rows.div_ceil(each)).unwrap_or(usize::MAX);
    if starts.len() != count || lengths.len() != count {
        return Err(broken("a page of it has not as many strips as it says"));
    }
    let mut strips = Vec::new();
    let mut left = rows;
    for (start, length) in starts.into_iter().zip(lengths) {
        let (start, length) = (
            usize::try_from(start).unwrap_or(usize::MAX),
            usize::try_from(length).unwrap_or(usize::MAX),
        );
        let inside = start
            .checked_add(length)
            .is_some_and(|end| end <= tags.reader.file.len());
        if !inside || length == 0 {
            return Err(broken("it ends too early"));
        }
        *room = room
            .checked_sub(length)
            .ok_or_else(|| broken("its pages share their bytes"))?;
        strips.push(Strip {
            start,
            length,
            rows: each.min(left),
        });
        left = left.saturating_sub(each);
    }
    Ok(strips)
}

fn broken(what: &str) -> Problem {
    Problem::new(
        Kind::Structure,
        format!("The file is not a sound TIFF: {what}."),
    )
}

fn unsupported(what: &str) -> Problem {
    Problem::new(
        Kind::NotSupported,
        format!("The file cannot be shown: {what}."),
    )
}

#[cfg(test)]
mod tests;
