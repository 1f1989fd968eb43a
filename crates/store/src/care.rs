//! Who cares for whom: relationships, workgroups, openings, dissents, and what the privacy officer
//! and the patient are told of them. These rows are the facts that decisions rest on.

mod familiar;
mod lists;
mod relation;
mod team;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use access::{
    Acquaintance, Ages, Ods, OnFamiliar, Opening, OpeningKind, Relationships, Role, Standing, Who,
};
use fhir::date::Millis;
use fhir::problem::Problem;
use parking_lot::Mutex;

use crate::accounts::Account;
use crate::sql::Sql;
use crate::store::Store;

pub use lists::{Notice, PrivacyItem, Withheld};
pub(crate) use relation::{Relation, derive};
pub use team::TeamOpening;
pub use write::{CareDone, CareWrite, FamiliarKind, ItemState, Kind, Link, Told};
pub(crate) use write::{apply, check_reason, list, notify};

/// For how long what was loaded is believed, in milliseconds: another process may change it. What
/// this process changes counts at once.
const REMEMBERED: Millis = 2_000;
/// The most accounts remembered at a time.
const REMEMBERED_MAX: usize = 4_096;
/// Members of teams that are listed at most.
const MEMBERS_MAX: i64 = 10_000;
/// Openings of one account that are looked at.
const OPENINGS_MAX: i64 = 64;

const DISSENT: &str = "SELECT 1 FROM care_dissent WHERE org = $1 LIMIT 1";
const SEALED: &str = "SELECT 1 FROM res WHERE org = $1 AND guard = 1 LIMIT 1";
/// What is sealed until somebody opens the record in an emergency.
pub(crate) const UNTIL_EMERGENCY: &str = "SELECT 1 FROM res WHERE org = $1 AND guard = 3 LIMIT 1";
const LOCKED: &str = "SELECT 1 FROM res WHERE org = $1 AND guard = 2 LIMIT 1";
const TEAMS: &str = "SELECT 1 FROM care_workgroup LIMIT 1";

/// What is known of accounts without asking again.
#[derive(Debug)]
pub(crate) struct Memory {
    relationships: Relationships,
    /// What is done about staff's own records, and about those of family and colleagues.
    on_familiar: (OnFamiliar, OnFamiliar),
    /// Staff's own records, and when and after how many changes they were looked up.
    own_records: Mutex<Option<(familiar::Own, Millis, u64)>>,
    /// Looks that the privacy officer was told of lately: account, patient, when.
    told: Mutex<HashMap<(i64, String), Millis>>,
    /// For how long preferences count as confirmed.
    unconfirmed_after: Millis,
    ages: Ages,
    /// Counts changes of these rows.
    changed: AtomicU64,
    known: Mutex<HashMap<i64, Known>>,
}

#[derive(Debug)]
struct Known {
    standing: Arc<Standing>,
    looked_up: Millis,
    changed: u64,
}

