//! Faxes as libtiff writes them, shown by a PDF renderer and compared dot by dot; and the worker against a
//! stand-in for the fax server's program.

use std::path::{Path, PathBuf};
use std::process::Command;

use access::Scope;
use fhir::problem::Problem;
use store::fax::{Asker, FaxDone, FaxWrite, Report};
use store::parcels::{Named, Outgoing, Parcel, PartOf, State};
use store::testing::{Ground, on_each_database};
use store::{Done, Effect, Job, Store};
use tokio::sync::watch;

use super::*;
use crate::keys::sha256_hex;

/// Makes TIFF files of a picture, in every form that fax servers write, and the picture itself beside each.
const MAKE: &str = r#"
import sys
from PIL import Image, ImageDraw, TiffImagePlugin
folder = sys.argv[1]
def picture(width, height, seed):
    image = Image.new("1", (width, height), 1)
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, width - 9, height - 9), outline=0, width=3)
    for row in range(20, height - 20, 37):
        for column in range(20, width - 120, 97):
            length = (row * 7 + column * 3 + seed) % 83
            draw.line((column, row, column + length, row + (row + seed) % 9), fill=0, width=2)
    draw.text((60, 60), "Fax %d: not symmetrical" % seed, fill=0)
    draw.polygon([(30, height - 30), (200, height - 30), (30, height - 160)], fill=0)
    return image
cases = {
    "g3": ("group3", {}, False),
    "g3-2d": ("group3", {292: 1}, False),
    "g3-aligned": ("group3", {292: 4}, False),
    "g4": ("group4", {}, False),
    "rows": ("tiff_ccitt", {}, False),
    "g4-strips": ("group4", {}, True),
    "g3-strips": ("group3", {}, True),
}
for name, (coding, tags, strips) in cases.items():
    pages = [picture(1728, 1100, 1), picture(1216, 539, 2)]
    TiffImagePlugin.STRIP_SIZE = 1728 // 8 * 200 if strips else 1 << 30
    for number, page in enumerate(pages):
        page.copy().save("%s/%s.%d.png" % (folder, name, number))
    pages[0].save("%s/%s.tif" % (folder, name), save_all=True, append_images=pages[1:],
                  compression=coding, tiffinfo=dict(tags), dpi=(204, 98))
"#;

/// How many dots of a picture are lighter or darker than all dots around the same place of another: where something is
/// that should not be, or is missing. Edges may be shaded. A picture that is moved by a little must show.
const APART: &str = r#"
import sys
from PIL import Image, ImageChops, ImageFilter
def count(image):
    return image.point(lambda it: 255 if it > 90 else 0).histogram()[255]
def apart(drawn, picture):
    lightest = picture.filter(ImageFilter.MaxFilter(3))
    darkest = picture.filter(ImageFilter.MinFilter(3))
    return count(ImageChops.subtract(drawn, lightest)) + count(ImageChops.subtract(darkest, drawn))
def same(drawn, picture, wrong_max):
    wrong = apart(drawn, picture)
    assert wrong <= wrong_max, (sys.argv, wrong)
    assert apart(ImageChops.offset(drawn, 4, 3), picture) > 5000, "nothing would show"
"#;

/// Draws each page of a PDF and compares it with its picture.
const COMPARE: &str = r#"
import pypdfium2
document = pypdfium2.PdfDocument(sys.argv[1])
pictures = sys.argv[2:]
assert len(document) == len(pictures), (len(document), pictures)
for page, name in zip(document, pictures):
    picture = Image.open(name).convert("L")
    # As large as it was on paper: 204 dots to the inch across and 98 down.
    width, height = page.get_size()
    assert abs(width - picture.width / 204 * 72) < 0.5, (width, picture.size)
    assert abs(height - picture.height / 98 * 72) < 0.5, (height, picture.size)
    drawn = page.render(scale=204 / 72).to_pil().convert("L")
    assert drawn.width == picture.width, (drawn.size, picture.size)
    same(drawn.resize(picture.size, Image.BOX), picture, 0)
"#;

