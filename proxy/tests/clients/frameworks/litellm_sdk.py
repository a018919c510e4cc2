"""LiteLLM's client side over chat, Messages and Ollama's chat. In a file of its own name: it
is installed apart, because its packages do not go with the others'."""

import json

import litellm
import pytest

from conftest import GREETING, HELLO, KEY, MODEL, QUESTION, READ, ROOT

NAMES = {
    "chat": ("openai/", ROOT + "/v1"),
    "messages": ("anthropic/", ROOT),
    "ollama": ("ollama_chat/", ROOT),
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(params=NAMES)
def ask(request):
    prefix, base = NAMES[request.param]

    def asked(messages, **more):
        return litellm.completion(
            model=prefix + MODEL, api_base=base, api_key=KEY, messages=messages, num_retries=0, **more
        )

    return asked


def user(text):
    return [{"role": "user", "content": text}]


def test_a_text(ask):
    answer = ask(user(HELLO))
    assert answer.choices[0].message.content == GREETING
    assert answer.usage.prompt_tokens > 0


def test_a_stream(ask):
    pieces = [chunk.choices[0].delta.content or "" for chunk in ask(user(HELLO), stream=True)]
    assert "".join(pieces) == GREETING
    assert len([piece for piece in pieces if piece]) > 1


def test_a_tool_and_the_answer_to_it(ask):
    messages = user(QUESTION)
    first = ask(messages, tools=[WEATHER]).choices[0].message
    [call] = first.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages += [
        first.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    assert ask(messages, tools=[WEATHER]).choices[0].message.content == READ
