//! A small compiled FHIRPath engine over borrowed JSON.
