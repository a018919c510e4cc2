-- A database as release ~2.4.0 wrote it, after an upgrade from one that priced per thousand
-- tokens: no show_reasoning, no cost_in/cost_out for embeddings, an endpoint name used twice.
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
    cost_per_1k_tokens_in REAL DEFAULT 0,
    cost_per_1k_tokens_out REAL DEFAULT 0,
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
    cost_estimate REAL DEFAULT 0,
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
    created_at INTEGER DEFAULT (strftime('%s', 'now'))
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
INSERT INTO endpoints (id, name, url, api_key, endpoint_type) VALUES
    (1, 'local', 'http://127.0.0.1:11434', '', 'ollama'),
    (2, 'cloud', 'https://api.example.com/v1', 'sk-example-00001234', 'openai'),
    (3, 'cloud', 'https://other.example.com', NULL, 'vllm');
INSERT INTO virtual_models
    (id, name, endpoint_id, actual_model, cost_per_1k_tokens_in, cost_per_1k_tokens_out,
     cost_per_1m_tokens_in, cost_per_1m_tokens_out, max_tokens, temperature, top_p,
     custom_headers)
VALUES
    (1, 'small', 1, 'llama3.2', 0.0025, 0.01, 0, 7, 0, 0, 1.0, ''),
    (2, 'set', 2, 'gpt-4o-mini', 0, 0, 0.15, 0.6, 2048, 0.7, 0.9, '{"x-team":"a"}'),
    (3, 'orphan', 99, 'gone', 0, 0, 0, 0, 0, 0, 1.0, NULL);
INSERT INTO request_usage (virtual_model, endpoint_name, prompt_tokens, completion_tokens,
    total_tokens, cost_estimate, response_time_ms, created_at)
VALUES ('small', 'small', 10, 5, 15, 0.001, 900, 1760000000);
INSERT INTO embedding_usage (virtual_model, input_tokens, total_tokens, created_at)
VALUES ('small', 7, 7, 1760000100);
INSERT INTO settings (key, value) VALUES
    ('api_port', '8002'), ('flask_port', '5001'), ('aimenu_url', 'http://localhost:5000'),
    ('use_ai_queue', 'false'), ('ai_queue_url', 'http://host.docker.internal:8102'),
    ('debug_mode', 'basic');
INSERT INTO tool_patterns (pattern_name, pattern_type, regex_pattern, priority) VALUES
    ('mine', 'fence', '```(.*?)```', 10);
