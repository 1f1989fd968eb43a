//! `handover audit verify` and `handover audit accept`.

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::{Context, bail};
use exchange::Exchange;
use exchange::note::{NOTE_BYTES_MAX, Statement, signatures, signer};
use fhir::date;
use store::{AuditWrite, Check, Finding, Store, Witnessed};

use crate::config::Config;
use crate::node::{open_exchange, open_store};

/// Reads the whole log and the records, and compares them with everything that was signed.
///
/// What this node signed, what neighbours signed under it, and what the neighbours still hold, as far as they can be reached,
/// must all fit the lines as they are now. The first line that was altered, removed or added is named, and so are versions of
/// records that are not as the log tells. Ends with a failure if anything is wrong. It may run beside the node.
#[derive(clap::Args)]
pub struct Verify {
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// A checkpoint that somebody kept (a signed note), as often as there are files.
    #[arg(long = "checkpoint")]
    checkpoints: Vec<PathBuf>,
    /// Does not ask the neighbours: only what is kept here and in files is compared.
    #[arg(long)]
    offline: bool,
}

/// What was signed, and what was wrong already with that.
#[derive(Default)]
pub struct Signed {
    pub heads: Vec<Witnessed>,
    pub wrong: Vec<String>,
    pub told: Vec<String>,
}

impl Verify {
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let store = open_store(&config).await?;
        let outcome = self.verify(&config, &store).await;
        store.close().await;
        if outcome? {
            println!("The log is as it was written.");
            return Ok(());
        }
        bail!("the log or the records are not as they were written: see above");
    }

    async fn verify(&self, config: &Config, store: &Store) -> anyhow::Result<bool> {
        let exchange = open_exchange(config, store)?;
        let mut signed = Signed::default();
        signed.kept(&exchange, store).await?;
        for path in &self.checkpoints {
            signed.file(&exchange, path)?;
        }
        if !self.offline {
            signed.asked(&exchange).await;
        }
        let check = store.check_audit(signed.heads.clone()).await?;
        report(&check, &signed);
        Ok(check.findings.is_empty() && signed.wrong.is_empty())
    }
}

impl Signed {
    /// What is kept here: the node's own checkpoints, and the neighbours' signatures under them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept(&mut self, exchange: &Exchange, store: &Store) -> anyhow::Result<()> {
        let own = exchange.organisation().clone();
        let cosignatures = store.cosignatures().await?;
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        for checkpoint in store.checkpoints().await? {
            let opened = Statement::open(&checkpoint.note, |ods| exchange.audit_keys(ods));
            let statement = match opened {
                Ok(it) if it.origin == own && it.size == checkpoint.size => it,
                _ => {
                    let size = checkpoint.size;
                    self.wrong.push(format!(
                        "The checkpoint kept for {size} lines is not one that this node signed."
                    ));
                    continue;
                }
            };
            let mut by = vec![own.to_string()];
            for it in cosignatures.iter().filter(|it| it.size == statement.size) {
                let checked = Ods::parse(&it.witness).and_then(|witness| {
                    statement.check_cosignature(&it.line, &witness, &exchange.audit_keys(&witness))
                });
                match checked {
                    Ok(_) => by.push(it.witness.clone()),
                    Err(_) => self.wrong.push(format!(
                        "The signature kept of {} under the checkpoint of {} lines is not its own.",
                        it.witness, it.size
                    )),
                }
            }
            for signer in &by {
                *counts.entry(signer.clone()).or_default() += 1;
            }
            self.add(&statement, by.join(" and "));
        }
        for (signer, count) in counts {
            self.told.push(format!(
                "{signer} signed {count} checkpoints that are kept here."
            ));
        }
        Ok(())
    }

    fn add(&mut self, statement: &Statement, by: String) {
        self.heads.push(Witnessed {
            size: statement.size,
            root: statement.root,
            by,
        });
    }

    /// A note that somebody kept.
    fn file(&mut self, exchange: &Exchange, path: &Path) -> anyhow::Result<()> {
        let name = path.display();
        let length = path.metadata().with_context(|| name.to_string())?.len();
        if length > NOTE_BYTES_MAX as u64 {
            bail!("{name}: this is longer than any checkpoint");
        }
        let note = std::fs::read_to_string(path).with_context(|| name.to_string())?;
        self.note(exchange, &note).with_context(|| name.to_string())
    }

    fn note(&mut self, exchange: &Exchange, note: &str) -> anyhow::Result<()> {
        let statement = Statement::open(note, |ods| exchange.audit_keys(ods))?;
        if statement.origin != *exchange.organisation() {
            bail!("this checkpoint is of {}'s log", statement.origin);
        }
        let witnesses = signatures(note).filter_map(|line| {
            let witness = signer(line)?;
            let keys = exchange.audit_keys(&witness);
            statement.check_cosignature(line, &witness, &keys).ok()?;
            Some(witness.to_string())
        });
        let by: Vec<String> = std::iter::once(statement.origin.to_string())
            .chain(witnesses)
            .collect();
        self.add(&statement, by.join(" and "));
        Ok(())
    }

    /// What the witnesses hold themselves.
    pub async fn asked(&mut self, exchange: &Exchange) {
        for witness in exchange.witnesses() {
            let told = match exchange.ask_witness(&witness).await {
                Ok(note) if note.is_empty() => format!("{witness} has signed nothing yet."),
                Ok(note) => match self.note(exchange, &note) {
                    Ok(()) => format!("{witness} was asked, and what it holds was compared."),
                    Err(reason) => {
                        self.wrong.push(format!(
                            "{witness} shows a checkpoint that does not hold: {reason}"
                        ));
                        continue;
                    }
                },
                Err(reason) => format!("{witness} did not answer: {reason}"),
            };
            self.told.push(told);
        }
    }
}

