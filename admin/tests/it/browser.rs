//! What a browser without a script does with a page: its forms are filled in and sent as
//! they stand there.

use reqwest::{Response, StatusCode, header};

use crate::harness::App;
use crate::people::Person;

/// A form of a page, filled in as the page has it.
pub(crate) struct PageForm {
    action: String,
    fields: Vec<(String, String)>,
}

/// The answer to a form.
pub(crate) struct Sent {
    pub(crate) status: StatusCode,
    /// Where a browser would go on.
    pub(crate) location: Option<String>,
    pub(crate) page: String,
}

impl PageForm {
    /// The form of `page` that goes to `action`.
    pub(crate) fn of(page: &str, action: &str) -> Self {
        let mut forms = page.split("<form ").skip(1);
        let form = forms
            .find(|form| attribute(tag(form), "action").as_deref() == Some(action))
            .unwrap_or_else(|| panic!("no form goes to {action}: {page}"));
        let form = form.split("</form>").next().unwrap();
        let mut fields = Vec::new();
        for (at, _) in form.match_indices('<') {
            let rest = &form[at + 1..];
            if rest.starts_with("input ") {
                fields.extend(input(tag(rest)));
            } else if rest.starts_with("textarea ") {
                let name = attribute(tag(rest), "name").unwrap();
                let text = rest[tag(rest).len() + 1..].split("</textarea>").next();
                // The first line end is not of the text.
                let text = text.unwrap();
                fields.push((name, plain(text.strip_prefix('\n').unwrap_or(text))));
            } else if rest.starts_with("select ") {
                let name = attribute(tag(rest), "name").unwrap();
                fields.push((name, chosen(rest.split("</select>").next().unwrap())));
            }
        }
        Self {
            action: action.to_owned(),
            fields,
        }
    }

    /// With another text in a field, a box ticked (`1`) or not (``), or a button used.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, old)| own != name || old == "0");
        if !(value.is_empty() && self.fields.iter().any(|(own, _)| own == name)) {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// What a field holds.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut found = self.fields.iter().rev().filter(|(own, _)| own == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// Every value of the fields with this name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let own = self.fields.iter().filter(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str()).collect()
    }

    /// With the texts of the fields of one name, from the first on.
    pub(crate) fn with_all(mut self, name: &str, values: &[&str]) -> Self {
        let own = self.fields.iter_mut().filter(|(own, _)| own == name);
        let mut own: Vec<_> = own.collect();
        assert!(
            own.len() >= values.len(),
            "{name} is there {} times",
            own.len()
        );
        for (field, value) in own.iter_mut().zip(values) {
            field.1 = (*value).to_owned();
        }
        self
    }

    /// Sends it by a button.
    pub(crate) async fn send_with(&self, app: &App, button: &str, value: &str) -> Sent {
        let used = Self {
            action: self.action.clone(),
            fields: self.fields.clone(),
        };
        used.with(button, value).send(app).await
    }

    /// Sends it as somebody who is logged in, and gives the page that answers.
    pub(crate) async fn send_as(&self, app: &App, person: &Person) -> String {
        let fields = self.fields.iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = app
            .form(&self.action, &fields)
            .header("accept", "text/html")
            .header("cookie", &person.cookie);
        request.send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn send(&self, app: &App) -> Sent {
        let fields: Vec<(&str, &str)> = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = app.form(&self.action, &fields);
        let response = request.header("accept", "text/html").send().await.unwrap();
        let status = response.status();
        let location = location(&response);
        let page = response.text().await.unwrap();
        Sent {
            status,
            location,
            page,
        }
    }
}

impl Sent {
    /// That it led on to `path`, with or without a notice.
    pub(crate) fn leads_to(&self, path: &str) {
        assert_eq!(self.status, 303, "{}", self.page);
        let location = self.location.as_deref().unwrap();
        let location = location.split("notice=").next().unwrap();
        assert_eq!(location.trim_end_matches(['?', '&']), path);
    }

    /// What stands beside a field that was refused.
    pub(crate) fn error(&self, field: &str) -> Option<String> {
        let start = format!("id=\"{field}-error\">");
        let (_, rest) = self.page.split_once(&start)?;
        Some(plain(rest.split("</span>").next()?))
    }
}

/// The text without marks.
pub(crate) fn plain(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

fn location(response: &Response) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?;
    Some(location.to_str().unwrap().to_owned())
}

/// A tag up to its end; values are escaped, so that the first `>` is it.
fn tag(text: &str) -> &str {
    text.split('>').next().unwrap()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(plain(rest.split('"').next()?))
}

fn input(tag: &str) -> Option<(String, String)> {
    let kind = attribute(tag, "type").unwrap_or_default();
    let is_box = kind == "checkbox" || kind == "radio";
    if kind == "file" || (is_box && !tag.ends_with("checked") && !tag.contains(" checked ")) {
        return None;
    }
    let value = attribute(tag, " value").unwrap_or_default();
    Some((attribute(tag, " name")?, value))
}

fn chosen(select: &str) -> String {
    let mut options = select.split("<option ").skip(1);
    let first = options.clone().next();
    let option = options.find(|option| tag(option).ends_with(" selected"));
    let option = option.or(first).unwrap();
    attribute(tag(option), "value").unwrap()
}
