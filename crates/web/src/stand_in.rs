//! Stand-ins of national services, for the demo and tests. None of them is the service it stands for, and
//! nothing that goes through one has any force.

pub mod eps;
#[cfg(test)]
mod gateway_tests;
pub mod pds;
pub mod tokens;
