//! The parts of a composite as conditions on the columns of its row.

use fhir::search::{Criterion, Numbers as Interval, Range};

use super::criteria::{Comparisons, after_all_that_start_with, push_interval, push_system_as};
use super::numbers::Numbers;
use crate::resources::index::{key, real, start};
use crate::sql::Sql;

/// The conditions on the columns of the parts: see `index::composite`.
pub(super) fn push(sql: &mut Sql<'static>, parts: &[Criterion], numbers: &Numbers) {
    for (place, part) in parts.iter().enumerate() {
        let column = |first, second, third| match place {
            0 => first,
            1 => second,
            _ => third,
        };
        let text = column(
            " AND i.text = ",
            " AND i.text2 = ",
            " AND 1 = 0 AND i.text = ",
        );
        let number = column(" AND i.system = ", " AND i.system2 = ", " AND i.system = ");
        let (low, high) = match place {
            1 => (&LOW_2, &HIGH_2),
            _ => (&LOW_3, &HIGH_3),
        };
        match part {
            Criterion::Token { system, code } => {
                if let Some(code) = code {
                    sql.push(text).bind(key(code).into_owned());
                }
                push_system_as(sql, system, number, numbers);
            }
            Criterion::Reference { targets } => {
                sql.push(" AND (1 = 0");
                for target in targets {
                    sql.push(column(" OR i.text = ", " OR i.text2 = ", " OR i.text = "))
                        .bind(key(target).into_owned());
                }
                sql.push(")");
            }
            Criterion::StringStarts(value) => {
                let value = start(value);
                sql.push(" AND i.text2 >= ").bind(value.to_string());
                if let Some(end) = after_all_that_start_with(value) {
                    sql.push(" AND i.text2 < ").bind(end);
                }
            }
            Criterion::Uri(value) => {
                sql.push(text).bind(key(value).into_owned());
            }
            Criterion::Date {
                low: from,
                high: to,
            } => {
                push_interval(sql, low, in_reals(*from));
                push_interval(sql, high, in_reals(*to));
            }
            Criterion::Quantity {
                low: from,
                high: to,
                system,
                code,
            } => {
                push_interval(sql, low, *from);
                push_interval(sql, high, *to);
                push_system_as(sql, system, number, numbers);
                if let Some(code) = code {
                    sql.push(text).bind(key(code).into_owned());
                }
            }
            _ => {
                sql.push(" AND 1 = 0");
            }
        }
    }
}

/// Where a Location is, is kept as three numbers: `low2`, `high2` and `low3`.
pub(super) fn push_near(sql: &mut Sql<'static>, at: [f64; 3], square: f64, height: Interval) {
    let [x, y, z] = at;
    push_interval(sql, &LOW_3, height);
    sql.push(" AND (i.low2 - ").bind(x);
    sql.push(") * (i.low2 - ").bind(x);
    sql.push(") + (i.high2 - ").bind(y);
    sql.push(") * (i.high2 - ").bind(y);
    sql.push(") + (i.low3 - ").bind(z);
    sql.push(") * (i.low3 - ").bind(z);
    sql.push(") <= ").bind(square);
}

fn in_reals(range: Range) -> Interval {
    Interval {
        from: range.from.map(real),
        before: range.before.map(real),
        ..Interval::default()
    }
}

const LOW_2: Comparisons = Comparisons {
    from: " AND i.low2 >= ",
    above: " AND i.low2 > ",
    before: " AND i.low2 < ",
    up_to: " AND i.low2 <= ",
};
const HIGH_2: Comparisons = Comparisons {
    from: " AND i.high2 >= ",
    above: " AND i.high2 > ",
    before: " AND i.high2 < ",
    up_to: " AND i.high2 <= ",
};
const LOW_3: Comparisons = Comparisons {
    from: " AND i.low3 >= ",
    above: " AND i.low3 > ",
    before: " AND i.low3 < ",
    up_to: " AND i.low3 <= ",
};
const HIGH_3: Comparisons = Comparisons {
    from: " AND i.high3 >= ",
    above: " AND i.high3 > ",
    before: " AND i.high3 < ",
    up_to: " AND i.high3 <= ",
};
