//! Every bad field is refused by name, with the reason.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use store::{
    EndpointDraft, FieldErrors, SettingsDraft, Store, ToolAliasDraft, ToolPatternDraft,
    VirtualModelDraft,
};

type Cases<'a> = &'a [(Value, &'a str, &'a str)];

#[track_caller]
fn assert_refused<T>(check: impl Fn(&Value) -> Result<T, FieldErrors>, cases: Cases<'_>) {
    for (value, field, reason) in cases {
        let Err(errors) = check(value) else {
            unreachable!("{value} was accepted");
        };
        let why = errors.get(field).unwrap_or("(field not named)");
        assert!(why.contains(reason), "{value}: {field}: {why}");
    }
}

#[test]
fn endpoints() {
    assert_refused(
        EndpointDraft::for_update,
        &[
            (json!([]), "body", "JSON object"),
            (json!({"name": ""}), "name", "must not be empty"),
            (json!({"name": "  "}), "name", "must not be empty"),
            (json!({"name": null}), "name", "must not be empty"),
            (json!({"name": 7}), "name", "must be a string"),
            (json!({"name": "a\nb"}), "name", "control characters"),
            (json!({"name": "x".repeat(201)}), "name", "at most 200"),
            (json!({"url": "example.com"}), "url", "not a URL"),
            (json!({"url": "ftp://example.com"}), "url", "http"),
            (json!({"url": "http://u:p@example.com"}), "url", "user name"),
            (json!({"url": "http://example.com?q=1"}), "url", "query"),
            (
                json!({"endpoint_type": "azure"}),
                "endpoint_type",
                "openwebui, openai, ollama",
            ),
            (json!({"priority": 1.5}), "priority", "whole number"),
            (
                json!({"priority": 1_000_001}),
                "priority",
                "-1000000 to 1000000",
            ),
            (json!({"priority": "high"}), "priority", "whole number"),
            (json!({"enabled": "yes"}), "enabled", "true, false, 1 or 0"),
            (json!({"enabled": null}), "enabled", "true, false, 1 or 0"),
            (
                json!({"tls_insecure": 2}),
                "tls_insecure",
                "true, false, 1 or 0",
            ),
            (json!({"ca_file": ["a"]}), "ca_file", "must be a string"),
            (
                json!({"api_key": "two words"}),
                "api_key",
                "printable ASCII",
            ),
            (json!({"api_key": "sk-ключ"}), "api_key", "printable ASCII"),
            (
                json!({"custom_headers": {"Host": "x"}}),
                "custom_headers",
                "\"Host\"",
            ),
            (
                json!({"custom_headers": {"x": 1}}),
                "custom_headers",
                "JSON object",
            ),
            (
                json!({"custom_headers": "{"}),
                "custom_headers",
                "JSON object",
            ),
            (
                json!({"custom_headers": []}),
                "custom_headers",
                "JSON object",
            ),
            (json!({"nmae": "typo"}), "nmae", "not a known field"),
        ],
    );
    assert_refused(
        EndpointDraft::for_create,
        &[
            (json!({}), "name", "is required"),
            (json!({}), "url", "is required"),
            (json!({"api_key": "***1234"}), "api_key", "mask"),
        ],
    );
}

#[test]
fn all_bad_fields_at_once_and_no_secret_among_them() {
    let value = json!({"name": "", "url": "x", "api_key": "my secret", "priority": "p"});
    let errors = EndpointDraft::for_create(&value).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["api_key", "name", "priority", "url"]);
    assert!(!errors.to_string().contains("my secret"));
    let json = serde_json::to_value(&errors).unwrap();
    assert_eq!(json["name"], "must not be empty");
}

#[test]
fn what_forms_and_rows_send_is_taken() {
    for value in [
        json!({"priority": "5", "enabled": 1, "custom_headers": "", "ca_file": ""}),
        json!({"priority": -5, "enabled": false, "custom_headers": null, "ca_file": null}),
        json!({"custom_headers": "{\"x-a\":\"b\"}", "api_key": "***"}),
        json!({"id": 4, "created_at": 1, "updated_at": 2}),
    ] {
        EndpointDraft::for_update(&value).unwrap();
    }
}

