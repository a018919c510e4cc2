//! The way back behind a small form of a list: to the list as it was, with what was done.

use actix_web::HttpResponse;
use url::form_urlencoded;

use super::form::Posted;
use super::notice::Notice;
use super::{own_path, see_other};

/// The field with the address to go back to.
const BACK: &str = "back";

/// Sends the browser to where the form says, or else to `usual`.
pub(crate) fn to(posted: &Posted, usual: &str, notice: Notice) -> HttpResponse {
    let asked = own_path::checked(posted.get(BACK)).unwrap_or(usual);
    see_other(&notice.at(&without_notice(asked)))
}

/// `path` without the notice of an earlier step.
fn without_notice(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "notice" {
            kept.append_pair(&name, &value);
        }
    }
    let kept = kept.finish();
    if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{kept}")
    }
}

#[cfg(test)]
mod tests {
    use super::without_notice;

    #[test]
    fn one_notice_is_enough() {
        for (path, kept) in [
            ("/a", "/a"),
            ("/a?notice=saved", "/a"),
            ("/a?q=x%26y&notice=saved&page=2", "/a?q=x%26y&page=2"),
        ] {
            assert_eq!(without_notice(path), kept);
        }
    }
}
