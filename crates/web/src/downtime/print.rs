//! The same pack as pages to print.

use super::gather::{Patient, View};
use crate::carried::pdf::Sheet;
use crate::carried::seal::Facts;
use crate::page::words;

/// The pages: one patient begins on a page of their own.
pub fn sheet(view: &View, facts: &Facts) -> Sheet {
    let made = words::moment(facts.made, facts.made).full;
    let mut sheet = Sheet::new(&format!(
        "DOWNTIME PACK of {made}. {}. Older with each minute: ask.",
        view.organisation
    ));
    sheet.line("Write into Downtime once the system is back that this was printed, and when it was destroyed.");
    for note in &view.left_out {
        sheet.line(note);
    }
    sheet.bold(&format!("{} patients", view.patients.len()));
    for patient in &view.patients {
        let why = patient.why.join("; ");
        sheet.line(&format!("{}: {why}", patient.carried.person.name));
    }
    sheet.bold("Letters that nobody has filed yet");
    for letter in &view.letters {
        let urgent = if letter.urgent { "URGENT " } else { "" };
        sheet.line(&format!(
            "{urgent}{}, from {}, {}: {}",
            letter.title, letter.from, letter.since, letter.about
        ));
    }
    if view.letters.is_empty() {
        sheet.line("None, as far as is recorded.");
    }
    for it in &view.patients {
        patient(&mut sheet, it);
    }
    sheet.turn();
    sheet.bold("For somebody who is not in this pack");
    sheet.line(
        "Name, date of birth, NHS number; day, time, what was found, given and done, and who:",
    );
    for _ in 0..18 {
        sheet.rule();
    }
    let (lacks, full) = sheet.lacks();
    if lacks {
        sheet.line("Some characters could not be printed and stand here as ?; the file beside this one has them.");
    }
    if full {
        sheet.line("There are more pages than this file holds; the file beside this one has all.");
    }
    sheet
}

/// One patient, and their blank forms.
fn patient(sheet: &mut Sheet, patient: &Patient) {
    let who = &patient.carried;
    let told = format!(
        "born {} · NHS number {}",
        who.person.born.as_deref().unwrap_or("not given"),
        who.person.nhs_number.as_deref().unwrap_or("not given")
    );
    sheet.turn();
    sheet.bold(&who.person.name);
    sheet.line(&told);
    sheet.line(&patient.why.join("; "));
    sheet.bold("Where they live");
    sheet.line(who.lives_not);
    for line in &who.lives {
        sheet.line(line);
    }
    for part in &who.parts {
        sheet.bold(part.heading);
        for line in &part.lines {
            sheet.line(&format!("- {line}"));
        }
        for note in &part.notes {
            sheet.line(&format!("! {note}"));
        }
    }
    for form in &patient.forms {
        sheet.turn();
        sheet.bold(&format!("{}: {}", form.title, who.person.name));
        sheet.line(&told);
        sheet.bars(&form.code.text);
        sheet.line(match form.form {
            "observations" => {
                "Day, time | Blood pressure | Pulse | Temp. | O2 % | Breaths | Weight | Who, signed"
            }
            _ => "Day, time | Medicine, dose, how given; or note | Who, signed",
        });
        for _ in 0..16 {
            sheet.rule();
        }
    }
}
