//! GP Connect between systems (decision 0200): the token that each request bears, and the organisation's own system as
//! this node asks it. What is done with the answers is `booking`'s.

pub mod gateway;
pub mod medicines;
pub mod patient_token;
pub mod system;
pub mod token;

pub use system::System;
