//! Files of LiteLLM's and what becomes of them: every case in `cases/litellm`.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};

use super::read;
use crate::configuration::from_yaml;
use crate::store::Store;
use crate::transfer::{Existing, Incoming, KeyProof};

macro_rules! case {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../cases/litellm/", $name, ".yaml")),
            include_str!(concat!("../../../cases/litellm/", $name, ".json")),
        )
    };
}

const CASES: [(&str, &str, &str); 6] = [
    case!("groups"),
    case!("providers"),
    case!("entries"),
    case!("settings"),
    case!("defects"),
    case!("strategies"),
];

fn came(yaml: &str) -> Incoming {
    let document = from_yaml(yaml).unwrap();
    let env = |name: &str| (name == "FROM_ENVIRONMENT").then(|| "secret-of-env".to_owned());
    read(document, &env).unwrap()
}

/// All that came, keys too, and of the findings what became of what.
fn told(incoming: &Incoming) -> Value {
    let keys: Vec<_> = incoming
        .keys
        .iter()
        .map(|key| {
            let KeyProof::Plain(plain) = &key.proof else {
                unreachable!("LiteLLM's keys are plain");
            };
            json!([key.fields["label"], plain.expose()])
        })
        .collect();
    let findings: Vec<_> = incoming
        .findings
        .iter()
        .map(|told| json!([told.fate, told.what, told.why]))
        .collect();
    json!({
        "endpoints": incoming.endpoints,
        "virtual_models": incoming.virtual_models,
        "keys": keys,
        "settings": incoming.settings,
        "findings": findings,
    })
}

#[test]
fn every_case() {
    let mut wrong = Vec::new();
    for (name, yaml, expected) in CASES {
        let got = told(&came(yaml));
        let expected: Value = serde_json::from_str(expected).unwrap();
        if got != expected {
            wrong.push(format!(
                "== {name}\n{}",
                serde_json::to_string_pretty(&got).unwrap()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A key is told to nobody, wherever it stands in the file.
#[test]
fn no_finding_has_a_secret() {
    for (name, yaml, _) in CASES {
        let findings = serde_json::to_string(&came(yaml).findings).unwrap();
        // The name of a field is no secret, whatever it is.
        let findings = findings.replace("secret-new", "");
        assert!(!findings.contains("secret-"), "{name}: {findings}");
    }
}

/// The store takes what was read as it is: each row is made, or left out with a reason.
#[test]
fn the_store_takes_every_case_and_a_second_time_nothing() {
    for (name, yaml, _) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        let revision = store.revision().unwrap();
        let mut incoming = came(yaml);
        let tried = store.take(&mut incoming, Existing::Refuse, true).unwrap();
        assert_eq!(store.revision().unwrap(), revision, "{name}: a trial stays");
        let mut incoming = came(yaml);
        let taken = store.take(&mut incoming, Existing::Refuse, false).unwrap();
        assert_eq!(tried, taken, "{name}");
        let rows = store.endpoints().unwrap().len()
            + store.virtual_models().unwrap().len()
            + store.inbound_keys().unwrap().len()
            + store.settings().unwrap().len();
        assert_eq!((taken.created, taken.replaced), (rows, 0), "{name}");
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.problems, [], "{name}");

        let revision = store.revision().unwrap();
        let again = store.take(&mut came(yaml), Existing::Refuse, false);
        assert!(again.unwrap_err().to_string().contains("there already"));
        let again = store.take(&mut came(yaml), Existing::Skip, false).unwrap();
        assert_eq!((again.created, again.replaced), (0, 0), "{name}");
        assert_eq!(store.revision().unwrap(), revision, "{name}");
    }
}

#[test]
fn what_is_no_list_of_models_is_refused() {
    for document in [
        json!({"model_list": {}}),
        json!({"model_list": null}),
        json!([]),
    ] {
        assert!(read(document, &|_| None).is_err());
    }
}
