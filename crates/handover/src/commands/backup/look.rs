//! `handover backup list` and `handover backup verify`

use anyhow::bail;
use exchange::copies::Survey;
use fhir::date;
use store::copies::CopyHead;

use crate::node::copies::{Found, Source};
use crate::node::open_store;

/// Shows which states can be restored.
#[derive(clap::Args)]
pub struct List {
    #[command(flatten)]
    source: Source,
    /// Looks at so many of the newest chains; a chain is a full copy and what followed it.
    #[arg(long, default_value_t = 3)]
    chains: usize,
}

impl List {
    pub async fn run(self) -> anyhow::Result<()> {
        let survey = self.source.open()?.survey(self.chains).await?;
        show(&survey);
        if survey.chains.is_empty() {
            bail!("there are no copies");
        }
        Ok(())
    }
}

/// Reads every object and says which is missing, altered or swapped. With the secret key each is opened too.
///
/// Ends with a failure if anything is wrong.
#[derive(clap::Args)]
pub struct Verify {
    #[command(flatten)]
    source: Source,
    /// Only so many of the newest chains.
    #[arg(long, default_value_t = usize::MAX)]
    chains: usize,
}

impl Verify {
    pub async fn run(self) -> anyhow::Result<()> {
        let found = self.source.open()?;
        let head = head(&found).await?;
        let survey = found.survey(self.chains).await?;
        let mut wrong = survey.wrong.len();
        if let Some(secret) = &found.secret {
            for chain in &survey.chains {
                let Some(point) = chain.points.last() else {
                    continue;
                };
                let open =
                    async |object: exchange::copies::Opened| object.pieces(secret).map(|_| ());
                let keys = (&found.place, found.signers.as_slice());
                if let Err(problem) = survey.read(keys, point, open).await {
                    wrong += 1;
                    println!(
                        "WRONG: in the chain {} an object does not open: {problem}",
                        chain.name
                    );
                }
            }
        }
        wrong += usize::from(is_cut_short(head.as_ref(), &survey));
        show(&survey);
        println!("{} objects were read.", survey.objects);
        if survey.chains.is_empty() {
            bail!("there are no copies");
        }
        if wrong > 0 {
            bail!("the copies are not as they were made: see above");
        }
        println!("Each is signed, whole, and in its place.");
        Ok(())
    }
}

/// The last object that the node remembers to have added, where its store is here. Asked before the copies
/// are read, since the node goes on adding.
///
/// # Errors
/// If the node's store does not open.
pub async fn head(found: &Found) -> anyhow::Result<Option<CopyHead>> {
    let here = found
        .config
        .as_ref()
        .filter(|config| config.store.postgres.is_some() || config.store.sqlite.exists());
    let Some(config) = here else {
        return Ok(None);
    };
    let store = open_store(config).await?;
    let head = store.copy_head().await;
    store.close().await;
    Ok(head?)
}

/// Whether that object is missing: a chain that was cut short looks whole by itself.
pub fn is_cut_short(head: Option<&CopyHead>, survey: &Survey) -> bool {
    match head {
        Some(head) if !survey.holds(&head.sha256) => {
            println!(
                "WRONG: the node added object {} of the chain {} and it is not there: the copies were \
                 cut short, or another place is meant.",
                head.sequence, head.chain
            );
            true
        }
        _ => false,
    }
}

/// Prints chains, and what is wrong or odd.
pub fn show(survey: &Survey) {
    for chain in &survey.chains {
        let told = match (chain.points.first(), chain.points.last()) {
            (Some(first), Some(last)) => format!(
                "{} states, from {} to {}",
                chain.points.len(),
                date::instant(first.taken_at),
                date::instant(last.taken_at)
            ),
            _ => "nothing that can be restored".into(),
        };
        println!(
            "{}  {} objects, {} KiB, {told}",
            chain.name,
            chain.length(),
            chain.bytes.div_ceil(1024)
        );
    }
    survey.odd.iter().for_each(|line| println!("Note: {line}"));
    survey
        .wrong
        .iter()
        .for_each(|line| println!("WRONG: {line}"));
}
