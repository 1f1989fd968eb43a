//! Who may act for whom (P24), and whose record is not shown online (P25): the facts that decisions
//! rest on are rows here, and a patient's are loaded with each request (decision 0113).

mod lists;
mod write;

use access::{Online, Proxy};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

pub use lists::{Access, Leave, Offered};
pub(crate) use write::apply;
pub use write::{By, Grant, Offer, PeopleDone, PeopleWrite};

/// People for whom one person acts, and who act for one, that are looked at.
const PEOPLE_MAX: i64 = 64;

impl Store {
    /// What a decision about a patient who calls rests on.
    pub(crate) async fn online(&self, patient: &str, now: Millis) -> Result<Online, Problem> {
        let sql = Sql::new("SELECT paused_at FROM online_access WHERE patient = $1");
        let rows = self.rows(&sql.with(patient)).await?;
        let paused = rows.first().map(|row| row.int_opt(0)).transpose()?;
        let mut sql = self.leaves().await?;
        sql.push(" WHERE p.person = ").bind(patient.to_string());
        sql.push(" AND p.ended_at IS NULL AND p.ends_at > ")
            .bind(now);
        sql.push(" ORDER BY p.number LIMIT ").bind(PEOPLE_MAX);
        let rows = self.rows(&sql).await?;
        Ok(Online {
            is_paused: paused.flatten().is_some(),
            proxies: rows.iter().map(proxy).collect::<Result<_, _>>()?,
            ages: self.ages(),
        })
    }

    /// The start of a statement about rows `p` of `proxy`, with what `proxy` reads of them: the birth
    /// date is the record's own, so that one that is put right counts at once.
    async fn leaves(&self) -> Result<Sql<'static>, Problem> {
        let (ty, born) = (
            self.word("Patient").await?,
            self.word("Patient.birthdate").await?,
        );
        let mut sql = Sql::new(
            "SELECT p.number, p.patient, p.categories, p.granted_at, p.confirmed_at, p.ends_at, \
             p.ended_at, (SELECT MIN(i.low) FROM place l JOIN ix_date i ON i.rid = l.rid \
             AND i.shard = l.shard WHERE l.ty = ",
        );
        sql.bind(ty)
            .push(" AND l.id = p.patient AND i.param = ")
            .bind(born);
        sql.push(
            "), (SELECT o.paused_at FROM online_access o WHERE o.patient = p.patient), \
             p.patient_name, p.person, p.person_name, p.basis, p.reason, p.granted_by, \
             p.confirmed_by, p.childs FROM proxy p",
        );
        Ok(sql)
    }
}

/// Reads the columns of `leaves`.
fn proxy(row: &Row) -> Result<Proxy, Problem> {
    let categories = row.text(2)?.split_whitespace();
    Ok(Proxy {
        number: row.int(0)?,
        patient: row.text(1)?.to_string(),
        categories: categories.map(str::to_string).collect(),
        granted_at: row.int(3)?,
        is_childs: row.flag(16)?,
        confirmed_at: row.int(4)?,
        ends_at: row.int(5)?,
        ended_at: row.int_opt(6)?,
        born: row.int_opt(7)?,
        is_paused: row.int_opt(8)?.is_some(),
    })
}
