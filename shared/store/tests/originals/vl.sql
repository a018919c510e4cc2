-- A database as the newest server wrote it: more columns and tables than this program knows.
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
    updated_at INTEGER DEFAULT (strftime('%s', 'now')),
    health_check_url TEXT DEFAULT '',
    oauth_enabled INTEGER DEFAULT 0,
    oauth_client_secret TEXT,
    oauth_token_expires_at INTEGER DEFAULT 0
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
    cache_enabled INTEGER DEFAULT 1,
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
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    inbound_api_key_id INTEGER,
    inbound_api_key_label TEXT,
    cache_attempted INTEGER DEFAULT 0,
    cache_hit INTEGER DEFAULT 0
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
CREATE TABLE virtual_model_failover (
    virtual_model_id INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL,
    targets TEXT NOT NULL,
    max_attempts INTEGER,
    cooldown_seconds INTEGER,
    failure_threshold INTEGER
);
CREATE TABLE inbound_api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL UNIQUE,
    key_prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    enabled INTEGER DEFAULT 1,
    notes TEXT DEFAULT '',
    created_at INTEGER DEFAULT (strftime('%s', 'now')),
    updated_at INTEGER DEFAULT (strftime('%s', 'now')),
    last_used_at INTEGER,
    last_used_ip TEXT,
    last_used_user_agent TEXT,
    revoked_at INTEGER
);
INSERT INTO endpoints (id, name, url, endpoint_type, oauth_enabled, oauth_client_secret) VALUES
    (1, 'vllm', 'http://127.0.0.1:8000', 'vllm', 0, NULL),
    (2, 'oauth', 'https://chatgpt.example.com', 'openai_oauth', 1, 'kept-as-it-is');
INSERT INTO virtual_models (id, name, endpoint_id, actual_model, cache_enabled) VALUES
    (1, 'chat', 1, 'qwen', 0), (2, 'by-oauth', 2, 'codex', 1);
INSERT INTO virtual_model_failover VALUES (1, 'ordered', '[{"virtual_model_id":2}]', 2, 60, 3);
INSERT INTO inbound_api_keys (label, key_prefix, key_hash) VALUES
    ('a', 'spk_AAECAwQF', '8a0e1c761f2a1866904b9d2138c056df277f0c76d7fe1b15f57b992f2dd5ae43');
INSERT INTO settings (key, value) VALUES ('deployment_mode', 'internal_only');
