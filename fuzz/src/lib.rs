//! The laws that hold for every reader and writer of `wire`, whatever the bytes.
//!
//! Each module checks one side and panics where a law is broken; a target in
//! `fuzz_targets/` is a call of it. The input is never more than the bytes of a body
//! or a stream, so that every file of `shared/wire/cases` is a seed as it stands; what
//! else a check must choose, such as where to cut, it draws from those bytes.
//! Deliberately not here: what an answer means, which is the case files' to say.

pub mod anthropic_caller;
pub mod canonical;
pub mod chat;
pub mod draw;
pub mod edited;
pub mod forms;
pub mod jobs;
pub mod json;
pub mod lines;
pub mod made;
pub mod messages;
pub mod native;
pub mod requests;
pub mod responses;
pub mod road;
pub mod stream;
pub mod told;
pub mod vendors;