#[test]
fn virtual_models() {
    assert_refused(
        VirtualModelDraft::for_update,
        &[
            (json!({"name": " "}), "name", "must not be empty"),
            (
                json!({"actual_model": ""}),
                "actual_model",
                "must not be empty",
            ),
            (
                json!({"endpoint_id": null}),
                "endpoint_id",
                "id of an endpoint",
            ),
            (json!({"endpoint_id": "one"}), "endpoint_id", "whole number"),
            (json!({"max_tokens": 0}), "max_tokens", "from 1 to 1000000"),
            (
                json!({"max_tokens": 1_000_001}),
                "max_tokens",
                "from 1 to 1000000",
            ),
            (json!({"temperature": 2.1}), "temperature", "from 0 to 2"),
            (json!({"temperature": -0.1}), "temperature", "from 0 to 2"),
            (json!({"temperature": "NaN"}), "temperature", "from 0 to 2"),
            (json!({"top_p": 1.01}), "top_p", "from 0 to 1"),
            (
                json!({"cost_per_1m_tokens_in": -1}),
                "cost_per_1m_tokens_in",
                "from 0",
            ),
            (
                json!({"cost_per_1m_tokens_out": "inf"}),
                "cost_per_1m_tokens_out",
                "from 0",
            ),
            (
                json!({"custom_headers": {"TE": "x"}}),
                "custom_headers",
                "\"TE\"",
            ),
            (
                json!({"show_reasoning": "x"}),
                "show_reasoning",
                "true, false, 1 or 0",
            ),
            (
                json!({"cache_enabled": "x"}),
                "cache_enabled",
                "true, false, 1 or 0",
            ),
            (
                json!({"cache_ttl_seconds": 0}),
                "cache_ttl_seconds",
                "from 1 to 2592000",
            ),
            (
                json!({"join_calls": 2}),
                "join_calls",
                "true, false, 1 or 0",
            ),
            (json!({"cache_size": 1}), "cache_size", "not a known field"),
        ],
    );
    assert_refused(
        VirtualModelDraft::for_create,
        &[
            (json!({}), "name", "is required"),
            (json!({}), "endpoint_id", "is required"),
            (json!({}), "actual_model", "is required"),
        ],
    );
}

#[test]
fn tool_patterns() {
    assert_refused(
        ToolPatternDraft::for_update,
        &[
            (
                json!({"pattern_name": ""}),
                "pattern_name",
                "must not be empty",
            ),
            (
                json!({"pattern_type": "json"}),
                "pattern_type",
                "fence, inline, xml, bracket, action, calls, arguments,",
            ),
            (
                json!({"regex_pattern": ""}),
                "regex_pattern",
                "must not be empty",
            ),
            (
                json!({"regex_pattern": "ab(c"}),
                "regex_pattern",
                "unclosed group, at line 1, column 3",
            ),
            (
                json!({"regex_pattern": "a\n*b)"}),
                "regex_pattern",
                "at line 2, column 3",
            ),
            (
                json!({"regex_pattern": "(?=a)"}),
                "regex_pattern",
                "look-around",
            ),
            (
                json!({"regex_pattern": "(\\w{900}){900}"}),
                "regex_pattern",
                "the regular expression",
            ),
            (
                json!({"regex_pattern": "a*"}),
                "regex_pattern",
                "matches an empty text",
            ),
            (
                json!({"strength": "sure"}),
                "strength",
                "must be strong or weak",
            ),
            (
                json!({"regex_pattern": "x".repeat(4097)}),
                "regex_pattern",
                "at most 4096",
            ),
            (json!({"tool_name_group": 0}), "tool_name_group", "from 1"),
            (
                json!({"tool_name_mapping": "[]"}),
                "tool_name_mapping",
                "object of strings",
            ),
            (
                json!({"parameter_mapping": {"a": 1}}),
                "parameter_mapping",
                "object of strings",
            ),
        ],
    );
    let new = |with: Value| {
        let mut value = json!({"pattern_name": "p", "regex_pattern": "<(a)>"});
        let fields = with.as_object().unwrap().clone();
        value.as_object_mut().unwrap().extend(fields);
        value
    };
    assert_refused(
        ToolPatternDraft::for_create,
        &[
            (json!({}), "pattern_name", "is required"),
            (json!({}), "regex_pattern", "is required"),
            (
                new(json!({"pattern_type": "arguments"})),
                "tool_name_group",
                "set tool_name or tool_name_group",
            ),
            (
                new(json!({"pattern_type": "calls", "tool_name_group": 2})),
                "tool_name_group",
                "group 2, but the regular expression has 1",
            ),
            (
                new(json!({"parameter_mapping": {"2": "command"}})),
                "parameter_mapping",
                "group 2, but the regular expression has 1",
            ),
        ],
    );
    for good in [
        json!({"pattern_type": "arguments", "tool_name": "read"}),
        json!({"pattern_type": "arguments", "tool_name_group": 1, "strength": "weak"}),
        json!({"pattern_type": "calls", "parameter_mapping": {"2": "command"}}),
        json!({"parameter_mapping": {"1": "command", "file_path": "filePath"}}),
    ] {
        ToolPatternDraft::for_create(&new(good)).unwrap();
    }
    ToolPatternDraft::for_update(&json!({"tool_name_mapping": {"a": "b"}})).unwrap();
    ToolPatternDraft::for_update(&json!({"parameter_mapping": "{\"a\":\"b\"}"})).unwrap();
}

