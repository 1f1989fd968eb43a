//! A page of a fax as a picture for the screen (ITU-T T.4 and T.6). The record has the coded rows as they came; this is
//! only for looking at while somebody finds out whose it is.
//!
//! Invariant: no input makes it loop or take more than a page's dots, which are bounded.

mod codes;

use std::io::Write as _;

use fhir::problem::{Kind, Problem};
use flate2::write::ZlibEncoder;

use super::tiff::{Coding, Page};
use codes::{BITS_MAX, BLACK, REST_BELOW, WHITE};

/// The most dots of a page that is drawn: an A4 page at 400 by 400 has 15 million.
const DOTS_MAX: u64 = 60_000_000;
/// How wide the picture is at most, and how tall.
const WIDE_MAX: u32 = 864;
const TALL_MAX: u32 = 8000;

/// The places in a row where the colour changes; the first is where black begins.
type Changes = Vec<u32>;

/// Draws a page, as a PNG in shades of grey and in the proportions of the paper. Rows that cannot be read are as the row
/// before; what is missing is white.
///
/// # Errors
/// `TooCostly` if the page has too many dots.
pub fn png(file: &[u8], page: &Page) -> Result<Vec<u8>, Problem> {
    if u64::from(page.columns) * u64::from(page.rows) > DOTS_MAX {
        let message = "This page is too large to be drawn here; fetch the fax instead.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let wide = page.columns.clamp(1, WIDE_MAX);
    let tall = f64::from(page.rows) * f64::from(wide) / f64::from(page.columns);
    let tall = (tall * page.dots.0 / page.dots.1).round();
    let tall = (tall.clamp(1.0, f64::from(TALL_MAX))) as u32;
    let mut picture = Picture::new(wide, tall, page);
    for strip in &page.strips {
        let end = strip.start.saturating_add(strip.length);
        let bytes = file.get(strip.start..end).unwrap_or_default();
        let mut rows = Rows::new(bytes, page);
        for _ in 0..strip.rows {
            let changes = rows.next();
            picture.add(changes);
        }
    }
    picture.png()
}

/// The picture as it grows, row by row of the page.
struct Picture {
    wide: u32,
    tall: u32,
    columns: u32,
    rows: u32,
    inverted: bool,
    /// The row of the page that comes next.
    row: u32,
    /// How many black dots fell onto each point, and how many dots there were, for the points' row at hand.
    black: Vec<u32>,
    dots: u32,
    at: u32,
    /// Grey, row by row, each with PNG's byte before it.
    points: Vec<u8>,
}

impl Picture {
    fn new(wide: u32, tall: u32, page: &Page) -> Picture {
        Picture {
            wide,
            tall,
            columns: page.columns,
            rows: page.rows,
            inverted: page.inverted,
            row: 0,
            black: vec![0; wide as usize],
            dots: 0,
            at: 0,
            points: Vec::new(),
        }
    }

    /// The row of points onto which a row of the page falls.
    fn place(&self, row: u32) -> u32 {
        let place = u64::from(row) * u64::from(self.tall) / u64::from(self.rows.max(1));
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn add(&mut self, changes: &Changes) {
        for pair in changes.chunks(2) {
            let from = pair.first().copied().unwrap_or(self.columns);
            let to = pair.get(1).copied().unwrap_or(self.columns);
            for dot in from..to.min(self.columns) {
                let point = u64::from(dot) * u64::from(self.wide) / u64::from(self.columns);
                if let Some(count) = self.black.get_mut(usize::try_from(point).unwrap_or(0)) {
                    *count += 1;
                }
            }
        }
        self.dots += 1;
        self.row += 1;
        let next = match self.row >= self.rows {
            true => self.tall,
            false => self.place(self.row),
        };
        if self.at >= next {
            return;
        }
        // A page of few rows is stretched: a row then stands in several rows of points.
        while self.at < next && self.at < self.tall {
            self.write_points();
        }
        self.black.fill(0);
        self.dots = 0;
    }

    fn write_points(&mut self) {
        self.points.push(0);
        let each = (self.columns / self.wide.max(1)).max(1);
        let whole = (self.dots.max(1) * each).max(1);
        for count in &self.black {
            let dark = (count.min(&whole) * 255) / whole;
            let shade = u8::try_from(dark).unwrap_or(255);
            self.points
                .push(if self.inverted { shade } else { 255 - shade });
        }
        self.at += 1;
    }

    fn png(mut self) -> Result<Vec<u8>, Problem> {
        self.black.fill(0);
        while self.at < self.tall {
            self.write_points();
        }
        let unwritten =
            |cause| Problem::new(Kind::Exception, "A picture could not be written.").because(cause);
        let mut packed = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&self.points).map_err(unwritten)?;
        let packed = packed.finish().map_err(unwritten)?;
        let mut head = Vec::new();
        head.extend(self.wide.to_be_bytes());
        head.extend(self.tall.to_be_bytes());
        // Eight bits of grey, and the one way each of packing, filtering and ordering.
        head.extend([8, 0, 0, 0, 0]);
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, b"IHDR", &head);
        chunk(&mut png, b"IDAT", &packed);
        chunk(&mut png, b"IEND", b"");
        Ok(png)
    }
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    png.extend(length.to_be_bytes());
    let mut check = flate2::Crc::new();
    check.update(name);
    check.update(bytes);
    png.extend(name);
    png.extend(bytes);
    png.extend(check.sum().to_be_bytes());
}