fn report(check: &Check, signed: &Signed) {
    println!(
        "{} lines of the log and {} versions of records were read.",
        check.lines, check.versions
    );
    if check.fresh > 0 {
        println!(
            "The last {} lines are too new to be signed yet.",
            check.fresh
        );
    }
    signed.told.iter().for_each(|line| println!("{line}"));
    match &check.agreed {
        Some(head) => println!(
            "The first {} lines are those that {} signed.",
            head.size, head.by
        ),
        None => println!("Nothing that was signed could be compared with the log."),
    }
    for wrong in &signed.wrong {
        println!("WRONG: {wrong}");
    }
    for finding in &check.findings {
        println!("WRONG: {}", sentence(finding));
    }
}

/// A finding for people.
pub fn sentence(finding: &Finding) -> String {
    match finding {
        Finding::Altered { seq } => format!("Line {seq} was altered."),
        Finding::Missing { after, count } => {
            format!("After line {after}, {count} lines are missing.")
        }
        Finding::Added { seq } => format!("Line {seq} was added later."),
        Finding::Rewritten { after, upto, by } => format!(
            "Between line {} and line {upto} something was altered, removed or added, and the tree \
             was made anew: it is not what {by} signed.",
            after + 1
        ),
        Finding::Short {
            last,
            lines,
            signed,
            by,
        } => format!(
            "The log ends after {lines} lines, with line {last}, but {by} signed {signed}: what \
             came after was removed, or an old copy was put in its place."
        ),
        Finding::Tree => {
            "The tree's own rows were altered; the lines themselves are as they were signed.".into()
        }
        Finding::Untold { version } => format!("No line of the log tells of {version}."),
        Finding::Gone { version, seq } => {
            format!("{version}, of which line {seq} tells, is gone.")
        }
        Finding::Changed { version, seq } => {
            format!("{version} is not what was stored when line {seq} was written.")
        }
        Finding::PutBack { version } => {
            format!("{version} is there, but its record was put back to an older version.")
        }
    }
}

/// Takes a neighbour's log as it is now, after it was restored from an old copy.
///
/// The neighbour's log was shorter or other than this node had witnessed, and an alarm stands. Once people have found out why,
/// this forgets what was witnessed and settles the alarm: the neighbour's next checkpoint is signed as a first one.
/// With this node's own code, only the alarms about its own log are settled.
#[derive(clap::Args)]
pub struct Accept {
    /// The ODS code of the organisation whose log it is.
    ods: String,
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
}

impl Accept {
    pub async fn run(self) -> anyhow::Result<()> {
        let ods = Ods::parse(&self.ods)?;
        let config = Config::read(&self.config)?;
        let store = open_store(&config).await?;
        let own = *store.organisation() == ods;
        let outcome = accept(&store, &ods, own).await;
        store.close().await;
        println!("{} alarms were settled.", outcome?);
        Ok(())
    }
}

async fn accept(store: &Store, ods: &Ods, own: bool) -> anyhow::Result<usize> {
    let alarms = store.alarms().await?;
    let meant = alarms
        .into_iter()
        .filter(|alarm| match alarm.kind.as_str() {
            "own-log" => own,
            _ => alarm.about == ods.as_str(),
        });
    let mut count = 0;
    for alarm in meant {
        println!("Since {}: {}", date::instant(alarm.first_at), alarm.what);
        let (kind, about) = (alarm.kind, alarm.about);
        store
            .write_audit(AuditWrite::Settle { kind, about })
            .await?;
        count += 1;
    }
    if !own {
        let origin = ods.to_string();
        store.write_audit(AuditWrite::Forget { origin }).await?;
    }
    Ok(count)
}
