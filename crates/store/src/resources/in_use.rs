//! Which profiles, labels and tags resources carry, within a scope
//! (<https://hl7.org/fhir/R4/resource-operation-meta.html> of a type, or of all).

use access::{Interaction, Outcome, Scope, Target};
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};

use super::facts;
use super::index::{NO_SYSTEM, is_shortened};
use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};

/// Profiles, labels and tags told of, at most, of each.
const TOLD_MAX: usize = 1000;

/// What is in the `meta` of some resources, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    pub profiles: Vec<String>,
    /// System, where there is one, and code.
    pub security: Vec<(Option<String>, String)>,
    pub tags: Vec<(Option<String>, String)>,
}

impl Store {
    /// The profiles, labels and tags of the resources of a type, or of all, that are within the scope.
    /// Leaves one line in the audit log.
    ///
    /// # Errors
    /// `TooCostly` for more than can be told; else as `search`.
    pub async fn meta_in_use(&self, scope: &Scope, ty: Option<&str>) -> Result<InUse, Problem> {
        self.may_look(scope)?;
        let profiles = self.used(scope, ty, "_profile").await?;
        let found = InUse {
            profiles: profiles.into_iter().map(|(_, text)| text).collect(),
            security: self.used(scope, ty, "_security").await?,
            tags: self.used(scope, ty, "_tag").await?,
        };
        let target = Target {
            ty: ty.unwrap_or_default().to_string().into(),
            query: Some("$meta".into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Search, Outcome::Success, target);
        self.traced(vec![line]).await?;
        Ok(found)
    }

    /// Systems and texts in the index under a parameter, each once.
    async fn used(
        &self,
        scope: &Scope,
        ty: Option<&str>,
        code: &str,
    ) -> Result<Vec<(Option<String>, String)>, Problem> {
        let types = ty.map_or_else(|| Definitions::r4().resources(), |ty| vec![ty]);
        let (mut numbers, mut buffer) = (Vec::new(), String::new());
        for ty in types {
            let word = words::parameter(&mut buffer, ty, code);
            let number = self.word(word).await?;
            numbers.extend((number != UNKNOWN).then_some(number));
        }
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows_apart(distinct(scope, code, &numbers)).await?;
        if rows.len() > TOLD_MAX {
            let message = format!("More than {TOLD_MAX} are in use; ask of one type, or search.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let text = row.text(1)?;
            if is_shortened(text) {
                let message = "A profile, label or tag in use is too long to be told of here; \
                               ask for $meta of its resource.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
            let system = match row.int(0)? {
                NO_SYSTEM => None,
                number => Some(self.text_of(number).await?),
            };
            found.push((system, text.to_string()));
        }
        Ok(found)
    }
}

fn distinct(scope: &Scope, code: &str, numbers: &[i64]) -> Sql<'static> {
    let mut sql = match code {
        "_profile" => Sql::new("SELECT DISTINCT 0, i.value FROM ix_uri i"),
        _ => Sql::new("SELECT DISTINCT i.system, i.code FROM ix_token i"),
    };
    sql.push(" CROSS JOIN res r WHERE i.param IN (");
    for (at, number) in numbers.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).bind(*number);
    }
    sql.push(") AND r.shard = i.shard AND r.rid = i.rid AND r.del = 0");
    facts::push_scope(&mut sql, scope);
    sql.push(" ORDER BY 1, 2 LIMIT ");
    sql.bind(
        i64::try_from(TOLD_MAX)
            .unwrap_or(i64::MAX)
            .saturating_add(1),
    );
    sql
}
