//! `handover fax`: what a fax server tells the node, and what its faxes come to in a month.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use anyhow::{Context, bail};
use exchange::fax::number::shown;
use exchange::fax::{Said, new_fax};
use fhir::date;
use store::fax::{Count, FaxDone, FaxWrite, Numbered, Report};
use store::{Done, Effect, Job, Store};

use super::account::open;
use crate::config::Config;
use crate::node::open_book;

/// Takes faxes from a fax server and hears from it what became of those that it sent; tells the numbers to which faxes
/// may go, and how many faxes there were in a month.
///
/// HylaFAX calls `take` from its FaxDispatch and `done` from its FaxNotify: see docs/fax.md and packaging/hylafax.
///
/// Examples:
///   handover fax take recvq/fax000000123.tif --queue 000000456 --from 01134960000
///   handover fax done --job 77 --status done --pages 3 --of 3
///   handover fax count --month 2026-11
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Fax {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Keeps a fax that came in, until somebody says whose it is (the page Faxes). Ends well only once the fax is durable.
    /// The same file of the same call again is one fax. A file that cannot be read is kept and shown as such.
    Take {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The TIFF file; `-` for standard input.
        file: PathBuf,
        /// The fax server's own id of the call (HylaFAX: $COMMID).
        #[arg(long)]
        queue: String,
        /// The caller's number, as the line gave it ($CIDNUMBER); empty if it gave none.
        #[arg(long, default_value = "")]
        from: String,
        /// What the other machine calls itself ($SENDER).
        #[arg(long, default_value = "")]
        station: String,
    },
    /// Notes how a job of the fax server ended. Of a job that is not this node's it says so and does nothing.
    Done {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The job ($jobid).
        #[arg(long)]
        job: String,
        /// How it ended ($WHY). `done` means that every page was confirmed; `requeued` and `blocked` are not the end yet.
        #[arg(long)]
        status: String,
        /// Pages that the machine at the other end has confirmed ($npages).
        #[arg(long, default_value_t = 0)]
        pages: u32,
        /// Pages in all ($totpages).
        #[arg(long, default_value_t = 0)]
        of: u32,
    },
    /// Prints the numbers to which faxes may go. They are changed by two people, on the page Fax numbers.
    Numbers {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Prints how many faxes and pages each number brought and took in a month, and which of those organisations have a
    /// node by now, so that their machine can be switched off.
    Count {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// The month, such as 2026-11.
        #[arg(long)]
        month: String,
    },
}

impl Fax {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Take {
                config,
                file,
                queue,
                from,
                station,
            } => {
                let said = Said {
                    queue,
                    caller: from,
                    station,
                };
                take(&config, &file, &said).await
            }
            Command::Done {
                config,
                job,
                status,
                pages,
                of,
            } => done(&config, job, &status, (pages, of)).await,
            Command::Numbers { config } => {
                let (store, _) = open(&config).await?;
                let numbers = store.fax_numbers(&scope()).await;
                store.close().await;
                print!("{}", told_numbers(&numbers?));
                Ok(())
            }
            Command::Count { config, month } => count(&config, &month).await,
        }
    }
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepFaxes)
}

async fn take(config: &Path, file: &Path, said: &Said) -> anyhow::Result<()> {
    let settings = enabled(config)?;
    if said.queue.trim().is_empty() {
        bail!(
            "--queue: is empty; give the fax server's id of the call, which tells two calls apart"
        );
    }
    let bytes_max = settings.fax.file_bytes_max;
    // One byte more tells a file that is too long from one that just fits.
    let mut bytes = Vec::new();
    let opened: Box<dyn std::io::Read> = match file == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => {
            let opened = std::fs::File::open(file);
            Box::new(opened.with_context(|| file.display().to_string())?)
        }
    };
    opened
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| file.display().to_string())?;
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let pages_max = usize::try_from(settings.fax.pages_max).unwrap_or(usize::MAX);
    let fax =
        new_fax(said, bytes, bytes_max, pages_max).with_context(|| file.display().to_string())?;
    let told = match fax.trouble.as_str() {
        "" => format!("{} pages", fax.pages),
        trouble => format!("kept as it is: {trouble}"),
    };
    let write = FaxWrite::Take(Box::new(fax));
    match commit(config, write, "fax take").await? {
        FaxDone::Taken { number, known } => {
            let word = if known { "was here already" } else { "is here" };
            println!("Fax {number} {word}: {told}.");
            Ok(())
        }
        other => bail!("the store answered {other:?}"),
    }
}

async fn done(
    config: &Path,
    job: String,
    status: &str,
    (pages_sent, pages): (u32, u32),
) -> anyhow::Result<()> {
    enabled(config)?;
    let plain = |it: &str| {
        (1..=40).contains(&it.len())
            && it
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
    };
    if !plain(&job) || !plain(status) {
        bail!("--job and --status: must be words of letters, digits, - and _");
    }
    if matches!(status, "requeued" | "blocked") {
        println!("Job {job}: {status}, which is not its end. Nothing was noted.");
        return Ok(());
    }
    if pages_sent > pages {
        bail!("--pages: {pages_sent} is more than --of {pages}");
    }
    let report = Report {
        job: job.clone(),
        // A server that says "done" of a fax with pages missing is not believed.
        done: status == "done" && pages_sent == pages && pages > 0,
        status: status.to_owned(),
        pages_sent,
        pages,
    };
    let about = format!("fax done job={job}");
    match commit(config, FaxWrite::Reported(report), &about).await? {
        FaxDone::Reported(true) => println!("Job {job}: noted."),
        FaxDone::Reported(false) => {
            println!("Job {job} is none of this node's. Nothing was noted.")
        }
        other => bail!("the store answered {other:?}"),
    }
    Ok(())
}

