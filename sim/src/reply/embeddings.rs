//! Embeddings, as numbers or as base64 of little-endian 32-bit floats.

use crate::base64;
use crate::script::{Empty, Script, Usage};
use crate::validate::Facts;
use crate::vendor::Flavor;

/// Numbers in a vector when the request names no size.
const DIMENSIONS: usize = 8;

/// The whole answer.
pub(super) fn whole(flavor: Flavor, facts: &Facts, script: &Script) -> String {
    let vectors = if script.empty.is_some_and(|empty| empty != Empty::Body) {
        0
    } else {
        facts.inputs
    };
    let data: Vec<String> = (0..vectors)
        .map(|index| {
            let vector = vector(index, facts.dimensions.unwrap_or(DIMENSIONS));
            let vector = if facts.base64 {
                let bytes: Vec<u8> = vector
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                format!("\"{}\"", base64::encode(&bytes))
            } else {
                json(&vector)
            };
            format!(r#"{{"object":"embedding","index":{index},"embedding":{vector}}}"#)
        })
        .collect();
    // Together's specification has no usage here.
    let usage = if flavor == Flavor::Together || script.usage == Usage::None {
        String::new()
    } else {
        let tokens = match script.usage {
            Usage::Zero => 0,
            Usage::Huge => 1 << 40,
            Usage::Vendor | Usage::None | Usage::Cached | Usage::Finish | Usage::Every => {
                facts.prompt_tokens
            }
        };
        format!(r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#)
    };
    format!(
        r#"{{"object":"list","data":[{}],"model":{}{usage}{}}}"#,
        data.join(","),
        super::chat::model(flavor, facts),
        super::chat::unknown(script)
    )
}

/// The vector of the input with that index, as JSON.
pub(super) fn numbers(index: usize, dimensions: Option<usize>) -> String {
    json(&vector(index, dimensions.unwrap_or(DIMENSIONS)))
}

fn json(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// The vector of the input with that index: multiples of 1/64, exact in any notation.
fn vector(index: usize, dimensions: usize) -> Vec<f32> {
    (0..dimensions)
        .map(|at| {
            let step = u8::try_from((index * 17 + at * 31) % 128).unwrap_or_default();
            f32::from(step) / 64.0 - 1.0
        })
        .collect()
}
