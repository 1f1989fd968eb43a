//! Admissions translated to FHIR in a second on one core: read, mapped and rendered, nothing stored.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, anyhow};
use hl7v2::time::Zone;
use hl7v2::to_fhir::{Context, Mapping, Unidentified, map_to_keep};

use crate::measure::median;
use crate::message::{HOSPITAL, admission};
use crate::report::{Report, Wanted};

const MESSAGES: u32 = 20_000;
const TIMES: usize = 5;
const A_SECOND_MIN: f64 = 20_000.0;

pub fn measure(report: &mut Report) -> Result<()> {
    let context = Context {
        received_at: 1_714_559_400_000,
        zone: Zone::London,
        organisation: HOSPITAL.to_owned(),
        unidentified: Unidentified::Refuse,
    };
    let mapping = Mapping::built_in();
    let messages: Vec<String> = (0..100).map(|n| admission(&format!("M{n}"))).collect();
    let mut each = Vec::new();
    // The tables are read once a process; the first round does.
    for round in 0..=TIMES {
        let began = Instant::now();
        for (_, text) in (0..MESSAGES).zip(messages.iter().cycle()) {
            let message = hl7v2::parse(black_box(text.as_bytes()))
                .map_err(|fault| anyhow!("the bench's message cannot be read: {fault}"))?;
            let mapped = map_to_keep(&mapping, &message, &context)
                .map_err(|problem| anyhow!("the bench's message cannot be mapped: {problem}"))?;
            black_box(mapped);
        }
        if round > 0 {
            each.push(f64::from(MESSAGES) / began.elapsed().as_secs_f64());
        }
    }
    report.figure(
        "HL7 v2 admissions mapped, one core",
        "/s",
        median(&each),
        Wanted::AtLeast(A_SECOND_MIN),
    );
    Ok(())
}
