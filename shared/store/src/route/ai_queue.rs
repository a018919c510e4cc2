//! The AI queue as an endpoint that takes every model name.

use wire::dialect::runpod::Worker;
use wire::provider::{ProviderKind, Responses};

use crate::endpoint::{DeniedBetas, Endpoint, EndpointTimes};
use crate::limits::Limits;
use crate::virtual_model::{Caching, Repair, Routing, VirtualModel};

/// The id of what has no row: no row has it.
pub const NO_ROW: i64 = 0;

/// Longest name in bytes that is passed on.
const LONGEST: usize = 200;

/// Whether `name` may be passed on: a longer one is no name any more.
pub fn takes(name: &str) -> bool {
    name.len() <= LONGEST
}

/// The endpoint that `USE_AI_QUEUE` adds, at `url`.
pub fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        id: NO_ROW,
        name: "AI queue".to_owned(),
        url: url.to_owned(),
        api_key: None,
        provider: ProviderKind::Queue,
        custom_headers: Vec::new(),
        priority: 0,
        enabled: true,
        ca_file: None,
        tls_insecure: false,
        health_check_url: None,
        times: EndpointTimes::default(),
        worker_form: Worker::default(),
        responses: Responses::default(),
        denied_betas: DeniedBetas::default(),
        limits: Limits::default(),
        created_at: 0,
        updated_at: 0,
    }
}

/// The virtual model that stands for a name which none has: it goes to the queue as
/// it is.
pub fn passed_on(name: &str) -> VirtualModel {
    VirtualModel {
        id: NO_ROW,
        name: name.to_owned(),
        endpoint_id: NO_ROW,
        actual_model: name.to_owned(),
        description: None,
        cost_per_1m_tokens_in: None,
        cost_per_1m_tokens_out: None,
        cost_per_1m_tokens_in_cached: None,
        cost_per_1m_tokens_out_cached: None,
        cost_per_1m_tokens_cache_write: None,
        cost_per_1m_tokens_cache_write_1h: None,
        disable_streaming: false,
        force_non_streaming: false,
        custom_headers: Vec::new(),
        enabled: true,
        max_tokens: None,
        temperature: None,
        top_p: None,
        system_prompt: None,
        show_reasoning: true,
        queue_priority: None,
        auto_cache: false,
        capture_bodies: false,
        inline_system: false,
        keep_alive: None,
        num_ctx: None,
        repair: Repair::default(),
        caching: Caching::default(),
        routing: Routing::default(),
        limits: Limits::default(),
        created_at: 0,
        updated_at: 0,
    }
}
