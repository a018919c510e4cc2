//! The test bench: what a model wrote, tried against the patterns, with every part that one
//! of them took marked.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use store::FieldErrors;
use wire::normaliser::Field;

use crate::admin::Admin;
use crate::api::tool_patterns::test::{Part, Shown, Tried, tried};
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::page_with;
use crate::pages::row_form::refusal;
use crate::pages::section::Section;
use crate::pages::shell::Shell;

/// The tools that a bench begins with.
const TOOLS: &str = r#"[
  {
    "type": "function",
    "function": {
      "name": "bash",
      "parameters": {
        "type": "object",
        "properties": { "command": { "type": "string" } },
        "required": ["command"]
      }
    }
  }
]"#;

#[derive(Template)]
#[template(path = "patterns/bench.html")]
struct Page {
    shell: Shell,
    tab: &'static str,
    form: Form,
    bench: Option<Bench>,
}

/// What came of a trial.
pub(super) struct Bench {
    pub(super) shown: Shown,
    /// The reasoning and the text, with their marks.
    pub(super) fields: Vec<Marked>,
}

/// A field of the sample, in pieces.
pub(super) struct Marked {
    pub(super) name: &'static str,
    pub(super) pieces: Vec<Piece>,
}

/// A piece of the sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// What a piece is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Text.
    No,
    /// A pattern made so many calls of it.
    Call { pattern: String, calls: usize },
    /// A pattern began here, and why it is no call.
    Near { pattern: String, why: String },
}

/// A form with the fields of the bench as they begin.
pub(super) fn begin(form: Form) -> Form {
    form.with("bench_tools", TOOLS)
        .with("bench_thinking", "held")
        .with("bench_kind", "text")
}

pub(super) async fn ask(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    crate::pages::page(&page(&req, begin(Form::default()), None))
}

pub(super) async fn answer(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (status, errors, bench) = outcome(run(&admin, &posted, None).await)?;
    page_with(status, &page(&req, Form::refused(&posted, errors), bench))
}

fn page(req: &HttpRequest, form: Form, bench: Option<Bench>) -> Page {
    Page {
        shell: Shell::of(req, Section::Patterns),
        tab: "bench",
        form,
        bench,
    }
}

/// What a page shows of a trial, or of why there was none.
pub(super) fn outcome(
    ran: Result<Bench, ApiError>,
) -> Result<(StatusCode, FieldErrors, Option<Bench>), ApiError> {
    match ran {
        Ok(bench) => Ok((StatusCode::OK, FieldErrors::new(), Some(bench))),
        Err(error) => {
            let (status, errors) = refusal(error, "pattern_name")?;
            Ok((status, errors, None))
        }
    }
}

/// Tries what the bench's fields hold, with the unsaved `row` beside the stored ones.
pub(super) async fn run(
    admin: &Admin,
    posted: &Posted,
    row: Option<Map<String, Value>>,
) -> Result<Bench, ApiError> {
    let body = body(posted, row)?;
    let tried = admin
        .on_store(move |store| {
            let value = serde_json::from_str(&body).unwrap_or(Value::Null);
            tried(store, &value, body.as_bytes())
        })
        .await;
    match tried {
        Ok(tried) => Ok(Bench::of(tried)),
        Err(error) => Err(renamed(&error.into_fields()?).into()),
    }
}

/// The question as the JSON API has it. The tools go in as they are typed: the order of
/// parameters counts.
fn body(posted: &Posted, row: Option<Map<String, Value>>) -> Result<String, FieldErrors> {
    let tools = posted.get("bench_tools");
    let tools = if tools.is_empty() { "[]" } else { tools };
    if let Err(error) = serde_json::from_str::<&RawValue>(tools) {
        return Err(FieldErrors::one(
            "bench_tools",
            format!("is not JSON: {error}"),
        ));
    }
    let typed = posted.object(&["bench_text"]);
    let typed = typed["bench_text"].as_str().unwrap_or_default();
    let kind = if posted.get("bench_kind") == "stream" {
        "stream"
    } else {
        "text"
    };
    let thinking = posted.get("bench_thinking");
    let patterns = row.map_or_else(Vec::new, |mut row| {
        // It is to be tried whether it is switched on or not.
        row.insert("enabled".to_owned(), json!(true));
        vec![Value::Object(row)]
    });
    Ok(format!(
        r#"{{"{kind}":{},"tools":{tools},"patterns":{},"only":{},"thinking":{}}}"#,
        json!(typed),
        json!(patterns),
        posted.is_on("bench_only"),
        json!(Some(thinking).filter(|thinking| !thinking.is_empty())),
    ))
}

