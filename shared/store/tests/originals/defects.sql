-- On top of the newest server's tables: what years of use leave behind.
INSERT INTO endpoints (id, name, url, api_key, endpoint_type, priority, enabled, health_check_url) VALUES
    (10, 'cloud', 'https://api.example.com/v1', 'key-in-plain-text', 'openai', 5, 1, '/health'),
    (11, 'cloud', 'http://127.0.0.1:9', '', 'together', 0, 0, ''),
    (12, '', 'http://127.0.0.1:10', NULL, 'ollama', NULL, NULL, NULL),
    (13, 'broken', 'no address', 'k', 'openai', 0, 1, ''),
    (14, 'odd', 'http://127.0.0.1:11', 'k', 'mystery', 0, 1, '');
INSERT INTO virtual_models (id, name, endpoint_id, actual_model, custom_headers, max_tokens, temperature,
    top_p, cost_per_1m_tokens_in, cost_per_1m_tokens_out, enabled, cache_enabled) VALUES
    (20, 'good', 10, 'gpt', '{"X-Team":"blue","Authorization":"Bearer header-in-plain-text"}', 0, 0, 1.0, 2.5, 10, 1, 1),
    (21, 'bad-headers', 10, 'gpt', '{not json', 0, 0, 1.0, 0, 0, 1, 1),
    (22, 'orphan', 99, 'gpt', '', 0, 0, 1.0, 0, 0, 1, 1),
    (23, 'at-broken', 13, 'gpt', '', 0, 0, 1.0, 0, 0, 1, 1),
    (24, 'wild', 12, 'llama', NULL, 99999999, 9.5, 1.0, -1, 3, 0, 1),
    (25, 'second-cloud', 11, 'gpt', '', 100, 0.5, 0.9, 0, 0, 1, 0);
INSERT INTO virtual_model_failover VALUES
    (20, 'backup', '[{"virtual_model_id":25},{"virtual_model_id":25},{"virtual_model_id":20},{"virtual_model_id":22}]', 0, 60, NULL),
    (21, 'backup', 'no list', 3, NULL, NULL),
    (77, 'backup', '[]', 1, 1, 1);
INSERT INTO inbound_api_keys (label, key_prefix, key_hash, enabled, notes) VALUES
    ('laptop', 'spk_laptopke', '9cd9a9c7e8c3c5b1b64c9e2c8b3c53bbf4b5d7d9a0b1c2d3e4f5061728394a5b', 1, 'mine'),
    ('off', 'spk_offkeyof', '1cd9a9c7e8c3c5b1b64c9e2c8b3c53bbf4b5d7d9a0b1c2d3e4f5061728394a5b', 0, NULL),
    ('torn', 'spk_torn', 'not a hash', 1, '');
INSERT INTO settings (key, value) VALUES
    ('api_port', '8002'), ('circuit_cooldown_seconds', '120'), ('debug_mode', 'full'),
    ('aimenu_url', 'http://login.example'), ('health_check_interval', 'often'),
    ('of_somebody', 'else'), ('display_timezone', 'Server Local Time');
INSERT INTO tool_patterns (pattern_name, pattern_type, regex_pattern, tool_name_group, priority,
    tool_name_mapping, parameter_mapping) VALUES
    ('mine', 'xml', '<run>(\w+)\((.*?)\)</run>', 1, 77, '{}', '{}'),
    ('unclosed', 'xml', '<run>(', 1, 76, '{}', '{}');
INSERT INTO request_usage (virtual_model, endpoint_name, endpoint_id, prompt_tokens, completion_tokens,
    total_tokens, cost_estimate, cost_in, cost_out, created_at, inbound_api_key_id, inbound_api_key_label) VALUES
    ('good', 'cloud', 10, 100, 10, 110, 0.00035, 0.00025, 0.0001, 1760000000, 1, 'laptop'),
    ('good', 'cloud', 11, 1, 1, 2, 0, 0, 0, 1760000100, NULL, NULL),
    ('long-gone', 'gone', 55, NULL, NULL, NULL, NULL, NULL, NULL, 1760090000, NULL, NULL);
INSERT INTO embedding_usage (virtual_model, endpoint_name, endpoint_id, input_tokens, total_tokens, created_at)
    VALUES ('embed', 'cloud', 10, 7, 7, 1760000200);
