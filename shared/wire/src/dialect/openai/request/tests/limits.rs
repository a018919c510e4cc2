//! Limits of an answer by the name that a server knows.

use super::*;

#[test]
fn b22_a_server_that_knows_only_max_tokens_gets_it_by_that_name() {
    let (model, none) = (Bytes::from_static(b"\"m\""), Defaults::default());
    let target = Target {
        only_max_tokens: true,
        ..plain(&model, &none)
    };
    assert_eq!(
        edited(
            r#"{"model":"v","messages":[{"role":"user"}],"max_completion_tokens":7}"#,
            &target
        ),
        r#"{"model":"m","messages":[{"role":"user"}],"max_tokens":7}"#
    );
    assert_eq!(
        edited(
            r#"{"model":"v","messages":[{"role":"user"}],"max_completion_tokens":7,"max_tokens":null}"#,
            &target
        ),
        r#"{"model":"m","messages":[{"role":"user"}],"max_completion_tokens":7,"max_tokens":7}"#
    );
}

#[test]
fn a_reasoning_model_gets_the_limit_by_its_own_name_and_no_sampling() {
    let model = Bytes::from_static(b"\"o3-mini\"");
    let defaults = Defaults {
        max_tokens: Some("100".into()),
        temperature: Some("0".into()),
        top_p: Some("0.5".into()),
        system_prompt: None,
    };
    let target = Target {
        reasoning: true,
        ..plain(&model, &defaults)
    };
    for (before, after) in [
        (
            r#"{"model":"v","messages":[{"role":"user"}]}"#,
            r#"{"max_completion_tokens":100,"model":"o3-mini","messages":[{"role":"user"}]}"#,
        ),
        (
            r#"{"model":"v","messages":[{"role":"user"}],"max_completion_tokens":7}"#,
            r#"{"model":"o3-mini","messages":[{"role":"user"}],"max_completion_tokens":7}"#,
        ),
        (
            r#"{"model":"v","messages":[{"role":"user"}],"max_tokens":7,"temperature":1}"#,
            r#"{"model":"o3-mini","messages":[{"role":"user"}],"max_tokens":7,"temperature":1}"#,
        ),
    ] {
        assert_eq!(edited(before, &target), after);
    }
}
