use super::*;

/// A file of pages made by hand: tags with their values, written with either end first.
pub(crate) struct Made {
    bytes: Vec<u8>,
    big: bool,
    /// Where the place of the next page is to be written.
    link: usize,
}

impl Made {
    pub(crate) fn new(big: bool) -> Made {
        let mut made = Made {
            bytes: if big { b"MM".to_vec() } else { b"II".to_vec() },
            big,
            link: 4,
        };
        made.u16(42);
        made.u32(0);
        made
    }

    fn u16(&mut self, value: u16) {
        match self.big {
            true => self.bytes.extend(value.to_be_bytes()),
            false => self.bytes.extend(value.to_le_bytes()),
        }
    }

    fn u32(&mut self, value: u32) {
        match self.big {
            true => self.bytes.extend(value.to_be_bytes()),
            false => self.bytes.extend(value.to_le_bytes()),
        }
    }

    fn write(&mut self, at: usize, value: u32) {
        let bytes = match self.big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        self.bytes[at..at + 4].copy_from_slice(&bytes);
    }

    /// Adds a page; each value is a LONG, or a fraction of 1 where the kind is 5.
    pub(crate) fn page(&mut self, tags: &[(u16, u16, u32, u32)]) -> usize {
        let at = self.bytes.len();
        self.write(self.link, at as u32);
        self.u16(tags.len() as u16);
        for (tag, kind, count, value) in tags {
            self.u16(*tag);
            self.u16(*kind);
            self.u32(*count);
            match (*kind, *count) {
                (3, 1) => {
                    self.u16(*value as u16);
                    self.u16(0);
                }
                _ => self.u32(*value),
            }
        }
        self.link = self.bytes.len();
        self.u32(0);
        at
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend(bytes);
        at
    }
}

/// The tags of a sound page of one strip.
fn sound(strip: (u32, u32)) -> Vec<(u16, u16, u32, u32)> {
    vec![
        (256, 3, 1, 1728),
        (257, 3, 1, 1100),
        (258, 3, 1, 1),
        (259, 3, 1, 4),
        (262, 3, 1, 0),
        (273, 4, 1, strip.0),
        (277, 3, 1, 1),
        (278, 4, 1, u32::MAX),
        (279, 4, 1, strip.1),
    ]
}

fn one(big: bool, change: impl FnOnce(&mut Vec<(u16, u16, u32, u32)>, &mut Made)) -> Vec<u8> {
    let mut made = Made::new(big);
    let at = made.put(b"coded");
    let mut tags = sound((at, 5));
    change(&mut tags, &mut made);
    made.page(&tags);
    made.bytes
}

fn set(tags: &mut Vec<(u16, u16, u32, u32)>, tag: (u16, u16, u32, u32)) {
    tags.retain(|it| it.0 != tag.0);
    tags.push(tag);
}

#[test]
fn a_page_is_read_whichever_end_of_a_number_comes_first() {
    for big in [false, true] {
        let file = one(big, |tags, made| {
            let mut dots = Vec::new();
            for value in [204u32, 1, 98, 1] {
                dots.extend(if big {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                });
            }
            let at = made.put(&dots);
            tags.push((282, 5, 1, at));
            tags.push((283, 5, 1, at + 8));
            set(tags, (259, 3, 1, 3));
            tags.push((292, 4, 1, 1));
            tags.push((266, 3, 1, 2));
        });
        let pages = read(&file, 10).unwrap();
        let [page] = pages.as_slice() else { panic!() };
        assert_eq!((page.columns, page.rows), (1728, 1100));
        assert_eq!(page.dots, (204.0, 98.0));
        assert_eq!(page.coding, Coding::TwoDimensional);
        assert!(page.reversed && !page.inverted);
        assert_eq!(page.strips.len(), 1);
        let strip = page.strips[0];
        assert_eq!(&file[strip.start..strip.start + strip.length], b"coded");
        assert_eq!(strip.rows, 1100);
    }
}

