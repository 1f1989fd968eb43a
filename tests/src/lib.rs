//! Whole nodes, in one process and as processes of their own, and the rules of the code base as tests.
//!
//! One package, one test binary. `cargo xtask test` sets up what they need; see `setting` for how each is named.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod client;
#[cfg(test)]
mod node;
#[cfg(test)]
mod setting;