/// The rows of a strip, one after another.
struct Rows<'f> {
    bits: Bits<'f>,
    coding: Coding,
    columns: u32,
    /// The row before; white before the first.
    row: Changes,
    ended: bool,
}

impl<'f> Rows<'f> {
    fn new(bytes: &'f [u8], page: &Page) -> Rows<'f> {
        Rows {
            bits: Bits {
                bytes,
                reversed: page.reversed,
                at: 0,
            },
            coding: page.coding,
            columns: page.columns,
            row: Vec::new(),
            ended: false,
        }
    }

    fn next(&mut self) -> &Changes {
        if self.ended || self.bits.is_over() {
            self.row.clear();
            self.ended = true;
            return &self.row;
        }
        let read = match self.coding {
            Coding::Group4 => self.two_dimensional(),
            Coding::Rows => {
                self.bits.seek_byte();
                self.one_dimensional()
            }
            Coding::OneDimensional | Coding::TwoDimensional => self.line(),
        };
        match (read, self.coding) {
            (Some(row), _) => self.row = row,
            // Where each row rests on the one before, what follows a broken one is nothing.
            (None, Coding::Group4 | Coding::Rows) => {
                self.row.clear();
                self.ended = true;
            }
            // Else the next line begins after the next sign for that; this one is as the one before.
            (None, _) => {
                self.bits.seek_end_of_line();
            }
        }
        &self.row
    }

    /// A row of T.4: perhaps the sign that a line ends, and what way the next is coded.
    fn line(&mut self) -> Option<Changes> {
        let begins = self.bits.end_of_line();
        let one = self.coding == Coding::OneDimensional || !begins || self.bits.take(1) == 1;
        if begins && self.bits.end_of_line_ahead() && self.bits.end_of_line() {
            // Two in a row: the page is over.
            self.ended = true;
            return Some(Vec::new());
        }
        match one {
            true => self.one_dimensional(),
            false => self.two_dimensional(),
        }
    }

    fn one_dimensional(&mut self) -> Option<Changes> {
        let mut row = Changes::new();
        let (mut at, mut black) = (0, false);
        while at < self.columns {
            at = at.saturating_add(self.run(black)?);
            change(&mut row, at, self.columns);
            black = !black;
        }
        Some(row)
    }

    /// The length of a run: words for its parts of 64 and more, then one for the rest.
    fn run(&mut self, black: bool) -> Option<u32> {
        let table = if black { &BLACK } else { &WHITE };
        let mut run = 0_u32;
        loop {
            let word = *table.get(self.bits.ahead(BITS_MAX) as usize)?;
            if word.bits == 0 || self.bits.is_over() {
                return None;
            }
            self.bits.skip(u32::from(word.bits));
            run = run.saturating_add(u32::from(word.run));
            if word.run < REST_BELOW {
                return Some(run);
            }
        }
    }

    fn two_dimensional(&mut self) -> Option<Changes> {
        let mut row = Changes::new();
        let (mut at, mut black, mut is_first) = (0_u32, false, true);
        while at < self.columns {
            let (b1, b2) = self.reference(at, black, is_first);
            match self.mode()? {
                Mode::Pass => at = b2,
                Mode::Across => {
                    for black in [black, !black] {
                        at = at.saturating_add(self.run(black)?);
                        change(&mut row, at, self.columns);
                    }
                }
                Mode::Along(by) => {
                    let to = b1.checked_add_signed(by)?;
                    if to < at || (to == at && !is_first) {
                        return None;
                    }
                    at = to;
                    change(&mut row, at, self.columns);
                    black = !black;
                }
            }
            is_first = false;
        }
        Some(row)
    }

    /// Where the row before changes next to the colour that is not the present one, and where after that.
    fn reference(&self, at: u32, black: bool, is_first: bool) -> (u32, u32) {
        let after = self.row.partition_point(|it| match is_first {
            true => *it < at,
            false => *it <= at,
        });
        // The first, third and so on begin black.
        let number = after + usize::from((after % 2 == 1) != black);
        let place = |number: usize| self.row.get(number).copied().unwrap_or(self.columns);
        (place(number), place(number + 1))
    }

    fn mode(&mut self) -> Option<Mode> {
        let (mode, bits) = match self.bits.ahead(7) {
            ahead if ahead >> 6 == 1 => (Mode::Along(0), 1),
            ahead if ahead >> 4 == 0b011 => (Mode::Along(1), 3),
            ahead if ahead >> 4 == 0b010 => (Mode::Along(-1), 3),
            ahead if ahead >> 4 == 0b001 => (Mode::Across, 3),
            ahead if ahead >> 3 == 0b0001 => (Mode::Pass, 4),
            ahead if ahead >> 1 == 0b00_0011 => (Mode::Along(2), 6),
            ahead if ahead >> 1 == 0b00_0010 => (Mode::Along(-2), 6),
            0b000_0011 => (Mode::Along(3), 7),
            0b000_0010 => (Mode::Along(-3), 7),
            _ => return None,
        };
        if self.bits.is_over() {
            return None;
        }
        self.bits.skip(bits);
        Some(mode)
    }
}

/// How a change of colour lies to the row before.
enum Mode {
    Pass,
    Across,
    Along(i32),
}

/// Adds a change; two at one place are none.
fn change(row: &mut Changes, at: u32, columns: u32) {
    if row.last() == Some(&at) {
        row.pop();
    } else if at < columns {
        row.push(at);
    }
}

/// Bits, the first of each byte first.
struct Bits<'f> {
    bytes: &'f [u8],
    reversed: bool,
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    fn is_over(&self) -> bool {
        self.at >= self.bytes.len().saturating_mul(8)
    }

