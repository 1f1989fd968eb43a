//! What the templates of the pages about prescriptions show.

use serde::Serialize;

use super::words::Words;
use crate::page::parts::{Fault, Label};
use crate::page::words::Moment;

/// The tile of the home page.
#[derive(Serialize)]
pub struct Tile {
    pub href: &'static str,
    pub heading: &'static str,
    pub text: String,
    pub lang: &'static str,
}

/// A repeat medicine, and why it cannot be ordered now if so.
#[derive(Serialize)]
pub struct Medicine {
    pub id: String,
    pub name: String,
    pub dose: String,
    pub quantity: String,
    pub last: Option<String>,
    pub left: Option<String>,
    pub why: Option<String>,
    /// The order in which it was asked for.
    pub order: Option<String>,
}

/// `patient/prescriptions.jinja`
#[derive(Serialize)]
pub struct List {
    pub words: &'static Words,
    pub done: Option<&'static str>,
    pub due_said: String,
    pub due: Vec<Medicine>,
    pub others: Vec<Medicine>,
    pub under_way: Vec<OrderRow>,
    pub before: Vec<OrderRow>,
    pub notes: Vec<&'static str>,
    pub pharmacy: String,
    /// This page's address, to come back to.
    pub here: String,
}

/// An order in a list.
#[derive(Serialize)]
pub struct OrderRow {
    pub href: String,
    pub title: String,
    pub names: String,
    pub states: Vec<Label>,
}

/// `patient/order.jinja`
#[derive(Serialize)]
pub struct Order {
    pub words: &'static Words,
    pub errors: Vec<Fault>,
    pub due: Vec<Medicine>,
    pub others: Vec<Medicine>,
    /// What stands there where nothing can be ordered, or nobody knows.
    pub nothing: &'static str,
    pub notes: Vec<&'static str>,
    pub pharmacy: String,
    pub here: String,
}

/// `patient/prescription.jinja`
#[derive(Serialize)]
pub struct One {
    pub words: &'static Words,
    pub done: Option<&'static str>,
    pub title: String,
    pub pharmacy: String,
    /// The prescription's number, in words, while it waits for a pharmacy.
    pub numbers: Vec<String>,
    pub items: Vec<Tracked>,
    pub notes: Vec<&'static str>,
    pub here: String,
}

/// One item of an order.
#[derive(Serialize)]
pub struct Tracked {
    pub name: String,
    pub dose: String,
    pub quantity: String,
    pub state: Label,
    pub steps: Vec<StepTaken>,
}

#[derive(Serialize)]
pub struct StepTaken {
    pub what: &'static str,
    pub when: Moment,
    pub note: Option<String>,
}

/// `patient/pharmacy.jinja`
#[derive(Serialize)]
pub struct Pharmacies {
    pub words: &'static Words,
    pub done: Option<&'static str>,
    pub errors: Vec<Fault>,
    pub now: String,
    pub pharmacies: Vec<Pharmacy>,
    pub here: String,
}

#[derive(Serialize)]
pub struct Pharmacy {
    pub ods: String,
    pub name: String,
    pub chosen: bool,
}
