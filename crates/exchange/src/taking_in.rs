//! Taking in: a parcel that came becomes this organisation's own DocumentReference, Binary and
//! Provenance, in one commit with the parcel's mark that it did.

mod resources;

use access::{Interaction, NhsNumber, Outcome, Scope, SystemPurpose, Target};
use fhir::json::{self, Json, Limits};
use fhir::practice;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Search, fold};
use futures_util::future::join_all;
use serde_json::Value;
use store::parcels::{IN_RESOURCE_BYTES_MAX, Large, Named, ParcelWrite, PartOf, ToTakeIn};
use store::{Change, Effect, Expect, Job, Prepared, Reading, Release};

use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::manifest::ParcelText;
use resources::{Made, Part};

/// Parcels taken in in one go.
const AT_ONCE: u32 = 50;
/// People of one NHS number that are compared: there should be one.
const PEOPLE_MAX: u32 = 20;
const DAY_MILLIS: i64 = 86_400_000;

/// A Patient's id, and the ODS code of the practice that the record names.
pub(crate) type Fitting = (String, Option<String>);

/// What is enclosed in a parcel, as it is to be here.
pub(crate) struct Enclosed {
    pub(crate) changes: Vec<Change>,
    /// Keeps what is too large to stand in a resource.
    pub(crate) keeps: Vec<Effect>,
    /// The DocumentReference and the Binaries.
    pub(crate) document: String,
    pub(crate) binaries: Vec<String>,
}

/// Whose letter it is.
enum Match {
    Patient(String),
    Nobody(&'static str),
}

impl Exchange {
    /// Takes in what waits; gives how many parcels it has settled. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store. One parcel that cannot be taken in does not hold up the others: it goes
    /// onto the list for people.
    pub async fn take_in(&self) -> Result<usize, Problem> {
        let scope = Scope::system(SystemPurpose::TakeInParcels);
        let parcels = self.store.to_take_in(&scope, AT_ONCE).await?;
        // Side by side, so that they share their commits.
        let work = parcels.iter().map(|parcel| self.settle(&scope, parcel));
        let settled = join_all(work)
            .await
            .into_iter()
            .collect::<Result<Vec<bool>, _>>()?;
        Ok(settled.into_iter().filter(|settled| *settled).count())
    }

    /// Takes in one parcel, or puts it before a person; gives whether it is settled by that.
    async fn settle(&self, scope: &Scope, parcel: &ToTakeIn) -> Result<bool, Problem> {
        match self.take_in_one(scope, parcel).await {
            Ok(()) => Ok(true),
            // Someone else took it in, returned it, or took it back meanwhile.
            Err(problem) if problem.kind == Kind::Conflict => {
                tracing::info!(?problem, pid = parcel.pid, "a parcel was settled meanwhile");
                Ok(false)
            }
            Err(problem) if passes(&problem) => Err(problem),
            Err(problem) => {
                tracing::error!(?problem, pid = parcel.pid, "a parcel cannot be taken in");
                let reason = "It could not be taken in by itself: see the node's log.";
                self.set_aside(scope, parcel.pid, reason).await?;
                Ok(true)
            }
        }
    }

    async fn set_aside(&self, scope: &Scope, pid: i64, reason: &str) -> Result<(), Problem> {
        let write = ParcelWrite::Unmatched {
            pid,
            reason: reason.to_string(),
        };
        self.store
            .commit(scope, Job::effect(Effect::Parcel(write)))
            .await
            .map(|_| ())
    }

