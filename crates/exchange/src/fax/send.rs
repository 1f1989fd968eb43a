//! The worker that hands letters to the fax server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use access::{Interaction, Ods, Outcome, Target};
use fhir::date;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Job;
use store::fax::{FaxWrite, ToSend};
use store::hl7_inbox::WorkNote;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::watch;

use super::paper::{self, Cover, Sheet};
use super::{Faxes, SLEEP};
use crate::keys::sha256_hex;
use crate::mllp::stopped;

/// Letters that are read at once.
const READ_MAX: u32 = 16;
/// How long the fax server's program may take to take a fax over.
const SENDFAX_TIME: Duration = Duration::from_secs(120);
/// Where processes share the store, a fax that is being handed over for longer than this is nobody's.
const HANDING_MILLIS_MAX: Millis = 5 * 60_000;
/// What is read of the program's words.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;
const HOUR_MILLIS: Millis = 3_600_000;
const DAY_MILLIS: Millis = 24 * HOUR_MILLIS;
const TIDY: Duration = Duration::from_secs(3600);

/// What became of handing a fax over.
#[derive(Debug, PartialEq, Eq)]
enum Handed {
    /// The fax server has it under this number.
    Job(String),
    /// It said that it has not.
    Refused(String),
    /// Nobody can know.
    Unclear(String),
}

