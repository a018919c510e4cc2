-- A database as release 2.4.1 seeded and filled it.
CREATE TABLE endpoints (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    api_key TEXT,
    endpoint_type TEXT DEFAULT 'ollama',
    custom_headers TEXT,
    priority INTEGER DEFAULT 0,
    enabled INTEGER DEFAULT 1,
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    updated_at INTEGER DEFAULT (strftime('%s', 'now'))
);
CREATE TABLE virtual_models (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    endpoint_id INTEGER NOT NULL,
    actual_model TEXT NOT NULL,
    description TEXT,
    cost_per_1m_tokens_in REAL DEFAULT 0,
    cost_per_1m_tokens_out REAL DEFAULT 0,
    cost_per_1m_tokens_in_cached REAL DEFAULT 0,
    cost_per_1m_tokens_out_cached REAL DEFAULT 0,
    disable_streaming INTEGER DEFAULT 0,
    force_non_streaming INTEGER DEFAULT 0,
    custom_headers TEXT,
    enabled INTEGER DEFAULT 1,
    max_tokens INTEGER DEFAULT 0,
    temperature REAL DEFAULT 0,
    top_p REAL DEFAULT 1.0,
    system_prompt TEXT,
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    updated_at INTEGER DEFAULT (strftime('%s', 'now')),
    show_reasoning INTEGER DEFAULT 1,
    FOREIGN KEY (endpoint_id) REFERENCES endpoints (id)
);
CREATE TABLE request_usage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    virtual_model TEXT NOT NULL,
    endpoint_name TEXT,
    endpoint_id INTEGER,
    request_type TEXT DEFAULT 'chat',
    prompt_tokens INTEGER DEFAULT 0,
    completion_tokens INTEGER DEFAULT 0,
    total_tokens INTEGER DEFAULT 0,
    cached_input_tokens INTEGER DEFAULT 0,
    cache_creation_tokens INTEGER DEFAULT 0,
    cost_estimate REAL DEFAULT 0,
    cost_in REAL DEFAULT 0,
    cost_out REAL DEFAULT 0,
    cached_cost_estimate REAL DEFAULT 0,
    response_time_ms INTEGER DEFAULT 0,
    created_at INTEGER DEFAULT (strftime('%s', 'now'))
);
CREATE TABLE embedding_usage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    virtual_model TEXT NOT NULL,
    endpoint_name TEXT,
    endpoint_id INTEGER,
    input_tokens INTEGER DEFAULT 0,
    output_tokens INTEGER DEFAULT 0,
    total_tokens INTEGER DEFAULT 0,
    cost_estimate REAL DEFAULT 0,
    response_time_ms INTEGER DEFAULT 0,
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    cost_in REAL DEFAULT 0,
    cost_out REAL DEFAULT 0
);
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at INTEGER DEFAULT (strftime('%s', 'now'))
);
CREATE TABLE tool_patterns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pattern_name TEXT NOT NULL UNIQUE,
    pattern_type TEXT NOT NULL,
    regex_pattern TEXT NOT NULL,
    tool_name TEXT,
    tool_name_group INTEGER,
    tool_name_json_path TEXT,
    tool_name_mapping TEXT,
    parameter_mapping TEXT,
    enabled INTEGER DEFAULT 1,
    priority INTEGER DEFAULT 0,
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    updated_at INTEGER DEFAULT (strftime('%s', 'now'))
);
CREATE INDEX idx_request_usage_virtual_model ON request_usage (virtual_model);
CREATE INDEX idx_request_usage_created_at ON request_usage (created_at);
INSERT INTO endpoints (id, name, url, api_key, endpoint_type) VALUES
    (1, 'webui', 'http://127.0.0.1:3000', 'sk-example-00001234', 'openwebui');
INSERT INTO virtual_models (id, name, endpoint_id, actual_model, show_reasoning, max_tokens,
    temperature, top_p, cost_per_1m_tokens_in) VALUES
    (1, 'chat', 1, 'qwen3:8b', 0, 0, 0.3, 1.0, 0.5);
INSERT INTO request_usage (virtual_model, prompt_tokens, created_at) VALUES
    ('chat', 3, 1770000000);
INSERT INTO settings (key, value) VALUES
    ('api_port', '8002'), ('flask_port', '5001'), ('use_ai_queue', 'false'),
    ('payload_audit_enabled', 'false'), ('auth_enabled', 'false');