fn enabled(config: &Path) -> anyhow::Result<Config> {
    let settings = Config::read(config)?;
    if !settings.fax.enabled {
        bail!("fax.enabled: is false; set it to true to use the fax bridge (docs/fax.md)");
    }
    Ok(settings)
}

/// Makes a change, with its line in the log, and closes the store whatever comes.
async fn commit(config: &Path, write: FaxWrite, about: &str) -> anyhow::Result<FaxDone> {
    let (store, _) = open(config).await?;
    let committed = commit_to(&store, write, about).await;
    store.close().await;
    committed
}

async fn commit_to(store: &Store, write: FaxWrite, about: &str) -> anyhow::Result<FaxDone> {
    let scope = scope();
    let target = Target {
        query: Some(about.to_owned().into()),
        ..Target::default()
    };
    let mut job = Job::effect(Effect::Fax(write));
    job.traces
        .push(scope.trace(Interaction::System, Outcome::Success, target));
    let committed = store.commit(&scope, job).await?;
    match committed.done.into_iter().next() {
        Some(Done::Fax(done)) => Ok(done),
        other => bail!("the store answered {other:?}"),
    }
}

async fn count(config: &Path, month: &str) -> anyhow::Result<()> {
    let (from, to) = match (month.len(), date::span(month)) {
        (7, Some(span)) => (span.low, span.high),
        _ => bail!("--month: {month:?} is no month, such as 2026-11"),
    };
    let settings = Config::read(config)?;
    let (store, _) = open(config).await?;
    let scope = scope();
    let counts = store.fax_counts(&scope, from, to).await;
    let numbers = store.fax_numbers(&scope).await;
    // Without a directory nobody is known to have a node; the count holds all the same.
    let book = open_book(&settings, &store).ok();
    store.close().await;
    let has_node = |ods: &str| {
        let ods = access::Ods::parse(ods).ok();
        ods.is_some_and(|ods| book.as_ref().is_some_and(|it| it.listed(&ods).is_some()))
    };
    print!("{}", told_counts(month, &counts?, &numbers?, &has_node));
    Ok(())
}

fn told_counts(
    month: &str,
    counts: &[Count],
    numbers: &[Numbered],
    has_node: &dyn Fn(&str) -> bool,
) -> String {
    let names: BTreeMap<&str, &str> = numbers
        .iter()
        .map(|it| (it.ods.as_str(), it.name.as_str()))
        .collect();
    let mut text = format!("Faxes in {month} (UTC)\n");
    if counts.is_empty() {
        text.push_str("None, in or out.\n");
    }
    for it in counts {
        let number = match it.number.as_str() {
            "" => "no number".to_owned(),
            number => shown(number),
        };
        let name = match it.ods.as_str() {
            "" => "not on the list of numbers".to_owned(),
            ods => format!("{} ({ods})", names.get(ods).unwrap_or(&ods)),
        };
        let way = if it.inward { "in " } else { "out" };
        let failed = match it.failed {
            0 => String::new(),
            failed => format!(", {failed} of them not whole"),
        };
        let node = match has_node(&it.ods) {
            true => ": has a node by now, so this can end",
            false => "",
        };
        let _ = writeln!(
            text,
            "{way}  {number}, {name}: {} faxes, {} pages{failed}{node}",
            it.faxes, it.pages
        );
    }
    text
}

fn told_numbers(numbers: &[Numbered]) -> String {
    if numbers.is_empty() {
        return "No fax number is on the list: nothing leaves by fax.\n".to_owned();
    }
    let mut text = String::new();
    for it in numbers {
        let state = match it.state.as_str() {
            "proposed" => format!(
                "asked for by {}, to be confirmed by another person",
                it.asked_who
            ),
            "ending" => format!(
                "stopped by {}; another person confirms that it goes",
                it.asked_who
            ),
            _ => format!(
                "in force, asked for by {} and confirmed by {}",
                it.asked_who, it.confirmed_who
            ),
        };
        let _ = writeln!(
            text,
            "{}  {} ({}): {state}",
            shown(&it.number),
            it.name,
            it.ods
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_told_by_number_and_says_whose_machine_can_be_switched_off() {
        let count = |inward, number: &str, ods: &str, failed| Count {
            inward,
            number: number.into(),
            ods: ods.into(),
            faxes: 4,
            pages: 9,
            failed,
        };
        let counts = [
            count(true, "+441134960000", "RZZ01", 0),
            count(true, "", "", 0),
            count(false, "+441134960001", "RZZ02", 1),
        ];
        let numbers = [Numbered {
            number: "+441134960000".into(),
            ods: "RZZ01".into(),
            name: "Northfield".into(),
            state: "in-force".into(),
            asked_by: 1,
            asked_who: "Ann".into(),
            asked_at: 0,
            confirmed_who: "Bo".into(),
            confirmed_at: 0,
        }];
        assert_eq!(
            told_counts("2026-11", &counts, &numbers, &|ods| ods == "RZZ01"),
            "Faxes in 2026-11 (UTC)\n\
             in   0113 496 0000, Northfield (RZZ01): 4 faxes, 9 pages: has a node by now, so this can end\n\
             in   no number, not on the list of numbers: 4 faxes, 9 pages\n\
             out  0113 496 0001, RZZ02 (RZZ02): 4 faxes, 9 pages, 1 of them not whole\n"
        );
        assert_eq!(
            told_numbers(&numbers),
            "0113 496 0000  Northfield (RZZ01): in force, asked for by Ann and confirmed by Bo\n"
        );
    }
}
