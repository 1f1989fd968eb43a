//! `/staff/worklist/told/{number}`: what to do about a message that another system did not take.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use store::Effect;
use store::hl7_out::Hl7OutWrite;

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::staff::worklist;
use crate::visit::Visit;

/// `POST …/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, number, Hl7OutWrite::Again { number }).await?;
    Ok(see_other("/staff/worklist?done=told"))
}

/// `POST …/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, number, Hl7OutWrite::Settled { number }).await?;
    Ok(see_other("/staff/worklist?done=untold"))
}

async fn decide(
    node: &Node,
    visit: &Visit,
    number: i64,
    write: Hl7OutWrite,
) -> Result<(), Refusal> {
    let row = format!("hl7-out={number}");
    worklist::decide(node, visit, row, Effect::Hl7Out(write)).await
}
