//! `handover audit who`: who looked at a person's record, and why.

use std::path::PathBuf;

use access::{AgentKind, AuditEntry, NhsNumber, Scope, SystemPurpose};
use anyhow::bail;
use fhir::date;
use fhir::search::{Clause, Search};
use serde_json::json;
use store::{AuditFilter, Store};

use crate::commands::account::open;

/// Lines that are read at a time.
const PAGE: u32 = 1000;
/// Records that one person may have here.
const RECORDS_MAX: u32 = 50;

/// Answers who looked at a person's record, changed it, searched in it or was refused, when and why; the newest first.
///
/// The question itself becomes a line of the log.
#[derive(clap::Args)]
pub struct WhoLooked {
    /// The person's NHS number.
    nhs_number: String,
    /// The node's settings.
    #[arg(long, default_value = "handover.toml")]
    config: PathBuf,
    /// One JSON object a line, for other programs.
    #[arg(long)]
    json: bool,
}

impl WhoLooked {
    pub async fn run(self) -> anyhow::Result<()> {
        let number = NhsNumber::parse(&self.nhs_number)?;
        let (store, _) = open(&self.config).await?;
        let outcome = self.answer(&store, &number).await;
        store.close().await;
        outcome
    }

    async fn answer(&self, store: &Store, number: &NhsNumber) -> anyhow::Result<()> {
        let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
        let asked = format!(
            "command line of {}",
            user.as_deref().unwrap_or("an unknown user")
        );
        let scope = Scope::system(SystemPurpose::AnswerWho).for_request(&asked);
        let records = records(store, &scope, number).await?;
        if records.is_empty() {
            bail!("there is no record with this NHS number at this node");
        }
        let mut count = 0_u64;
        for patient in records {
            let mut filter = AuditFilter {
                patient: Some(patient),
                before: None,
                count: PAGE,
            };
            loop {
                let page = store.audit_page(&scope, &filter).await?;
                for entry in &page.entries {
                    println!("{}", self.line(entry));
                    count += 1;
                }
                filter.before = page.next;
                if filter.before.is_none() {
                    break;
                }
            }
        }
        if !self.json {
            eprintln!("{count} lines.");
        }
        Ok(())
    }

    fn line(&self, entry: &AuditEntry) -> String {
        let target = &entry.target;
        let what = match &target.id {
            Some(id) => format!("{}/{id}", target.ty),
            None => target.ty.to_string(),
        };
        let agent = &entry.agent;
        if self.json {
            return json!({
                "line": entry.seq,
                "at": date::instant(entry.at),
                "name": agent.name,
                "kind": agent.kind.code(),
                "role": agent.role,
                "organisation": agent.organisation,
                "interaction": entry.interaction,
                "within": entry.within,
                "outcome": entry.outcome.code(),
                "purpose": entry.purpose,
                "what": what,
                "version": target.version,
                "query": target.query.as_deref(),
                "request": &*entry.request_id,
            })
            .to_string();
        }
        let who = match agent.kind {
            AgentKind::Node => "this node by itself".to_string(),
            _ => agent.name.clone(),
        };
        let role = agent.role.as_deref().unwrap_or(agent.kind.code());
        let organisation = agent.organisation.as_deref().unwrap_or("-");
        let request = match agent.kind {
            AgentKind::Node if !entry.request_id.is_empty() => format!("  ({})", entry.request_id),
            _ => String::new(),
        };
        format!(
            "{}  {who}, {role}, {organisation}  {} {what}  why: {}  {}{request}",
            date::instant(entry.at),
            entry.interaction,
            entry.purpose,
            entry.outcome.code(),
        )
    }
}

/// The ids of the Patient resources with that number.
async fn records(store: &Store, scope: &Scope, number: &NhsNumber) -> anyhow::Result<Vec<String>> {
    let mut search = Search::all("Patient", RECORDS_MAX);
    let by_number = Clause::identifier(NhsNumber::SYSTEM, number.digits());
    search.clauses.push(by_number);
    let page = store.search(scope, &search).await?;
    Ok(page.entries.into_iter().map(|it| it.id).collect())
}
