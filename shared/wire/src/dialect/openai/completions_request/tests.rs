#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

#[test]
fn every_prompt_becomes_a_chat_with_the_settings() {
    let completion = read_completion(
        br#"{"model":"m","prompt":["a","b"],"n":2,"best_of":2,"stop":"x","temperature":0,"logprobs":0,"stream":true,"stream_options":{"include_usage":true},"user":"u","logit_bias":{}}"#,
    )
    .unwrap();
    let chats = completion.to_chats().unwrap();
    assert_eq!(chats.len(), 2);
    for (chat, text) in chats.iter().zip(["a", "b"]) {
        assert_eq!(chat.messages[0].parts, [Part::text(text)]);
        assert_eq!(chat.messages[0].role, Role::User);
        assert_eq!((chat.n, chat.logprobs), (Some(2), Some(0)));
        assert_eq!((chat.max_tokens, chat.stream), (Some(16), true));
        assert_eq!(chat.stop, ["x"]);
        assert_eq!(chat.left_out, ["logit_bias"]);
    }
}

#[test]
fn the_models_default_length_goes_before_the_sixteen() {
    let mut completion = read_completion(br#"{"prompt":"a","echo":true}"#).unwrap();
    completion.apply(&Defaults {
        max_tokens: Some("200".into()),
        ..Defaults::default()
    });
    assert!(completion.echo);
    assert_eq!(completion.to_chats().unwrap()[0].max_tokens, Some(200));
}

#[test]
fn a_suffix_is_refused_only_where_it_is_to_be_chatted() {
    let completion = read_completion(br#"{"prompt":"a","suffix":"z"}"#).unwrap();
    assert_eq!(completion.suffix.as_deref(), Some("z"));
    assert_eq!(completion.to_chats().unwrap_err().param, "suffix");
}

#[test]
fn what_only_completions_can_is_refused_with_its_field() {
    for (body, param, message) in [
        ("{}", "prompt", "is required"),
        (r#"{"prompt":null}"#, "prompt", "is required"),
        (r#"{"prompt":[]}"#, "prompt", "non-empty"),
        (r#"{"prompt":7}"#, "prompt", "must be a string"),
        (r#"{"prompt":[1,2]}"#, "prompt", "token ids"),
        (r#"{"prompt":[[1,2]]}"#, "prompt", "token ids"),
        (r#"{"prompt":["a",2]}"#, "prompt[1]", "must be a string"),
        (r#"{"prompt":"a","best_of":2}"#, "best_of", "above 'n'"),
        (
            r#"{"prompt":"a","echo":true,"logprobs":1}"#,
            "echo",
            "logprobs",
        ),
        (
            r#"{"prompt":"a","logprobs":true}"#,
            "logprobs",
            "whole number",
        ),
        (
            r#"{"prompt":"a","max_tokens":-1}"#,
            "max_tokens",
            "whole number",
        ),
    ] {
        let err = read_completion(body.as_bytes()).unwrap_err();
        assert_eq!(err.param.as_deref(), Some(param), "{body}: {err}");
        assert!(err.message.contains(message), "{body}: {err}");
    }
    let many = format!(r#"{{"prompt":[{}]}}"#, vec!["\"a\""; 2049].join(","));
    assert!(
        read_completion(many.as_bytes())
            .unwrap_err()
            .message
            .contains("2048")
    );
}