/// The errors of the question under the names that the form's fields have.
fn renamed(errors: &FieldErrors) -> FieldErrors {
    let mut renamed = FieldErrors::new();
    for (field, why) in errors.iter() {
        let name = match field {
            "text" | "stream" => "bench_text",
            "thinking" => "bench_thinking",
            field if field.starts_with("tools") => {
                renamed.add("bench_tools", format!("{field}: {why}"));
                continue;
            }
            field => field.strip_prefix("patterns[0].").unwrap_or(field),
        };
        renamed.add(name, why);
    }
    renamed
}

impl Bench {
    fn of(tried: Tried) -> Self {
        let Tried { shown, sample } = tried;
        let marked = |field: Field| {
            let text = sample.field(field);
            (!text.is_empty()).then(|| Marked {
                name: match field {
                    Field::Text => "Text",
                    Field::Reasoning => "Reasoning",
                },
                pieces: pieces(text, marks(&shown, field)),
            })
        };
        let fields = [Field::Reasoning, Field::Text].into_iter();
        Self {
            fields: fields.filter_map(marked).collect(),
            shown,
        }
    }
}

/// Where the parts of a field are, in bytes, and what they are.
fn marks(shown: &Shown, field: Field) -> Vec<(usize, usize, Mark)> {
    let of_field = |part: &Part| part.field == field.id();
    let calls = shown.matches.iter().filter(|found| of_field(&found.part));
    let calls = calls.map(|found| {
        let mark = Mark::Call {
            pattern: found.part.pattern.clone(),
            calls: found.calls,
        };
        (found.part.start, found.part.end, mark)
    });
    let near = shown.near.iter().filter(|near| of_field(&near.part));
    let near = near.map(|near| {
        let mark = Mark::Near {
            pattern: near.part.pattern.clone(),
            why: near.why.clone(),
        };
        (near.part.start, near.part.end, mark)
    });
    // Calls first: what nearly was one inside of them has no mark.
    calls.chain(near).collect()
}

/// The text in pieces; a mark that runs into an earlier one is left out.
fn pieces(text: &str, marks: Vec<(usize, usize, Mark)>) -> Vec<Piece> {
    let mut taken: Vec<(usize, usize, Mark)> = Vec::new();
    for (start, end, mark) in marks {
        let free = taken
            .iter()
            .all(|(from, to, _)| end <= *from || *to <= start);
        if free && start < end && text.get(start..end).is_some() {
            taken.push((start, end, mark));
        }
    }
    taken.sort_by_key(|(start, _, _)| *start);
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut push = |from: usize, to: usize, mark: Mark| {
        let text = text.get(from..to).unwrap_or_default();
        if !text.is_empty() {
            pieces.push(Piece {
                text: text.to_owned(),
                mark,
            });
        }
    };
    for (start, end, mark) in taken {
        push(at, start, Mark::No);
        push(start, end, mark);
        at = end;
    }
    push(at, text.len(), Mark::No);
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Mark, pieces};

    fn call() -> Mark {
        Mark::Call {
            pattern: "p".to_owned(),
            calls: 1,
        }
    }

    #[test]
    fn pieces_are_the_text_and_marks_never_overlap() {
        let text = "höre <call> und <call>";
        for (marks, expected) in [
            (vec![], vec![(text, false)]),
            (vec![(0, 23, call())], vec![(text, true)]),
            (
                vec![(17, 23, call()), (6, 12, call()), (8, 20, call())],
                vec![
                    ("höre ", false),
                    ("<call>", true),
                    (" und ", false),
                    ("<call>", true),
                ],
            ),
            // Inside of a character, behind the end, and nothing at all.
            (
                vec![(2, 5, call()), (20, 99, call()), (4, 4, call())],
                vec![(text, false)],
            ),
        ] {
            let found = pieces(text, marks);
            let found: Vec<_> = found
                .iter()
                .map(|piece| (piece.text.as_str(), piece.mark != Mark::No))
                .collect();
            assert_eq!(found, expected);
        }
    }
}
