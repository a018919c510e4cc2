//! API dialects.