    async fn take_in_one(&self, scope: &Scope, parcel: &ToTakeIn) -> Result<(), Problem> {
        let text = ParcelText::parse(&parcel.text)?;
        if let Some(mail) = &text.mesh {
            return self.put_into_mailbox(scope, parcel, mail).await;
        }
        if let Some(booking) = &text.booking {
            let scope = Scope::system(SystemPurpose::KeepAppointments);
            let said = (&text.patient, booking.as_ref());
            return Box::pin(self.take_booking(&scope, parcel, said)).await;
        }
        if let Some(said) = &text.question {
            let own = Scope::system(SystemPurpose::KeepQuestions);
            return Box::pin(self.take_question(&own, parcel, said)).await;
        }
        if let Some(referral) = &text.referral {
            let own = Scope::system(SystemPurpose::KeepReferrals);
            let said = (&text, referral.as_ref());
            let taken = Box::pin(self.take_referral(&own, parcel, said)).await?;
            return match taken {
                None => Ok(()),
                Some(why) => self.set_aside(scope, parcel.pid, why).await,
            };
        }
        if let Some(step) = &text.handover {
            let own = Scope::system(SystemPurpose::KeepHandovers);
            return Box::pin(self.take_handover(&own, parcel, step)).await;
        }
        if let Some(moving) = &text.moving {
            return Box::pin(self.take_move(parcel, (&text, moving.as_ref()))).await;
        }
        let patient = match self.whose(scope, parcel).await? {
            Ok(patient) => patient,
            Err(reason) => return self.set_aside(scope, parcel.pid, reason).await,
        };
        if let Some(status) = &text.prescription {
            let taken = self.take_status(scope, parcel, status, &patient).await?;
            return match taken {
                None => Ok(()),
                Some(why) => self.set_aside(scope, parcel.pid, why).await,
            };
        }
        if self.gave_back(scope, parcel, &patient).await? {
            return Ok(());
        }
        let made = self.made_of_parts(scope, parcel, (&text, &patient)).await?;
        let release = if text.marks.is_empty() {
            let days = i64::from(self.settings.release_after_days);
            Release::At(parcel.received_at.saturating_add(days * DAY_MILLIS))
        } else {
            Release::Never
        };
        let job = self.job(scope, parcel, &patient, &made, release)?;
        self.store.commit(scope, job).await.map(|_| ())
    }

    /// Whose a parcel is: as a person said, else the one here who fits; or why nobody is.
    pub(crate) async fn whose(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
    ) -> Result<Result<String, &'static str>, Problem> {
        let found = match &parcel.patient {
            // A person has said whose it is.
            Some(patient) => self.chosen(scope, patient).await?,
            None => self.find(scope, &parcel.named).await?,
        };
        Ok(match found {
            Match::Patient(patient) => Ok(patient),
            Match::Nobody(reason) => Err(reason),
        })
    }

    async fn made_of_parts(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (text, patient): (&ParcelText, &str),
    ) -> Result<Made, Problem> {
        let mut contents = Vec::new();
        for part in &parcel.parts {
            if part.size > IN_RESOURCE_BYTES_MAX {
                let large = Large {
                    sender: parcel.sender.clone(),
                    sha256: part.sha256.clone(),
                    size: part.size,
                };
                self.check_large(scope, &large).await?;
                contents.push(Part::Large(large));
                continue;
            }
            contents.push(Part::Whole(self.content_of(scope, parcel, part).await?));
        }
        let here = self.organisation();
        Ok(resources::make(parcel, text, patient, contents, here))
    }

    /// What is enclosed in a parcel, as resources here: their changes, what keeps their large contents, and the ids of the
    /// DocumentReference and the Binaries.
    pub(crate) async fn resources_of(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        about: (&ParcelText, &str),
        release: Release,
    ) -> Result<Enclosed, Problem> {
        let made = self.made_of_parts(scope, parcel, about).await?;
        let changes = made.all().iter().map(|it| self.put(it, release));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        Ok(Enclosed {
            changes,
            keeps: made.keeps(),
            document: made.document_id,
            binaries: made.binary_ids,
        })
    }

    /// The bytes of a part of a parcel that came, checked.
    pub(crate) async fn content_of(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        part: &PartOf,
    ) -> Result<Vec<u8>, Problem> {
        let digest = &part.sha256;
        let reading = self
            .store
            .content_bytes(scope, &parcel.sender, digest, 0, true);
        let bytes = reading.await?;
        match sha256_hex(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(Problem::new(
                Kind::Exception,
                "A content here does not have its digest.",
            )),
        }
    }

    async fn chosen(&self, scope: &Scope, patient: &str) -> Result<Match, Problem> {
        Ok(match self.store.read(scope, "Patient", patient).await? {
            Reading::Found(_) => Match::Patient(patient.to_string()),
            _ => Match::Nobody("The patient who was chosen is not on record here."),
        })
    }