/// Compares a picture for the screen with the fax's own, at the picture's size.
const DRAWN: &str = r#"
drawn = Image.open(sys.argv[1])
picture = Image.open(sys.argv[2]).convert("L")
paper = picture.height / 98 / (picture.width / 204)
assert abs(drawn.height / drawn.width - paper) < 0.01, (drawn.size, paper)
same(drawn, picture.resize(drawn.size, Image.BOX), drawn.width * drawn.height // 2000)
"#;

fn python(script: &str, arguments: &[&Path]) {
    let output = Command::new("python3")
        .args(["-c", script])
        .args(arguments)
        .output()
        .expect("python3 runs: `cargo xtask test` puts its environment first");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_fax_in_any_coding_is_shown_as_its_picture_and_as_large_as_its_paper() {
    let folder = tempfile::tempdir().unwrap();
    python(MAKE, &[folder.path()]);
    let place = |name: &str| folder.path().join(name);
    for (name, coding, several) in [
        ("g3", tiff::Coding::OneDimensional, false),
        ("g3-2d", tiff::Coding::TwoDimensional, false),
        ("g3-aligned", tiff::Coding::OneDimensional, false),
        ("g4", tiff::Coding::Group4, false),
        ("rows", tiff::Coding::Rows, false),
        ("g4-strips", tiff::Coding::Group4, true),
        ("g3-strips", tiff::Coding::OneDimensional, true),
    ] {
        let file = std::fs::read(place(&format!("{name}.tif"))).unwrap();
        let pages = tiff::read(&file, 10).unwrap();
        assert_eq!((pages.len(), pages[0].coding), (2, coding), "{name}");
        assert_eq!(pages[0].dots, (204.0, 98.0), "{name}");
        assert_eq!(pages[0].strips.len() > 1, several, "{name}");
        let pictures = [0, 1].map(|number| place(&format!("{name}.{number}.png")));
        let shown = |pdf: Vec<u8>, what: &str| {
            let path = place(&format!("{name}{what}.pdf"));
            std::fs::write(&path, pdf).unwrap();
            python(
                &[APART, COMPARE].concat(),
                &[&path, &pictures[0], &pictures[1]],
            );
            if let Some(kept) = std::env::var_os("HANDOVER_KEEP_FAXES") {
                std::fs::copy(&path, PathBuf::from(kept).join(format!("{name}{what}.pdf")))
                    .unwrap();
            }
        };
        shown(pdf::of_fax(&file, &pages).unwrap(), "");
        for (page, picture) in pages.iter().zip(&pictures) {
            let path = place(&format!("{name}.drawn.png"));
            std::fs::write(&path, raster::png(&file, page).unwrap()).unwrap();
            python(&[APART, DRAWN].concat(), &[&path, picture]);
        }
        // As fax modems leave it: the first dot in the lowest bit of each byte.
        let (turned, pages) = turned(file, pages);
        shown(pdf::of_fax(&turned, &pages).unwrap(), "-turned");
    }
}

/// The same fax with the bits of its coded bytes the other way round.
fn turned(mut file: Vec<u8>, mut pages: Vec<tiff::Page>) -> (Vec<u8>, Vec<tiff::Page>) {
    for page in &mut pages {
        page.reversed = !page.reversed;
        for strip in &page.strips {
            for byte in &mut file[strip.start..strip.start + strip.length] {
                *byte = byte.reverse_bits();
            }
        }
    }
    (file, pages)
}

#[test]
fn x09_what_cannot_be_read_is_kept_as_it_came_with_the_reason() {
    let said = Said {
        queue: "000000123".into(),
        caller: "0113 496 0000".into(),
        station: "NORTH\u{7}FIELD".into(),
    };
    let fax = new_fax(&said, b"II*\0\x08\0\0\0".to_vec(), 100, 10).unwrap();
    assert_eq!(
        (fax.pages, fax.caller.as_str(), fax.station.as_str()),
        (0, "+441134960000", "NORTHFIELD")
    );
    assert!(fax.trouble.contains("ends too early"), "{}", fax.trouble);
    assert!(new_fax(&said, vec![0; 101], 100, 10).is_err());
    assert!(new_fax(&said, Vec::new(), 100, 10).is_err());
}

fn worker_scope() -> Scope {
    Scope::system(SystemPurpose::KeepFaxes)
}

async fn write(store: &Store, write: FaxWrite) -> Result<FaxDone, Problem> {
    let committed = store
        .commit(&worker_scope(), Job::effect(Effect::Fax(write)))
        .await?;
    match committed.done.into_iter().next() {
        Some(Done::Fax(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

const NUMBER: &str = "+441134960001";

/// A store with one number in force, and one letter for it; the letter's parcel.
async fn queued(store: &Store, content: (&str, &[u8])) -> i64 {
    let by = |account| Asker {
        account,
        who: format!("Person {account}"),
    };
    let propose = FaxWrite::Propose {
        number: NUMBER.into(),
        ods: "RZZ01".into(),
        name: "Northfield Hospital".into(),
        by: by(1),
    };
    write(store, propose).await.unwrap();
    let number = NUMBER.to_owned();
    write(store, FaxWrite::Confirm { number, by: by(2) })
        .await
        .unwrap();
    let parcel = Parcel {
        kind: store::parcels::Kind::Fax,
        sender: store.organisation().clone(),
        recipient: Ods::parse("RZZ01").unwrap(),
        id: "l1".into(),
        text: "l1".into(),
        digest: "l1".into(),
        title: "Referral of a patient".into(),
        author: String::new(),
        urgent: true,
        marked: false,
        unique_id: "l1".into(),
        replaces: None,
        named: Named::default(),
        parts: vec![PartOf {
            sha256: sha256_hex(content.1),
            size: content.1.len() as u64,
            content_type: content.0.into(),
        }],
    };
    let letter = Outgoing {
        parcel,
        patient: String::new(),
        document: String::new(),
        contents: vec![content.1.to_vec()],
    };
    match write(store, FaxWrite::Queue(Box::new(letter)))
        .await
        .unwrap()
    {
        FaxDone::Queued { pid, .. } => pid,
        other => panic!("{other:?}"),
    }
}

/// A stand-in for HylaFAX's sendfax: writes down what it was asked, keeps the files, and answers.
fn stand_in(folder: &Path, answer: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("stand-in-for-sendfax");
    let text = format!(
        "#!/bin/sh\nprintf '%s ' \"$@\" >> {folder}/asked\necho >> {folder}/asked\n\
         for it; do case $it in *.pdf|*.tif) cp \"$it\" {folder}/;; esac; done\n{answer}\n",
        folder = folder.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn faxes(store: &Store, folder: &Path, sendfax: PathBuf) -> Faxes {
    let settings = Settings {
        sendfax: Some(sendfax),
        spool: folder.join("spool"),
        name: "Willow Road Surgery".into(),
        contact: "0113 496 0999".into(),
        tries_max: 2,
        unheard_hours: 12,
        keep_days: 30,
    };
    let mut faxes = Faxes::new(store.clone(), settings, Arc::default());
    faxes.backoff.first_millis = 0;
    faxes
}

async fn round(faxes: &Faxes, is_first: bool) {
    let (_stop, stopped) = watch::channel(false);
    faxes.round(is_first, &stopped).await.unwrap();
}

const TAKEN: &str = "echo 'request id is 77 (group id 77) for host localhost (2 files)'";

#[test]
fn a_letter_is_handed_over_with_a_cover_that_tells_nothing_of_it_and_is_sent_when_the_server_says_so()
 {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        let pid = queued(&store, ("text/plain", "Dear colleague, 5 µg.".as_bytes())).await;
        let faxes = faxes(&store, folder.path(), stand_in(folder.path(), TAKEN));
        round(&faxes, true).await;
        assert!(faxes.allowed.has(&Ods::parse("RZZ01").unwrap()));
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert!(
            asked.starts_with("-n -D -i handover-1-1 -d +441134960001 "),
            "{asked}"
        );
        // The files are gone from the spool once they are taken.
        assert_eq!(
            std::fs::read_dir(folder.path().join("spool"))
                .unwrap()
                .count(),
            0
        );
        let cover = std::fs::read(folder.path().join("00.pdf")).unwrap();
        let cover = String::from_utf8_lossy(&cover).into_owned();
        for told in [
            "Northfield Hospital",
            "RZZ01",
            "0113 496 0001",
            "Willow Road Surgery",
            "0113 496 0999",
            "2 with this one",
            "URGENT",
        ] {
            assert!(cover.contains(told), "{told}: {cover}");
        }
        for hidden in ["Referral", "Dear", "patient"] {
            assert!(!cover.contains(hidden), "{hidden}: {cover}");
        }
        // Nothing is handed over twice.
        round(&faxes, false).await;
        assert_eq!(
            std::fs::read_to_string(folder.path().join("asked")).unwrap(),
            asked
        );
        let item = store.item(&worker_scope(), pid).await.unwrap();
        assert_eq!(item.letter.state, State::Waiting);
        let report = Report {
            job: "77".into(),
            done: true,
            status: "done".into(),
            pages_sent: 2,
            pages: 2,
        };
        write(&store, FaxWrite::Reported(report)).await.unwrap();
        let item = store.item(&worker_scope(), pid).await.unwrap();
        assert_eq!(item.letter.state, State::Delivered);
        assert!(item.events.last().unwrap().note.contains("2 of 2 pages"));
        store.close().await;
    });
}

#[test]
fn a_server_that_does_not_take_a_letter_is_tried_again_and_then_a_person_is_told() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        queued(&store, ("text/plain", b"Dear.")).await;
        let faxes = faxes(&store, folder.path(), stand_in(folder.path(), "exit 1"));
        round(&faxes, true).await;
        assert!(
            store
                .fax_work_list(&worker_scope(), 9)
                .await
                .unwrap()
                .is_empty()
        );
        round(&faxes, false).await;
        let stuck = store.fax_work_list(&worker_scope(), 9).await.unwrap();
        assert_eq!(stuck[0].state, "failed");
        assert!(stuck[0].reason.contains("2 times"), "{stuck:?}");
        // Sent again by a person, with the server mended.
        stand_in(folder.path(), TAKEN);
        let who = Asker {
            account: 1,
            who: "Ann".into(),
        };
        let number = stuck[0].number;
        write(&store, FaxWrite::Again { number, who })
            .await
            .unwrap();
        round(&faxes, false).await;
        assert!(
            store
                .fax_work_list(&worker_scope(), 9)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}

#[test]
fn a_letter_that_a_fax_cannot_carry_or_for_whom_no_number_is_in_force_goes_before_a_person() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        queued(&store, ("text/plain", "ξ".as_bytes())).await;
        let faxes = faxes(&store, folder.path(), stand_in(folder.path(), TAKEN));
        round(&faxes, true).await;
        let stuck = store.fax_work_list(&worker_scope(), 9).await.unwrap();
        assert!(stuck[0].reason.contains("cannot be written"), "{stuck:?}");
        let by = Asker {
            account: 2,
            who: "Bo".into(),
        };
        let end = FaxWrite::ProposeEnd {
            number: NUMBER.into(),
            by: by.clone(),
        };
        write(&store, end).await.unwrap();
        let number = stuck[0].number;
        write(&store, FaxWrite::Again { number, who: by })
            .await
            .unwrap();
        round(&faxes, false).await;
        let stuck = store.fax_work_list(&worker_scope(), 9).await.unwrap();
        assert!(
            stuck[0].reason.contains("No fax number is in force"),
            "{stuck:?}"
        );
        assert!(!folder.path().join("asked").exists());
        assert!(!faxes.allowed.has(&Ods::parse("RZZ01").unwrap()));
        store.close().await;
    });
}

#[test]
fn what_was_cut_off_while_it_was_handed_over_is_never_sent_again_by_itself() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        queued(&store, ("text/plain", b"Dear.")).await;
        let due = store.faxes_to_send(&worker_scope(), 1).await.unwrap();
        let handing = FaxWrite::Handing {
            number: due[0].number,
            dialled: NUMBER.into(),
            holder: "a process that was killed here".into(),
            tag: "handover-1-1".into(),
        };
        write(&store, handing).await.unwrap();
        if store.is_shared() {
            // Another process may be at it still: only time tells.
            store.clock().advance(6 * 60_000);
        }
        let faxes = faxes(&store, folder.path(), stand_in(folder.path(), TAKEN));
        round(&faxes, true).await;
        round(&faxes, false).await;
        assert!(!folder.path().join("asked").exists());
        let stuck = store.fax_work_list(&worker_scope(), 9).await.unwrap();
        assert_eq!(stuck[0].state, "unsure");
        assert!(stuck[0].next_step.contains("handover-1-1"), "{stuck:?}");
        store.close().await;
    });
}

#[test]
fn of_what_the_server_says_nothing_for_long_a_person_is_told() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        queued(&store, ("text/plain", b"Dear.")).await;
        let faxes = faxes(&store, folder.path(), stand_in(folder.path(), TAKEN));
        round(&faxes, true).await;
        store.clock().advance(11 * 3_600_000);
        round(&faxes, false).await;
        assert!(
            store
                .fax_work_list(&worker_scope(), 9)
                .await
                .unwrap()
                .is_empty()
        );
        store.clock().advance(2 * 3_600_000);
        round(&faxes, false).await;
        let stuck = store.fax_work_list(&worker_scope(), 9).await.unwrap();
        assert!(stuck[0].reason.contains("job 77"), "{stuck:?}");
        // Its word may still come, and settles it.
        let report = Report {
            job: "77".into(),
            done: true,
            status: "done".into(),
            pages_sent: 2,
            pages: 2,
        };
        write(&store, FaxWrite::Reported(report)).await.unwrap();
        assert!(
            store
                .fax_work_list(&worker_scope(), 9)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}
