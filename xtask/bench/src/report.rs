//! The figures: printed as they come, and written down as docs/benchmarks.md.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::machine;

const FILE: &str = "docs/benchmarks.md";

/// What is wanted of a figure.
#[derive(Clone, Copy)]
pub enum Wanted {
    AtLeast(f64),
    Below(f64),
    /// Only told.
    Nothing,
}

struct Line {
    what: String,
    measured: String,
    against: String,
    figure: String,
    wanted: String,
    met: bool,
}

/// The figures so far.
pub struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub fn new() -> Report {
        Report { lines: Vec::new() }
    }

    /// A ratio of what we do in a second to what the machine can do at least.
    pub fn ratio(&mut self, what: &str, unit: &str, (ours, bare): (f64, f64), wanted: Wanted) {
        let ratio = if bare > 0.0 { ours / bare } else { 0.0 };
        let (measured, against) = (
            format!("{} {unit}", rounded(ours)),
            format!("{} {unit}", rounded(bare)),
        );
        self.add(
            what,
            measured,
            against,
            ratio,
            format!("{ratio:.2}"),
            wanted,
        );
    }

    /// A figure that stands by itself.
    pub fn figure(&mut self, what: &str, unit: &str, value: f64, wanted: Wanted) {
        self.add(
            what,
            String::new(),
            String::new(),
            value,
            format!("{} {unit}", rounded(value)),
            wanted,
        );
    }

    fn add(
        &mut self,
        what: &str,
        measured: String,
        against: String,
        value: f64,
        figure: String,
        wanted: Wanted,
    ) {
        let (met, wanted) = match wanted {
            Wanted::AtLeast(least) => (value >= least, format!("at least {least}")),
            Wanted::Below(most) => (value < most, format!("below {most}")),
            Wanted::Nothing => (true, String::new()),
        };
        let line = Line {
            what: what.to_owned(),
            measured,
            against,
            figure,
            wanted,
            met,
        };
        println!("{}", line.printed());
        self.lines.push(line);
    }

    /// Writes docs/benchmarks.md below the current folder; with `kept`, what this run did not measure
    /// stays there as it was measured last.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn write(&self, kept: bool) -> Result<()> {
        let path = Path::new(FILE);
        let before = match kept {
            true => std::fs::read_to_string(path).with_context(|| FILE)?,
            false => String::new(),
        };
        let today = machine::today();
        let mut text = String::from(
            "# Benchmarks\n\nWritten by `cargo xtask bench`; a run of some figures replaces theirs, and each row says when it was \
             measured. Both sides of a ratio were measured in turns in the same run, \
             on the same machine, over loopback, and the middle of the turns is given; trust the ratios, not the absolutes.\n\n",
        );
        writeln!(
            text,
            "Machine of the last run: {}. Rows of other days may be of another machine.\n",
            machine::describe()
        )?;
        text.push_str(
            "| what | Handover | bare | figure | wanted | met | when |\n|---|---:|---:|---:|---|---|---|\n",
        );
        let is_new = |row: &str| {
            let what = row.split('|').nth(1).unwrap_or_default().trim();
            self.lines.iter().any(|line| line.what == what)
        };
        for row in rows(&before).filter(|row| !is_new(row)) {
            writeln!(text, "{row}")?;
        }
        for line in &self.lines {
            let met = if line.wanted.is_empty() {
                ""
            } else if line.met {
                "yes"
            } else {
                "**no**"
            };
            let Line {
                what,
                measured,
                against,
                figure,
                wanted,
                ..
            } = line;
            writeln!(
                text,
                "| {what} | {measured} | {against} | {figure} | {wanted} | {met} | {today} |"
            )?;
        }
        text.push('\n');
        text.push_str(include_str!("explained.md"));
        std::fs::write(path, text).with_context(|| FILE)
    }
}

/// The rows of the table that a file has: those that say when they were measured.
fn rows(file: &str) -> impl Iterator<Item = &str> {
    file.lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
}

impl Line {
    fn printed(&self) -> String {
        let mut text = format!("{:<64} {:>12}", self.what, self.figure);
        if !self.against.is_empty() {
            text.push_str(&format!("   ({} against {})", self.measured, self.against));
        }
        if !self.wanted.is_empty() {
            text.push_str(&format!(
                "   wanted {}{}",
                self.wanted,
                if self.met { "" } else { ": NOT MET" }
            ));
        }
        text
    }
}

/// Three figures or so, without digits that mean nothing.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
