//! Changed copies of a corpus, for the fuzz targets that the tests run. Each test that uses it names this file as a
//! module of its own; see `fuzz/README.md`.
//!
//! Which inputs are kept to be changed further is steered by what the target says of each: an answer that was not
//! given before is something new. The generator starts from the same seed each time.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a target runs, unless `HANDOVER_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 1;
/// The longest input made, in bytes. A parser that takes time by the square of it is found out by `INPUT_SECONDS_MAX`.
const INPUT_BYTES_MAX: usize = 64 * 1024;
/// No input may take longer, on a slow machine and without optimisation.
const INPUT_SECONDS_MAX: u64 = 10;
/// How much memory a target may come to hold over its run, in KiB.
const MEMORY_KIB_MAX: u64 = 512 * 1024;
/// How many inputs are kept to be changed.
const KEPT_MAX: usize = 2_000;

/// Runs `target` over its corpus, then over changed copies of it with `words` put in, for a second or so. The target
/// panics where something does not hold, and else says in a word or a sentence what became of the input.
pub fn explore(name: &str, words: &[&str], target: impl Fn(&[u8]) -> String) {
    let mut kept = corpus(name);
    let mut seen = HashSet::new();
    let before = memory_peak_kib();
    for input in &kept {
        seen.insert(once(name, input, &target));
    }
    let mut chance = Chance::new();
    let until = Instant::now() + seconds();
    let mut count = 0;
    while Instant::now() < until {
        let mut input = kept[chance.below(kept.len())].clone();
        for _ in 0..=chance.below(4) {
            change(&mut input, &kept, words, &mut chance);
        }
        input.truncate(INPUT_BYTES_MAX);
        count += 1;
        if seen.insert(once(name, &input, &target)) && kept.len() < KEPT_MAX {
            kept.push(input);
        }
    }
    let grown = memory_peak_kib().saturating_sub(before);
    assert!(grown <= MEMORY_KIB_MAX, "{name} came to hold {grown} KiB");
    println!(
        "{name}: {count} inputs, {} kinds of answer, {grown} KiB more at the peak",
        seen.len()
    );
    assert!(seen.len() > 1, "{name} answers everything alike");
}

fn seconds() -> Duration {
    let asked = std::env::var("HANDOVER_FUZZ_SECONDS").ok();
    Duration::from_secs(asked.and_then(|text| text.parse().ok()).unwrap_or(SECONDS))
}

/// One input: what broke it is printed, so that it can be put into the corpus.
fn once(name: &str, input: &[u8], target: &impl Fn(&[u8]) -> String) -> String {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = began.elapsed();
    let shown = || {
        let start = input.get(..4096).unwrap_or(input);
        format!("{name}, {} bytes: {}", input.len(), start.escape_ascii())
    };
    let said = outcome.unwrap_or_else(|cause| {
        eprintln!("broken by {}", shown());
        resume_unwind(cause)
    });
    assert!(
        took.as_secs() < INPUT_SECONDS_MAX,
        "{took:?} for {}",
        shown()
    );
    said
}

/// The committed inputs of a target, in the order of their names.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots = manifest.ancestors().map(|above| above.join("fuzz/corpus"));
    let root = roots.find(|folder| folder.is_dir()).unwrap();
    let listed = std::fs::read_dir(root.join(name)).unwrap();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Bytes that mean something to some parser.
const TELLING: &[u8] =
    b"\0\x01\x0b\x1c\r\n\t \"'{}[]<>&;:,|^~\\/.$%=()-+019eEuXx\x7f\x80\xc0\xed\xef\xff";
/// Texts that have broken other parsers.
const HARD: &[&str] = &[
    "\\ud800",
    "\\udc00",
    "\\u0000",
    "\u{feff}",
    "\u{202e}",
    "1e999999999",
    "-0",
    "0.0000000000000000001",
    "18446744073709551616",
    "9223372036854775808",
    "4294967296",
    "../../../",
    "%00",
    "%ff",
    "\u{fffe}",
    "0000-00-00",
    "9999-12-31T23:59:60Z",
    "24:00",
    "é",
    "\u{1f600}",
];

fn change(input: &mut Vec<u8>, kept: &[Vec<u8>], words: &[&str], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let length = chance.below((input.len() - at).min(64) + 1);
    match chance.below(9) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = TELLING[chance.below(TELLING.len())],
        2 => drop(input.drain(at..at + length)),
        3 => {
            // The same again and again: depth and repetition.
            let piece = input[at..at + length].to_vec();
            let times = (1 << chance.below(12)).min(INPUT_BYTES_MAX / piece.len().max(1));
            let _: Vec<u8> = input.splice(at..at, piece.repeat(times)).collect();
        }
        4 => input.truncate(at),
        5 => {
            let other = &kept[chance.below(kept.len())];
            let from = chance.below(other.len() + 1);
            let _: Vec<u8> = input.splice(at.., other[from..].iter().copied()).collect();
        }
        6 | 7 if !words.is_empty() => {
            let word = words[chance.below(words.len())];
            let _: Vec<u8> = input.splice(at..at + length, word.bytes()).collect();
        }
        _ => {
            let word = HARD[chance.below(HARD.len())];
            let _: Vec<u8> = input.splice(at..at, word.bytes()).collect();
        }
    }
}

/// The most memory that this process has held so far, in KiB; 0 where the system does not tell.
fn memory_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Numbers that look random and come again with the same seed, `HANDOVER_TEST_SEED`.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let seed = std::env::var("HANDOVER_TEST_SEED").ok();
        Chance(seed.and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed) | 1)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}