#[test]
fn strips_have_their_rows_and_the_last_what_is_left() {
    let file = one(false, |tags, made| {
        let at = tags.iter().find(|it| it.0 == 273).unwrap().3;
        let (mut starts, mut lengths) = (Vec::new(), Vec::new());
        for number in 0..3u32 {
            starts.extend((at + number).to_le_bytes());
            lengths.extend(1u32.to_le_bytes());
        }
        let (starts, lengths) = (made.put(&starts), made.put(&lengths));
        set(tags, (273, 4, 3, starts));
        set(tags, (279, 4, 3, lengths));
        set(tags, (278, 4, 1, 500));
    });
    let rows: Vec<u32> = read(&file, 1).unwrap()[0]
        .strips
        .iter()
        .map(|it| it.rows)
        .collect();
    assert_eq!(rows, [500, 500, 100]);
}

#[test]
fn x09_a_circle_of_pages_claims_of_size_and_shared_bytes_are_refused() {
    // A page that follows itself, and one that follows the one before.
    let mut circle = Made::new(true);
    let at = circle.put(b"coded");
    let first = circle.page(&sound((at, 1)));
    circle.page(&sound((at + 1, 1)));
    circle.write(circle.link, first as u32);
    let refused = read(&circle.bytes, 100).unwrap_err();
    assert!(refused.message.contains("circle"), "{}", refused.message);
    // Many pages over the same bytes: the PDF would be larger than the file without bound.
    let mut shared = Made::new(false);
    let at = shared.put(&[1; 4000]);
    for _ in 0..20 {
        shared.page(&sound((at, 4000)));
    }
    assert!(
        read(&shared.bytes, 100)
            .unwrap_err()
            .message
            .contains("share")
    );
    assert_eq!(read(&shared.bytes, 3).unwrap_err().kind, Kind::Structure);
    // More pages than are taken.
    let mut many = Made::new(false);
    let at = many.put(&[1; 100]);
    for number in 0..20 {
        many.page(&sound((at + number, 1)));
    }
    assert_eq!(read(&many.bytes, 20).unwrap().len(), 20);
    assert_eq!(read(&many.bytes, 19).unwrap_err().kind, Kind::TooLong);
    for (what, tag) in [
        ("a picture bomb", (256, 4, 1, 60_000)),
        ("no width", (256, 4, 1, 0)),
        ("a roll of a mile", (257, 4, 1, 4_000_000_000)),
        ("strips without end", (273, 4, u32::MAX, 8)),
        ("a strip outside of the file", (273, 4, 1, u32::MAX)),
        ("a strip longer than the file", (279, 4, 1, u32::MAX)),
        ("an empty strip", (279, 4, 1, 0)),
        ("values outside of the file", (273, 4, 4000, u32::MAX - 8)),
        ("a width that is text", (256, 2, 1, 0)),
        ("a strip for each row and one given", (278, 4, 1, 1)),
        ("colours", (258, 3, 1, 8)),
        ("a JPEG inside", (259, 3, 1, 7)),
        ("tiles", (322, 4, 1, 16)),
        ("a resolution that is none", (282, 4, 1, 204)),
    ] {
        let file = one(false, |tags, _| {
            set(tags, tag);
            if tag.0 == 282 {
                tags.push((283, 5, 1, 8));
            }
        });
        assert!(read(&file, 10).is_err(), "{what}");
    }
}

#[test]
fn x09_a_file_that_ends_anywhere_or_has_any_byte_changed_neither_panics_nor_reads_outside() {
    let file = one(true, |_, _| {});
    assert!(read(&file, 10).is_ok());
    for end in 0..file.len() {
        assert!(read(&file[..end], 10).is_err(), "cut at {end}");
    }
    for at in 0..file.len() {
        for value in [0u8, 1, 0x7f, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] = value;
            for page in read(&changed, 10).unwrap_or_default() {
                for strip in page.strips {
                    assert!(
                        changed
                            .get(strip.start..strip.start + strip.length)
                            .is_some()
                    );
                }
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn x09_no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend(tail);
        let _ = read(&file, 50);
    }
}
