//! The laws of configurations that come from elsewhere: LiteLLM's, the original's, and our
//! own when it was exported.

use std::fs;

use serde_json::Value;
use store::configuration::{import, to_yaml};
use store::transfer::{Arrived, Existing, Incoming, read};

use crate::ground::ground;

/// A file of any kind.
pub fn check(data: &[u8]) {
    let ground = ground();
    let file = ground.folder.join("came");
    fs::write(&file, data).expect("a file");
    let env = |name: &str| (name == "FROM_ENVIRONMENT").then(|| "secret-of-env".to_owned());
    match read(&file, &ground.store, &env) {
        Err(why) => assert!(!why.to_string().is_empty()),
        Ok(Arrived::Configuration(document)) => check_document(&document),
        Ok(Arrived::Foreign(_, incoming)) => check_foreign(*incoming),
    }
}

/// What is tried twice goes the same way, and nothing of it stays.
fn check_foreign(mut incoming: Incoming) {
    let store = &ground().store;
    for told in incoming.findings.iter() {
        assert!(!told.what.is_empty() && !told.why.is_empty(), "{told:?}");
    }
    let mut tries = [Existing::Refuse, Existing::Skip, Existing::Skip].map(|existing| {
        let taken = store.take(&mut incoming, existing, true);
        taken.map_err(|why| why.to_string())
    });
    tries[1..].sort_by_key(|taken| taken.is_err());
    assert_eq!(tries[1], tries[2]);
    let rows = store.endpoints().expect("a store");
    assert!(rows.is_empty(), "a trial has stayed");
}

fn check_document(document: &Value) {
    let store = &ground().store;
    let tries = [true, true].map(|trial| {
        let done = import(store, document, Existing::Replace, trial);
        done.map(|done| (done.created, done.changed, done.left_out))
            .map_err(|why| why.to_string())
    });
    assert_eq!(tries[0], tries[1]);
    assert!(store.endpoints().expect("a store").is_empty());
    // As YAML it is the same document.
    let yaml = to_yaml(document).expect("YAML");
    let file = ground().folder.join("written");
    fs::write(&file, &yaml).expect("a file");
    match read(&file, store, &|_| None) {
        Ok(Arrived::Configuration(again)) => assert_eq!(&again, document, "{yaml}"),
        Ok(Arrived::Foreign(kind, _)) => panic!("{}: {yaml}", kind.noun()),
        Err(why) => panic!("{why}: {yaml}"),
    }
}