impl Faxes {
    /// Works until `stop` says true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tidied: Option<tokio::time::Instant> = None;
        let mut is_first = true;
        while !*stop.borrow() {
            if let Err(problem) = self.round(is_first, &stop).await {
                tracing::error!(%problem, "letters could not be handed to the fax server");
            } else {
                is_first = false;
            }
            if tidied.is_none_or(|at| at.elapsed() > TIDY) {
                tidied = Some(tokio::time::Instant::now());
                let before = self.store.now() - i64::from(self.settings.keep_days) * DAY_MILLIS;
                if let Err(problem) = self.write(FaxWrite::Tidy { before }, None).await {
                    tracing::error!(%problem, "old faxes could not be forgotten");
                }
            }
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = tokio::time::sleep(SLEEP) => {}
            }
        }
    }

    /// One round: what was cut off, what is due, what was not heard of.
    pub(super) async fn round(
        &self,
        is_first: bool,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Problem> {
        self.refresh().await?;
        self.cut_off(is_first).await?;
        if self.settings.sendfax.is_some() {
            for fax in self.store.faxes_to_send(&self.scope, READ_MAX).await? {
                if *stop.borrow() {
                    break;
                }
                self.send(&fax).await?;
            }
        }
        self.unheard().await
    }

    /// What a process that ended was handing over goes before a person: sent again, it might come twice, and
    /// dropped, never.
    async fn cut_off(&self, is_first: bool) -> Result<(), Problem> {
        let age = match is_first && !self.store.is_shared() {
            true => 0,
            false => HANDING_MILLIS_MAX,
        };
        let before = self.store.now() - age;
        let handing = self
            .store
            .faxes_under_way(&self.scope, false, before)
            .await?;
        for it in handing.iter().filter(|it| it.holder != self.holder) {
            tracing::warn!(fax = it.number, "handing over a fax was cut off");
            let note = unclear(&it.tag, "The node was stopped while it handed the fax over");
            let number = it.number;
            self.passed(FaxWrite::Unsure { number, note }, None).await?;
        }
        Ok(())
    }

    /// What the fax server has had for long without a word goes before a person.
    async fn unheard(&self) -> Result<(), Problem> {
        let hours = self.settings.unheard_hours;
        let before = self.store.now() - i64::from(hours) * HOUR_MILLIS;
        for it in self
            .store
            .faxes_under_way(&self.scope, true, before)
            .await?
        {
            let note = WorkNote {
                reason: format!(
                    "The fax server has had the fax for more than {hours} hours as its job {} and has not said what \
                     became of it.",
                    it.job
                ),
                next_step: "Whoever runs the fax server: look there for the job. If it was sent, say so here; if not, \
                            send it again. See too whether FaxNotify calls `handover fax done` (docs/fax.md)."
                    .to_owned(),
            };
            let number = it.number;
            self.passed(FaxWrite::Unheard { number, note }, None)
                .await?;
        }
        Ok(())
    }

    /// Hands one letter over.
    async fn send(&self, fax: &ToSend) -> Result<(), Problem> {
        let number = fax.number;
        let Some((dialled, name)) = &fax.dial else {
            return self.fail(number, no_number(&fax.ods)).await;
        };
        let tag = format!("handover-{number}-{}", fax.tries.saturating_add(1));
        let sheets = match self.sheets(fax, dialled, name, &tag).await {
            Ok(sheets) => sheets,
            Err(problem) if passes(&problem) => return Err(problem),
            Err(problem) => {
                let note = WorkNote {
                    reason: format!("The letter cannot be faxed: {}", problem.message),
                    next_step: "Print it, and send it by post or by hand; then settle it here."
                        .to_owned(),
                };
                return self.fail(number, note).await;
            }
        };
        let folder = self.settings.spool.join(&tag);
        let files = match write_sheets(&folder, &sheets).await {
            Ok(files) => files,
            Err(error) => {
                let message = format!("fax.spool: {}: {error}", folder.display());
                return Err(
                    Problem::new(Kind::Transient, "A fax could not be laid ready.")
                        .because(message),
                );
            }
        };
        // Durable before anything leaves: that it is about to, and the trace of it.
        let handing = FaxWrite::Handing {
            number,
            dialled: dialled.clone(),
            holder: self.holder.clone(),
            tag: tag.clone(),
        };
        let handed = match self.write(handing, Some((fax, dialled))).await {
            Ok(()) => self.hand_over(dialled, &tag, &files).await,
            Err(problem) => {
                remove(&folder).await;
                return match problem.kind {
                    // Taken back, or another process of this node has it.
                    Kind::Conflict => Ok(()),
                    Kind::Forbidden => self.fail(number, no_number(&fax.ods)).await,
                    _ => Err(problem),
                };
            }
        };
        remove(&folder).await;
        self.note(fax, &tag, handed).await
    }

    /// The cover sheet and the letter's parts.
    async fn sheets(
        &self,
        fax: &ToSend,
        dialled: &str,
        name: &str,
        tag: &str,
    ) -> Result<Vec<Sheet>, Problem> {
        let me = self.store.organisation();
        let mut sheets = Vec::new();
        for part in &fax.parts {
            let reading = self
                .store
                .content_bytes(&self.scope, me, &part.sha256, 0, true);
            let bytes = reading.await?;
            if sha256_hex(&bytes) != part.sha256 {
                let message = "a part of it is not here as it was accepted.";
                return Err(Problem::new(Kind::Exception, message));
            }
            sheets.push(paper::sheet(&part.content_type, &bytes)?);
        }
        let counted: Option<usize> = sheets.iter().map(|it| it.pages).sum();
        let when = date::instant(self.store.now());
        let when = when.get(..16).unwrap_or(&when).replace('T', " ");
        let cover = Cover {
            to: if name.is_empty() { &fax.ods } else { name },
            to_ods: &fax.ods,
            dialled,
            from: &self.settings.name,
            from_ods: me,
            contact: &self.settings.contact,
            when: &format!("{when} UTC"),
            urgent: fax.urgent,
            pages: counted.map(|pages| pages + 1),
            tag,
        };
        sheets.insert(0, cover.sheet()?);
        Ok(sheets)
    }

    /// Runs the fax server's program.
    async fn hand_over(&self, dialled: &str, tag: &str, files: &[PathBuf]) -> Handed {
        let Some(program) = &self.settings.sendfax else {
            return Handed::Refused("fax.sendfax is not set.".to_owned());
        };
        // No cover of its own; told when it is done; and a tag by which people find it there.
        let started = Command::new(program)
            .args(["-n", "-D", "-i", tag, "-d", dialled])
            .args(files)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                return Handed::Refused(format!("{} cannot be run: {error}.", program.display()));
            }
        };
        let mut words = Vec::new();
        let reading = async {
            if let Some(output) = child.stdout.as_mut() {
                output
                    .take(OUTPUT_BYTES_MAX)
                    .read_to_end(&mut words)
                    .await?;
            }
            child.wait().await
        };
        match tokio::time::timeout(SENDFAX_TIME, reading).await {
            Ok(Ok(status)) => understood(status.code(), &String::from_utf8_lossy(&words)),
            Ok(Err(error)) => {
                Handed::Unclear(format!("Its program could not be followed: {error}"))
            }
            Err(_) => Handed::Unclear("Its program did not end in two minutes".to_owned()),
        }
    }

    /// Writes down what became of it.
    async fn note(&self, fax: &ToSend, tag: &str, handed: Handed) -> Result<(), Problem> {
        let number = fax.number;
        let write = match handed {
            Handed::Job(job) => FaxWrite::Handed { number, job },
            Handed::Unclear(why) => {
                tracing::warn!(
                    fax = number,
                    why,
                    "whether a fax was handed over is not clear"
                );
                let note = unclear(tag, &why);
                FaxWrite::Unsure { number, note }
            }
            Handed::Refused(error) => {
                let tries = fax.tries.saturating_add(1);
                tracing::warn!(
                    fax = number,
                    tries,
                    error,
                    "the fax server did not take a fax"
                );
                let note = (tries >= self.settings.tries_max).then(|| WorkNote {
                    reason: format!("The fax server has not taken the fax, {tries} times: {error}"),
                    next_step: "Whoever runs the fax server: see whether it runs, and whether the node may use it. Then \
                                send it again."
                        .to_owned(),
                });
                let next_try = self.backoff.next_try(self.store.now(), tries);
                FaxWrite::NotTaken {
                    number,
                    next_try,
                    error,
                    note,
                }
            }
        };
        self.passed(write, None).await
    }

    async fn fail(&self, number: i64, note: WorkNote) -> Result<(), Problem> {
        self.passed(FaxWrite::Failed { number, note }, None).await
    }

    /// A change that somebody else may have made meanwhile.
    async fn passed(&self, write: FaxWrite, about: Option<(&ToSend, &str)>) -> Result<(), Problem> {
        match self.write(write, about).await {
            Err(problem) if problem.kind == Kind::Conflict => Ok(()),
            other => other,
        }
    }

    async fn write(&self, write: FaxWrite, about: Option<(&ToSend, &str)>) -> Result<(), Problem> {
        let mut job = Job::effect(store::Effect::Fax(write));
        if let Some((fax, dialled)) = about {
            let target = Target {
                ty: "DocumentReference".into(),
                id: fax.document.clone(),
                version: None,
                patient: fax.patient.clone(),
                query: Some(format!("faxed-to={dialled} ({})", fax.ods).into()),
            };
            let scope = &self.scope;
            job.traces
                .push(scope.trace(Interaction::System, Outcome::Success, target));
        }
        self.store.commit(&self.scope, job).await.map(|_| ())
    }

    /// Looks up to whom faxes may go.
    pub async fn refresh(&self) -> Result<(), Problem> {
        let numbers = self.store.fax_numbers(&self.scope).await?;
        let in_force = numbers.iter().filter(|it| it.state == "in-force");
        let allowed = in_force.filter_map(|it| Ods::parse(&it.ods).ok());
        let goes_out = self.settings.sendfax.is_some();
        self.allowed.set(allowed.filter(|_| goes_out).collect());
        Ok(())
    }
}

