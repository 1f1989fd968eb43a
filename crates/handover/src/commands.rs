//! The commands, one file each.

pub mod account;
pub mod app;
pub mod audit;
pub mod backup;
pub mod blueprint;
pub mod check;
pub mod demo;
pub mod directory;
pub mod downtime;
pub mod dpia;
pub mod drill;
pub mod fax;
#[cfg(test)]
#[path = "../../../fuzz/mutate.rs"]
mod fuzz;
pub mod hl7;
pub mod import;
pub mod init;
pub mod itk3;
pub mod join;
pub mod map;
pub mod mesh;
pub mod migrate;
pub mod neighbour;
pub mod opt_out;
pub mod package;
pub mod receipt;
pub mod restore;
pub mod roles;
pub mod serve;
pub mod stand_in;
pub mod terminology;
pub mod token;
pub mod workgroup;
