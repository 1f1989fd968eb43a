//! The least and the greatest value that one of limited precision may stand for
//! (<https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time>).

use super::decimal::Decimal;
use super::moment::{Moment, MomentKind};
use crate::date::days_in;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Low,
    High,
}

/// What a number has after the point unless it is said.
const SCALE: i64 = 8;
const SCALE_MAX: i64 = 27;

/// `1.587` stands for what is between 1.5865 and 1.5875.
pub(super) fn number(value: Decimal, precision: Option<i64>, end: End) -> Option<Decimal> {
    let precision = precision.unwrap_or(SCALE);
    let scale = u32::try_from(precision)
        .ok()
        .filter(|_| precision <= SCALE_MAX)?;
    let half = Decimal::of(5, value.scale() + 1);
    match end {
        End::Low => value.plus(half.negated())?.floored(scale),
        End::High => {
            let high = value.plus(half)?;
            // Rounded up: what is above is not in doubt.
            Some(high.negated().floored(scale)?.negated())
        }
    }
}

/// How many digits of a moment are given: 4 for a year, 17 down to the millisecond.
pub(super) fn digits(moment: &Moment) -> i64 {
    const DATE: [i64; 8] = [0, 4, 6, 8, 10, 12, 14, 17];
    let all = DATE.get(moment.given).copied().unwrap_or(17);
    if moment.kind == MomentKind::Time {
        all - 8
    } else {
        all
    }
}

/// The first or last moment at the precision wanted, by default a date's day or the millisecond.
pub(super) fn moment(moment: &Moment, precision: Option<i64>, end: End) -> Option<Moment> {
    let most = match moment.kind {
        MomentKind::Date => 8,
        MomentKind::DateTime => 17,
        MomentKind::Time => 9,
    };
    let wanted = precision.unwrap_or(most);
    let wanted = if moment.kind == MomentKind::Time {
        wanted + 8
    } else {
        wanted
    };
    let given = [4, 6, 8, 10, 12, 14, 17]
        .iter()
        .position(|known| *known == wanted)?
        + 1;
    let mut bound = *moment;
    if moment.given < 7 && end == End::High {
        fill(&mut bound);
    }
    bound.given = 7;
    // A time without a zone may be in any.
    if moment.kind == MomentKind::DateTime && moment.zone.is_none() {
        bound.zone = Some(if end == End::Low { 14 * 60 } else { -12 * 60 });
    }
    Some(bound.cut(moment.kind, given))
}

/// Each part that is not given at its most. An hour without minutes is its first minute, as minutes
/// always stand beside hours.
fn fill(bound: &mut Moment) {
    let given = if bound.given == 4 { 5 } else { bound.given };
    let [year, month, ..] = bound.parts;
    let month = if given < 2 { 12 } else { month };
    let most = [year, 12, days_in(year, month), 23, 59, 59, 999];
    for (part, most) in bound.parts.iter_mut().zip(most).skip(given) {
        *part = most;
    }
}
