//! The home practice of each patient: the ODS code that a Patient has beside the reference to its practice, or else the code
//! of the Organization here that it refers to. It is kept in the commit that stores either, so that their order does not
//! matter: to whoever asks for it, the Organization need not be read. Where two processes that share a database store one of
//! them each in the same moment, the home may be what the Organization said before, or none, until the Patient's next change.

use std::collections::HashMap;

use fhir::date::Millis;
use fhir::practice::{self, Named};
use fhir::problem::Problem;

use crate::database::Tx;
use crate::resources::{Prepared, body};
use crate::sql::Sql;
use crate::writer::Core;

/// The current version of a resource, unless it is deleted.
const FIND: &str = "SELECT v.body FROM place p JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     JOIN ver v ON v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver \
     WHERE p.ty = $1 AND p.id = $2 AND r.del = 0";

/// What some changes, which are written already, say of homes.
pub(super) struct Homes<'c> {
    core: &'c Core,
    /// The ODS codes of the Organizations that were asked for.
    codes: HashMap<String, Option<String>>,
}

impl<'c> Homes<'c> {
    pub(super) fn new(core: &'c Core) -> Homes<'c> {
        Homes {
            core,
            codes: HashMap::new(),
        }
    }

    /// A Patient was put.
    pub(super) async fn of_patient(
        &mut self,
        tx: &mut Tx<'_>,
        resource: &Prepared,
        named: &Named,
    ) -> Result<(), Problem> {
        let patient = resource.id.as_str();
        let sql = Sql::new(
            "SELECT (SELECT home FROM sharing_home WHERE patient = $1), \
             (SELECT organization FROM home_reference WHERE patient = $1)",
        );
        let row = tx.row(&sql.with(patient)).await?;
        let (before, referred) = match &row {
            Some(row) => (row.text_opt(0)?, row.text_opt(1)?),
            None => (None, None),
        };
        let organization = named.organization(&self.core.fhir_url);
        if organization != referred {
            refer(tx, patient, organization).await?;
        }
        let home = match (&named.code, organization) {
            (Some(code), _) => Some(code.clone()),
            (None, Some(id)) => self.code(tx, id).await?,
            (None, None) => None,
        };
        let own = resource.organisation.as_str();
        let homes = (before.unwrap_or_default(), home.as_deref());
        keep(tx, self.core.now(), patient, homes, own).await
    }

    /// The ODS code of an Organization here.
    async fn code(
        &mut self,
        tx: &mut Tx<'_>,
        organization: &str,
    ) -> Result<Option<String>, Problem> {
        if let Some(known) = self.codes.get(organization) {
            return Ok(known.clone());
        }
        let row = match self.core.word_if_any(tx, "Organization").await? {
            Some(ty) => tx.row(&Sql::new(FIND).with(ty).with(organization)).await?,
            None => None,
        };
        let code = match row {
            Some(row) => said(row.bytes(0)?)?,
            None => None,
        };
        self.codes.insert(organization.to_string(), code.clone());
        Ok(code)
    }

    /// An Organization was put, with that code or none: it may be the practice of many.
    pub(super) async fn of_practice(
        &self,
        tx: &mut Tx<'_>,
        resource: &Prepared,
        code: Option<&str>,
    ) -> Result<(), Problem> {
        let organization = resource.id.as_str();
        let Some(code) = code else {
            return forget(tx, organization).await;
        };
        let sql = Sql::new(
            "SELECT 1 FROM home_reference r LEFT JOIN sharing_home h ON h.patient = r.patient \
             WHERE r.organization = $1 AND COALESCE(h.home, '') <> $2 LIMIT 1",
        );
        let differs = tx.row(&sql.with(organization).with(code)).await?;
        if differs.is_none() {
            return Ok(());
        }
        let (now, own) = (self.core.now(), resource.organisation.as_str());
        // Nobody moves when the code of their practice is put right: no record is asked for.
        crate::ask::practice_moved(tx, organization, code).await?;
        let sql = Sql::new(
            "INSERT INTO sharing_home (patient, home) SELECT patient, CAST($1 AS TEXT) \
             FROM home_reference WHERE organization = $2 ON CONFLICT (patient) \
             DO UPDATE SET home = excluded.home WHERE sharing_home.home <> excluded.home",
        );
        tx.execute(&sql.with(code).with(organization)).await?;
        meet(tx, now, code, own).await
    }
}

/// The Organization is no practice of anybody's any more: it is gone, or has no code.
pub(super) async fn forget(tx: &mut Tx<'_>, organization: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "DELETE FROM sharing_home WHERE patient IN \
         (SELECT patient FROM home_reference WHERE organization = $1)",
    );
    tx.execute(&sql.with(organization)).await.map(|_| ())
}

/// A Patient is gone: no Organization says any more where their home is.
pub(super) async fn gone(tx: &mut Tx<'_>, patient: &str) -> Result<(), Problem> {
    refer(tx, patient, None).await
}

/// The code in a stored body of an Organization.
fn said(stored: &[u8]) -> Result<Option<String>, Problem> {
    let bytes = body::decompress(stored)?;
    let organization = body::parse(&bytes)?;
    Ok(practice::code_of(&organization).map(str::to_string))
}

/// Notes which Organization here a patient's record refers to.
async fn refer(tx: &mut Tx<'_>, patient: &str, organization: Option<&str>) -> Result<(), Problem> {
    let sql = match organization {
        Some(organization) => {
            let sql = Sql::new(
                "INSERT INTO home_reference (patient, organization) VALUES ($1, $2) \
                 ON CONFLICT (patient) DO UPDATE SET organization = excluded.organization",
            );
            sql.with(patient).with(organization)
        }
        None => Sql::new("DELETE FROM home_reference WHERE patient = $1").with(patient),
    };
    tx.execute(&sql).await.map(|_| ())
}

/// The patient had one home, or none (an empty one), and has another one, or none, now.
async fn keep(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    (before, home): (&str, Option<&str>),
    own: &str,
) -> Result<(), Problem> {
    let Some(home) = home else {
        let sql = Sql::new("DELETE FROM sharing_home WHERE patient = $1").with(patient);
        return tx.execute(&sql).await.map(|_| ());
    };
    if home == before {
        return Ok(());
    }
    if home == own && !before.is_empty() {
        crate::moving::noticed(tx, now, patient, before).await?;
    }
    let sql = Sql::new(
        "INSERT INTO sharing_home (patient, home) VALUES ($1, $2) ON CONFLICT (patient) \
         DO UPDATE SET home = excluded.home",
    );
    tx.execute(&sql.with(patient).with(home)).await?;
    crate::ask::moved(tx, patient).await?;
    meet(tx, now, home, own).await
}

/// Another practice that is new here counts as heard from: it is asked from now on.
async fn meet(tx: &mut Tx<'_>, now: Millis, home: &str, own: &str) -> Result<(), Problem> {
    if home == own {
        return Ok(());
    }
    let sql = Sql::new(
        "INSERT INTO sharing_link (home, keeper, confirmed_at) VALUES ($1, '', $2) \
         ON CONFLICT (home) DO NOTHING",
    );
    tx.execute(&sql.with(home).with(now)).await.map(|_| ())
}
