"""A key that may make one request a minute: run by name, with GATEWAY_KEY that key."""

import openai
import pytest

from conftest import user


def test_the_second_call_of_a_minute_is_a_rate_limit_error(client, chat_model):
    client = client.with_options(max_retries=0)
    ask = lambda: client.chat.completions.create(model=chat_model, messages=user("[[sim: say=ok]]"))
    assert ask().choices[0].message.content == "ok"
    with pytest.raises(openai.RateLimitError) as caught:
        ask()
    assert caught.value.code == "rate_limit_exceeded"
    assert "has reached its limit of 1 request per minute" in caught.value.message
    assert int(caught.value.response.headers["retry-after"]) >= 1