/// What the program's words say. They are not repeated: they may name the files.
fn understood(code: Option<i32>, words: &str) -> Handed {
    let job = words.split("request id is ").nth(1).map(|rest| {
        let digits = rest.chars().take_while(char::is_ascii_digit);
        digits.take(18).collect::<String>()
    });
    match (code, job.filter(|job| !job.is_empty())) {
        (Some(0), Some(job)) => Handed::Job(job),
        (Some(code), None) if code != 0 => {
            Handed::Refused(format!("its program ended with the code {code}."))
        }
        (Some(0), None) => Handed::Unclear("Its program named no job".to_owned()),
        (Some(_), Some(_)) => Handed::Unclear("Its program named a job and then failed".to_owned()),
        (Some(_), None) | (None, _) => Handed::Unclear("Its program was killed".to_owned()),
    }
}

fn unclear(tag: &str, why: &str) -> WorkNote {
    WorkNote {
        reason: format!("{why}, so the fax server may or may not have it."),
        next_step: format!(
            "Whoever runs the fax server: look there for a job with the tag {tag} (`faxstat -s -d`). If it is there, say \
             that it was sent; if it is not, send it again."
        ),
    }
}

fn no_number(ods: &str) -> WorkNote {
    WorkNote {
        reason: format!("No fax number is in force for {ods}."),
        next_step: "Two people put the number onto the list of fax numbers. Then send it again; or send the letter \
                    another way and settle it."
            .to_owned(),
    }
}

fn passes(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Transient | Kind::Throttled | Kind::NoStore | Kind::Timeout
    )
}

/// Lays the files ready in a folder that only the node's user may enter.
async fn write_sheets(folder: &Path, sheets: &[Sheet]) -> std::io::Result<Vec<PathBuf>> {
    use std::os::unix::fs::PermissionsExt as _;
    tokio::fs::create_dir_all(folder).await?;
    let private = std::fs::Permissions::from_mode(0o700);
    tokio::fs::set_permissions(folder, private).await?;
    let mut files = Vec::new();
    for (number, sheet) in sheets.iter().enumerate() {
        let path = folder.join(format!("{number:02}.{}", sheet.extension));
        tokio::fs::write(&path, &sheet.bytes).await?;
        files.push(path);
    }
    Ok(files)
}

async fn remove(folder: &Path) {
    if let Err(error) = tokio::fs::remove_dir_all(folder).await {
        tracing::warn!(%error, "the files of a fax could not be removed from fax.spool");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_of_a_program_that_ended_well_counts_as_handed_over() {
        let words = "request id is 123 (group id 123) for host localhost (2 files)\n";
        assert_eq!(understood(Some(0), words), Handed::Job("123".into()));
        for (code, words) in [
            (Some(0), "thanks"),
            (Some(1), words),
            (None, ""),
            (None, words),
        ] {
            assert!(
                matches!(understood(code, words), Handed::Unclear(_)),
                "{code:?} {words}"
            );
        }
        assert!(matches!(understood(Some(1), "no host"), Handed::Refused(_)));
    }
}