#[test]
fn tool_aliases() {
    assert_refused(
        ToolAliasDraft::for_create,
        &[
            (json!({}), "tool_name", "is required"),
            (json!({}), "parameter", "is required"),
            (
                json!({"tool_name": "t", "parameter": "p"}),
                "aliases",
                "must not be empty without a fill",
            ),
            (json!({"aliases": {"a": 1}}), "aliases", "list of strings"),
            (json!({"aliases": ["a", 1]}), "aliases", "list of strings"),
            (json!({"aliases": "a, b"}), "aliases", "list of strings"),
            (json!({"aliases": [" "]}), "aliases", "1 to 200"),
            (json!({"aliases": vec!["a"; 101]}), "aliases", "at most 100"),
            (json!({"fill": 1}), "fill", "must be a string"),
            (json!({"enabled": "on"}), "enabled", "true, false"),
            (json!({"tool": "t"}), "tool", "not a known field"),
        ],
    );
    for good in [
        json!({"tool_name": "t", "parameter": "p", "aliases": ["a"]}),
        json!({"tool_name": "t", "parameter": "p", "aliases": "[\"a\"]", "fill": null}),
        json!({"tool_name": "t", "parameter": "p", "fill": " x"}),
    ] {
        ToolAliasDraft::for_create(&good).unwrap();
    }
}

#[test]
fn repair_of_virtual_models() {
    assert_refused(
        VirtualModelDraft::for_update,
        &[
            (
                json!({"repair_tool_calls": "yes"}),
                "repair_tool_calls",
                "true, false",
            ),
            (
                json!({"repair_arguments": 2}),
                "repair_arguments",
                "true, false",
            ),
            (
                json!({"repair_history": null}),
                "repair_history",
                "true, false",
            ),
            (
                json!({"reasoning_form": "text"}),
                "reasoning_form",
                "field, inline",
            ),
            (json!({"thinking": "yes"}), "thinking", "tagged, held, open"),
            (
                json!({"repaired_comment": "x"}),
                "repaired_comment",
                "true, false",
            ),
            (
                json!({"keep_tool_text_bytes": 1023}),
                "keep_tool_text_bytes",
                "from 1024 to 16777216",
            ),
            (
                json!({"keep_tool_text_bytes": 16_777_217}),
                "keep_tool_text_bytes",
                "from 1024 to 16777216",
            ),
        ],
    );
    let good = json!({"keep_tool_text_bytes": null, "thinking": "held", "reasoning_form": ""});
    VirtualModelDraft::for_update(&good).unwrap();
}

#[test]
fn settings() {
    assert_refused(
        SettingsDraft::validate,
        &[
            (
                json!({"debug_mode": "full"}),
                "debug_mode",
                "not a known setting; known are",
            ),
            (
                json!({"auth_enabled": "false"}),
                "auth_enabled",
                "not a known setting",
            ),
            (json!({"api_port": "eighty"}), "api_port", "must be a port"),
            (json!({"api_port": 70000}), "api_port", "must be a port"),
            (
                json!({"use_ai_queue": "maybe"}),
                "use_ai_queue",
                "true or false",
            ),
            (
                json!({"ai_queue_url": "host"}),
                "ai_queue_url",
                "http or https URL",
            ),
            (
                json!({"default_model": ["a"]}),
                "default_model",
                "must be a string",
            ),
        ],
    );
}

#[test]
fn settings_are_written_cleared_and_checked_against_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let save = |value: &Value| store.save_settings(&SettingsDraft::validate(value).unwrap());
    save(&json!({"api_port": 9000, "use_ai_queue": true})).unwrap();
    save(&json!({"api_port": "9001"})).unwrap();
    let stored = store.settings().unwrap();
    assert_eq!(stored["api_port"], "9001");
    assert_eq!(stored["use_ai_queue"], "true");

    let both = json!({"default_model": "none", "flask_port": 9100});
    let error = save(&both).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("default_model: there is no virtual model"),
        "{error}"
    );
    assert!(
        !store.settings().unwrap().contains_key("flask_port"),
        "all or nothing"
    );

    save(&json!({"api_port": null, "use_ai_queue": ""})).unwrap();
    assert!(store.settings().unwrap().is_empty());
}
