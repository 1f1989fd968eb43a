//! From a query string's pairs to clauses.
