//! From index entries to index rows.
