//! Every virtual model: can it be served, is its model there, has it a price.

use store::{Snapshot, VirtualModel};
use wire::provider::ProviderKind;

use super::backends::Lists;
use super::verdict::Section;

/// Looks at all of them.
pub(super) fn look(snapshot: &Snapshot, lists: &Lists) -> Section {
    let mut section = Section::new("Virtual models");
    let mut models: Vec<_> = snapshot.models.values().collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    if models.is_empty() {
        section.note(
            "there is none, so nothing can be called",
            "add one in the admin app, or import a configuration",
        );
        return section;
    }
    let on = models.iter().filter(|model| model.enabled).count();
    for model in &models {
        if model.enabled {
            served(snapshot, model, lists, &mut section);
        }
    }
    let unpriced: Vec<_> = models
        .iter()
        .filter(|model| model.enabled)
        .filter(|model| {
            model.cost_per_1m_tokens_in.is_none() || model.cost_per_1m_tokens_out.is_none()
        })
        .map(|model| format!("{:?}", model.name))
        .collect();
    if !unpriced.is_empty() {
        section.note(
            format!("without a price: {}", unpriced.join(", ")),
            "set their prices, or 0 where they are free; until then their calls have no cost, \
             and limits of money do not see them",
        );
    }
    if let Some(name) = &snapshot.default_model
        && snapshot.models.get(name).is_none_or(|model| !model.enabled)
    {
        section.warning(
            format!("the default model {name:?} is switched off"),
            "choose another one in the settings",
        );
    }
    if section.verdicts.is_empty() {
        section.ok(format!("{on} can be called"));
    }
    section
}

fn served(snapshot: &Snapshot, model: &VirtualModel, lists: &Lists, section: &mut Section) {
    let name = format!("{:?}", model.name);
    let usable = |model: &VirtualModel| {
        let at = snapshot
            .endpoints
            .iter()
            .find(|endpoint| endpoint.id == model.endpoint_id);
        model.enabled && at.is_some_and(|endpoint| endpoint.enabled)
    };
    let targets: Vec<_> = model
        .routing
        .targets
        .iter()
        .filter_map(|target| snapshot.models_by_id.get(&target.virtual_model_id))
        .collect();
    let off: Vec<_> = targets
        .iter()
        .filter(|target| !usable(target))
        .map(|target| format!("{:?}", target.name))
        .collect();
    if !usable(model) {
        if targets.iter().any(|target| usable(target)) {
            section.warning(
                format!("{name}: its own endpoint is switched off; only its targets serve it"),
                "switch the endpoint on, or make one of the targets the model itself",
            );
        } else {
            section.error(
                format!("{name}: its endpoint is switched off, and nobody stands in for it"),
                "switch the endpoint on, or the virtual model off",
            );
        }
    }
    if !off.is_empty() {
        section.warning(
            format!(
                "{name}: among its targets are some that are switched off: {}",
                off.join(", ")
            ),
            "switch them or their endpoints on, or take them out",
        );
    }
    let endpoint = snapshot
        .endpoints
        .iter()
        .find(|endpoint| endpoint.id == model.endpoint_id);
    if let (Some(endpoint), Some(list)) = (endpoint, lists.get(&model.endpoint_id))
        && !has(list, &model.actual_model, endpoint.provider)
    {
        section.warning(
            format!(
                "{name}: {:?} has no model {:?}",
                endpoint.name, model.actual_model
            ),
            if endpoint.provider == ProviderKind::Ollama {
                "pull it, or choose one that is there"
            } else {
                "choose one that is there; some providers do not list all they have"
            },
        );
    }
}

/// Whether a list has the model. Ollama's names end in a tag, which may be left out.
fn has(list: &[String], model: &str, provider: ProviderKind) -> bool {
    let is_there = |name: &str| list.iter().any(|listed| listed == name);
    let tagged = provider == ProviderKind::Ollama && !model.contains(':');
    is_there(model) || (tagged && is_there(&format!("{model}:latest")))
}

#[cfg(test)]
mod tests {
    use wire::provider::ProviderKind;

    use super::has;

    #[test]
    fn ollamas_tags_may_be_left_out() {
        let list = ["llama3:latest".to_owned(), "qwen3:8b".to_owned()];
        for (model, provider, expected) in [
            ("llama3", ProviderKind::Ollama, true),
            ("llama3:latest", ProviderKind::Ollama, true),
            ("qwen3", ProviderKind::Ollama, false),
            ("qwen3:8b", ProviderKind::Ollama, true),
            ("llama3", ProviderKind::OpenAi, false),
        ] {
            assert_eq!(has(&list, model, provider), expected, "{model}");
        }
    }
}
