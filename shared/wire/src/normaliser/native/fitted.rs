//! Arguments that are JSON, made to fit the schema of their tool.

use crate::normaliser::alias::Alias;
use crate::normaliser::json;
use crate::normaliser::tools::Tool;
use crate::normaliser::value::Value;

/// The arguments that fit, when those in `text` do not and can be made to.
pub(super) fn fitted(tool: &Tool, aliases: &[Alias], text: &str) -> Option<String> {
    let Value::Object(mut members) = json::whole(text)?.value else {
        return None;
    };
    let mut renamed = false;
    for alias in aliases.iter().filter(|alias| alias.is_for(&tool.name)) {
        renamed |= alias.apply(&tool.schema, &mut members);
    }
    let fit = tool.schema.fit(Value::Object(members));
    if !fit.problems.is_empty() || !(fit.changed || renamed) {
        return None;
    }
    let mut text = String::new();
    fit.arguments.write(&mut text);
    Some(text)
}
