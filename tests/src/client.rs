//! Clients as other systems are: each speaks the wire, none knows our code.

pub mod http;
pub mod message;
pub mod mllp;
pub mod proxy;
