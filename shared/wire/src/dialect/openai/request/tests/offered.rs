//! Tools that are offered.

use super::*;

#[test]
fn the_tool_that_is_named_is_offered_alone_where_its_name_is_not_heeded() {
    let (model, none) = (Bytes::from_static(b"\"m\""), Defaults::default());
    let tool = |name: &str| format!(r#"{{"type":"function", "function":{{"name":"{name}"}}}}"#);
    let long = "x".repeat(70_000);
    for (choice, offered) in [
        (r#"{"type":"function","function":{"name":"b"}}"#, vec!["b"]),
        (
            r#"{"type":"function","function":{"name":"c"}}"#,
            vec!["a", "b"],
        ),
        (r#"{"type":"custom","custom":{"name":"b"}}"#, vec!["a", "b"]),
        (r#""required""#, vec!["a", "b"]),
        (r#"{}"#, vec!["a", "b"]),
    ] {
        for words in ["x", &long] {
            let list = |names: &[&str]| names.iter().map(|name| tool(name)).collect::<Vec<_>>();
            let body = |names: &[&str], list: Vec<String>| {
                assert_eq!(names.len(), list.len());
                format!(
                    r#"{{"model":"m","tools":[{}],"messages":[{{"role":"user","content":"{words}"}}],"tool_choice":{choice}}}"#,
                    list.join(",")
                )
            };
            let sent = Bytes::from(body(&["a", "b"], list(&["a", "b"])));
            let request = Request::read(Call::Chat, &sent).unwrap();
            let target = Target {
                only_named: true,
                ..plain(&model, &none)
            };
            let out = request.upstream_body(&sent, &target).to_bytes();
            assert_eq!(out, body(&offered, list(&offered)), "{choice}");
            let same = request
                .upstream_body(&sent, &plain(&model, &none))
                .to_bytes();
            assert_eq!(same, sent);
        }
    }
}