    fn job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        patient: &str,
        made: &Made,
        release: Release,
    ) -> Result<Job, Problem> {
        let mut job = Job::default();
        for resource in made.all() {
            job.changes.push(self.put(resource, release)?);
        }
        job.effects.extend(made.keeps());
        job.effects.push(Effect::Parcel(ParcelWrite::TakenIn {
            pid: parcel.pid,
            patient: patient.to_string(),
            document: made.document_id.clone(),
            binaries: made.binary_ids.clone(),
        }));
        let target = Target {
            ty: "DocumentReference".into(),
            id: Some(made.document_id.clone()),
            version: None,
            patient: Some(patient.to_string()),
            query: Some(format!("parcel={}/{}", parcel.sender, parcel.id).into()),
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        Ok(job)
    }

    fn put(&self, resource: &Value, release: Release) -> Result<Change, Problem> {
        let text = resource.to_string();
        let limits = Limits {
            bytes: 32 << 20,
            ..Limits::default()
        };
        let json = json::parse(text.as_bytes(), &limits)?;
        let id = resource
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let resource = Prepared::new(&json, id, self.organisation())?;
        Ok(Change::Put {
            resource,
            expect: Expect::Anything,
            release,
        })
    }

    /// Those here with that NHS number, date of birth and family name, each with the practice that
    /// their record names; and whether anybody here has the number.
    pub(crate) async fn fitting(
        &self,
        scope: &Scope,
        named: &Named,
    ) -> Result<(bool, Vec<Fitting>), Problem> {
        let (Some(number), Some(birth_date)) = (&named.nhs_number, &named.birth_date) else {
            return Ok((false, Vec::new()));
        };
        let mut search = Search::all("Patient", PEOPLE_MAX);
        let by_number = Clause::identifier(NhsNumber::SYSTEM, number);
        search.clauses.push(by_number);
        let page = self.store.search(scope, &search).await?;
        let mut found = Vec::new();
        for person in &page.entries {
            let json = json::parse(&person.body, &Limits::default())?;
            if is_same(&json, birth_date, &named.family) {
                let practice = self.practice_of(&person.id, &json).await?;
                found.push((person.id.clone(), practice));
            }
        }
        Ok((!page.entries.is_empty(), found))
    }

    /// The practice that a Patient names. One that is only referred to, and that of a restricted patient, whose resource says
    /// it no more, is as the store knows it.
    pub(crate) async fn practice_of(
        &self,
        id: &str,
        patient: &Json<'_>,
    ) -> Result<Option<String>, Problem> {
        match practice::Named::of(patient).code {
            Some(code) => Ok(Some(code)),
            None => self.store.home_of(id).await,
        }
    }

    /// The one patient here with that NHS number **and** date of birth **and** family name. A number
    /// alone never decides.
    async fn find(&self, scope: &Scope, named: &Named) -> Result<Match, Problem> {
        if named.nhs_number.is_none() || named.birth_date.is_none() {
            return Ok(Match::Nobody(
                "The letter has no NHS number or no date of birth.",
            ));
        }
        let (known, mut found) = self.fitting(scope, named).await?;
        Ok(match (found.len(), found.pop()) {
            (1, Some((patient, _))) => Match::Patient(patient),
            (0, _) if known => Match::Nobody(
                "The NHS number is known here, with another date of birth or family name.",
            ),
            (0, _) => Match::Nobody("Nobody here has this NHS number."),
            _ => Match::Nobody("More than one record here fits this person."),
        })
    }
}

/// Whether date of birth and one of the family names agree.
fn is_same(patient: &Json<'_>, birth_date: &str, family: &str) -> bool {
    let family = fold(family);
    let names = patient
        .items("name")
        .iter()
        .filter_map(|name| name.text("family"));
    let same_name = !family.is_empty() && names.map(fold).any(|known| known == family);
    same_name && patient.text("birthDate") == Some(birth_date)
}

/// Whether the trouble is the store's and may pass, so that the parcel is simply tried again.
pub(crate) fn passes(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Transient | Kind::Throttled | Kind::NoStore | Kind::Timeout
    )
}
