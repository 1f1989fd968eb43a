//! HTML pages on the NHS design system.

pub mod assets;
pub mod environment;
