#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

#[test]
fn what_is_not_an_object_is_refused() {
    for body in ["", "[]", "7", "{", "\"x\"", "{\"messages\":[]}", "{}"] {
        assert!(read_chat(body.as_bytes()).is_err(), "{body}");
    }
    let chat = read_chat(br#"{"messages":[{"role":"user","content":"hi"}]}"#).unwrap();
    assert_eq!(chat.messages[0].at, "messages[0]");
}