impl Memory {
    pub(crate) fn new(
        relationships: Relationships,
        on_familiar: (OnFamiliar, OnFamiliar),
        unconfirmed_after: Millis,
        ages: Ages,
    ) -> Memory {
        Memory {
            relationships,
            on_familiar,
            own_records: Mutex::default(),
            told: Mutex::default(),
            unconfirmed_after,
            ages,
            changed: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    /// Everything is looked up anew from now on.
    pub(crate) fn forget(&self) {
        self.changed.fetch_add(1, Ordering::AcqRel);
    }

    fn changed(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    fn own_records(&self, now: Millis, remembered: Millis) -> Option<familiar::Own> {
        let kept = self.own_records.lock();
        let (own, at, changed) = kept.as_ref()?;
        let is_fresh =
            (0..remembered).contains(&now.saturating_sub(*at)) && *changed == self.changed();
        is_fresh.then(|| own.clone())
    }

    fn keep_own_records(&self, own: familiar::Own, now: Millis, changed: u64) {
        *self.own_records.lock() = Some((own, now, changed));
    }

    /// Whether a look was told of within that time.
    fn is_told(&self, look: &(i64, String), now: Millis, again_after: Millis) -> bool {
        let told = self.told.lock();
        let before = told.get(look);
        before.is_some_and(|at| now.saturating_sub(*at) < again_after)
    }

    /// Notes looks that are on the list now.
    fn note_told(&self, looks: Vec<(i64, String)>, now: Millis) {
        let mut told = self.told.lock();
        if told.len() + looks.len() > REMEMBERED_MAX {
            told.clear();
        }
        told.extend(looks.into_iter().map(|look| (look, now)));
    }

    fn recall(&self, account: i64, now: Millis) -> Option<Arc<Standing>> {
        let known = self.known.lock();
        let found = known.get(&account)?;
        let is_fresh = (0..REMEMBERED).contains(&now.saturating_sub(found.looked_up))
            && found.changed == self.changed.load(Ordering::Acquire);
        is_fresh.then(|| found.standing.clone())
    }

    fn keep(&self, account: i64, known: Known) {
        let mut all = self.known.lock();
        if all.len() >= REMEMBERED_MAX {
            all.clear();
        }
        all.insert(account, known);
    }
}

impl Store {
    /// The facts that a decision about this caller rests on; nothing for all but staff and patients.
    /// Mostly from memory.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn standing(&self, who: &Who, now: Millis) -> Result<Arc<Standing>, Problem> {
        let (Who::Staff { account, .. } | Who::Patient { account, .. }) = who else {
            return Ok(Arc::default());
        };
        // Who has no account here (another system proved them) is known by nothing that could be remembered.
        if let (Who::Patient { patient, .. }, 0) = (who, *account) {
            return Ok(Arc::new(Standing {
                online: self.online(patient, now).await?,
                ..Standing::default()
            }));
        }
        let memory = self.care_memory();
        if let Some(standing) = memory.recall(*account, now) {
            return Ok(standing);
        }
        // Read before the rows: a change between the two makes what is kept stale at once.
        let changed = memory.changed.load(Ordering::Acquire);
        let standing = Arc::new(match who {
            Who::Staff {
                role, organisation, ..
            } => {
                let acquaintance = self.acquaintance(*account, *role, now).await?;
                let standing = self.staffs_standing(*account, organisation, now).await?;
                Standing {
                    acquaintance,
                    ..standing
                }
            }
            Who::Patient { patient, .. } => Standing {
                online: self.online(patient, now).await?,
                ..Standing::default()
            },
            Who::Peer { .. } | Who::Node => Standing::default(),
        });
        let known = Known {
            standing: standing.clone(),
            looked_up: now,
            changed,
        };
        memory.keep(*account, known);
        Ok(standing)
    }

    /// The facts about somebody of the organisation who is in no team and has opened nothing.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn standing_of_nobody(&self, now: Millis) -> Result<Standing, Problem> {
        // No account has this number.
        self.staffs_standing(0, self.organisation(), now).await
    }

    /// The ages at which children's proxies are looked at again and end.
    pub fn ages(&self) -> Ages {
        self.care_memory().ages
    }

    async fn staffs_standing(
        &self,
        account: i64,
        organisation: &Ods,
        now: Millis,
    ) -> Result<Standing, Problem> {
        Ok(Standing {
            relationships: self.care_memory().relationships,
            workgroups: self.workgroups(account).await?,
            openings: self.openings(account, now).await?,
            has_dissents: self.is_any(DISSENT, organisation.as_str()).await?,
            has_sealed: self.is_any(SEALED, organisation.as_str()).await?
                || self.is_any(UNTIL_EMERGENCY, organisation.as_str()).await?,
            has_teams: !self.rows(&Sql::new(TEAMS)).await?.is_empty()
                || self.is_any(LOCKED, organisation.as_str()).await?,
            unconfirmed_before: self.unconfirmed_before(now).await?,
            ..Standing::default()
        })
    }

    /// Who is in which workgroup, or in one: its name, and the member.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn workgroup_members(
        &self,
        workgroup: Option<&str>,
    ) -> Result<Vec<(String, Account)>, Problem> {
        let mut sql = Sql::new("SELECT workgroup, account FROM care_workgroup WHERE ");
        match workgroup {
            Some(workgroup) => sql.push("workgroup = ").bind(workgroup),
            None => sql.push("1 = 1"),
        };
        sql.push(" ORDER BY workgroup, account LIMIT ")
            .bind(MEMBERS_MAX);
        let mut members = Vec::new();
        for row in &self.rows(&sql).await? {
            if let Some(account) = self.account(row.int(1)?).await? {
                members.push((row.text(0)?.to_string(), account));
            }
        }
        Ok(members)
    }

    /// The time before which a confirmation counts no more, if any home practice's is older.
    pub(crate) async fn unconfirmed_before(&self, now: Millis) -> Result<Option<Millis>, Problem> {
        let before = now.saturating_sub(self.care_memory().unconfirmed_after);
        let sql = Sql::new("SELECT 1 FROM sharing_link WHERE confirmed_at < $1 LIMIT 1");
        let is_any = !self.rows(&sql.with(before)).await?.is_empty();
        Ok(is_any.then_some(before))
    }

    async fn workgroups(&self, account: i64) -> Result<Vec<String>, Problem> {
        let sql = Sql::new(
            "SELECT workgroup FROM care_workgroup WHERE account = $1 ORDER BY workgroup LIMIT 64",
        );
        let rows = self.rows(&sql.with(account)).await?;
        rows.iter()
            .map(|row| Ok(row.text(0)?.to_string()))
            .collect()
    }

    /// Nobody for a system, and for who knows nobody otherwise.
    async fn acquaintance(
        &self,
        account: i64,
        role: Role,
        now: Millis,
    ) -> Result<Option<Arc<Acquaintance>>, Problem> {
        if role == Role::System {
            return Ok(None);
        }
        let (own, others) = self.known_to(account, now).await?;
        if own.is_empty() && others.is_empty() {
            return Ok(None);
        }
        let (on_own, on_others) = self.care_memory().on_familiar;
        Ok(Some(Arc::new(Acquaintance {
            own,
            on_own,
            others,
            on_others,
        })))
    }

    async fn openings(&self, account: i64, now: Millis) -> Result<Vec<Opening>, Problem> {
        let sql = Sql::new(
            "SELECT kind, patient, ends_at FROM care_opening WHERE account = $1 AND ends_at > $2 \
             ORDER BY ends_at DESC LIMIT $3",
        );
        let rows = self
            .rows(&sql.with(account).with(now).with(OPENINGS_MAX))
            .await?;
        let mut openings = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(kind) = OpeningKind::from_code(row.text(0)?) {
                openings.push(Opening {
                    kind,
                    patient: row.text(1)?.to_string(),
                    ends_at: row.int(2)?,
                });
            }
        }
        openings.extend(self.openings_of_teams(account, now).await?);
        Ok(openings)
    }

    pub(crate) async fn is_any(
        &self,
        sql: &'static str,
        organisation: &str,
    ) -> Result<bool, Problem> {
        Ok(!self
            .rows(&Sql::new(sql).with(organisation))
            .await?
            .is_empty())
    }
}
