//! The head of a part, and the parameters of header values.

/// What a part's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: String,
    /// Its value is not as it stands.
    pub(super) is_encoded: bool,
}

impl PartHead {
    /// Reads a head without the empty line behind it; `None` for one whose name two readers
    /// could read differently.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let head = str::from_utf8(head).ok()?;
        let mut name = None;
        let mut is_encoded = false;
        for line in head.split("\r\n") {
            // Neither folded lines nor line ends of another kind.
            if line.starts_with([' ', '\t']) || line.contains(['\r', '\n', '\0']) {
                return None;
            }
            let (field, value) = line.split_once(':')?;
            if field.ends_with([' ', '\t']) {
                return None;
            }
            if field.eq_ignore_ascii_case("content-disposition") {
                if name.is_some() {
                    return None;
                }
                name = Some(name_of(value)?);
            } else if field.eq_ignore_ascii_case("content-transfer-encoding") {
                let plain = ["7bit", "8bit", "binary"];
                let value = value.trim();
                is_encoded = !plain.iter().any(|name| value.eq_ignore_ascii_case(name));
            }
        }
        Some(Self {
            name: name?,
            is_encoded,
        })
    }
}

/// The one name of a disposition.
fn name_of(value: &str) -> Option<String> {
    let (kind, parameters) = parameters(value)?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return None;
    }
    // RFC 7578 has no `name*`, and some read it all the same.
    let is_name = |name: &str| name == "name" || name.starts_with("name*");
    let mut named = parameters.into_iter().filter(|(name, _)| is_name(name));
    match (named.next(), named.next()) {
        (Some((key, value)), None) if key == "name" => Some(value),
        _ => None,
    }
}

/// A value, and its parameters with names in lower case; quotes and the backslashes in them
/// are resolved. `None` when it is not made like that.
pub(super) fn parameters(value: &str) -> Option<(&str, Vec<(String, String)>)> {
    let (kind, mut rest) = match value.split_once(';') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (value, None),
    };
    let mut found = Vec::new();
    while let Some(text) = rest.map(|text| text.trim_start_matches([' ', '\t'])) {
        if text.is_empty() {
            break;
        }
        let (name, after) = text.split_once('=')?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b';');
        if !is_name {
            return None;
        }
        let (value, behind) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            let (value, behind) = after.split_at(end);
            (value.trim_end_matches([' ', '\t']).to_owned(), behind)
        };
        found.push((name.to_ascii_lowercase(), value));
        let behind = behind.trim_start_matches([' ', '\t']);
        rest = match behind.strip_prefix(';') {
            Some(more) => Some(more),
            None if behind.is_empty() => None,
            None => return None,
        };
    }
    Some((kind.trim(), found))
}

/// A quoted text without its first quote: what it says, and what stands behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut said = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((said, rest.as_str())),
            '\\' => said.push(rest.next()?),
            other => said.push(other),
        }
    }
}