    fn bit(&self, at: usize) -> u32 {
        let byte = self.bytes.get(at / 8).copied().unwrap_or(0);
        let byte = if self.reversed {
            byte.reverse_bits()
        } else {
            byte
        };
        u32::from(byte >> (7 - at % 8) & 1)
    }

    /// The next bits, with noughts after the end.
    fn ahead(&self, count: u32) -> u32 {
        (0..count as usize).fold(0, |bits, number| bits << 1 | self.bit(self.at + number))
    }

    fn skip(&mut self, count: u32) {
        self.at = self.at.saturating_add(count as usize);
    }

    fn take(&mut self, count: u32) -> u32 {
        let bits = self.ahead(count);
        self.skip(count);
        bits
    }

    fn seek_byte(&mut self) {
        self.at = self.at.div_ceil(8) * 8;
    }

    /// Whether eleven noughts come next: no word begins so.
    fn end_of_line_ahead(&self) -> bool {
        self.ahead(11) == 0
    }

    /// Goes to where that sign begins, or to the end.
    fn seek_end_of_line(&mut self) {
        let mut noughts = 0;
        while !self.is_over() {
            noughts = if self.bit(self.at) == 0 {
                noughts + 1
            } else {
                0
            };
            self.at += 1;
            if noughts == 11 {
                self.at -= 11;
                return;
            }
        }
    }

    /// Takes the sign that a line ends, if it comes next: eleven noughts or more, and a one.
    fn end_of_line(&mut self) -> bool {
        if !self.end_of_line_ahead() {
            return false;
        }
        while !self.is_over() && self.bit(self.at) == 0 {
            self.at += 1;
        }
        self.skip(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fax::tiff::Strip;

    proptest::proptest! {
        #[test]
        fn x09_any_bytes_are_drawn_within_bounds(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600), kind in 0..4) {
            let coding = [Coding::Rows, Coding::OneDimensional, Coding::TwoDimensional, Coding::Group4][kind as usize];
            let page = Page {
                columns: 400,
                rows: 60,
                coding,
                inverted: false,
                reversed: bytes.len() % 2 == 1,
                dots: (204.0, 98.0),
                strips: vec![Strip { start: 0, length: bytes.len(), rows: 60 }],
            };
            let drawn = png(&bytes, &page).unwrap();
            assert!(drawn.starts_with(b"\x89PNG"));
        }
    }
}
