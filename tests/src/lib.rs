//! Whole nodes, in one process and as processes of their own, and the rules of the code base as tests.
//!
//! One package, one test binary. `cargo xtask test` sets up what they need; see `setting` for how each is named.

#[cfg(test)]
mod appointments;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bars;
#[cfg(test)]
mod bars_bookings;
#[cfg(test)]
mod bars_changes;
#[cfg(test)]
mod blueprints;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod check;
#[cfg(test)]
#[allow(
    dead_code,
    reason = "the tests that use the rest are written as the nodes land"
)]
mod client;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod discharge;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fax;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod gp_connect;
#[cfg(test)]
mod handovers;
#[cfg(test)]
mod hl7v2;
#[cfg(test)]
mod homes;
#[cfg(test)]
mod itk3;
#[cfg(test)]
mod medicines_there;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod neighbourhood;
#[cfg(test)]
#[allow(dead_code, reason = "as above")]
mod node;
#[cfg(test)]
mod opt_out;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod prescriptions;
#[cfg(test)]
mod questionnaires;
#[cfg(test)]
mod referrals;
#[cfg(test)]
#[allow(dead_code, reason = "as above")]
mod setting;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod visits;
