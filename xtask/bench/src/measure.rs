//! Taking the middle of several runs, in turns, so that a machine that slows down slows both sides.

use anyhow::Result;

/// The middle value; 0 when there is none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `part` (0 to 1) of the values lie.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let at = (last as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Runs both sides in turns and gives the middle of each.
///
/// # Errors
/// The first failure of either side.
pub fn in_turns(
    turns: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut bare: impl FnMut() -> Result<f64>,
) -> Result<(f64, f64)> {
    let mut both = (Vec::new(), Vec::new());
    for _ in 0..turns {
        both.1.push(bare()?);
        both.0.push(ours()?);
    }
    Ok((median(&both.0), median(&both.1)))
}
