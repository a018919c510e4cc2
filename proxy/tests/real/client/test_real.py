"""The official client against a gateway whose models lead to a real llama.cpp server.

MODELS names a model for each endpoint type, joined by commas.
"""

import json
import os

import openai
import pytest

MODELS = os.environ["MODELS"].split(",")
SENTENCE = "Hello from a tiny but real model, done!"
AFTER_A_TOOL = "The tool said its piece; all done!"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]

each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="session")
def client():
    url = os.environ["GATEWAY_URL"] + "/v1"
    with openai.OpenAI(base_url=url, api_key="any-key", max_retries=0) as made:
        yield made


def request(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "Say hello."}], **more}


def test_the_models_are_offered(client):
    assert {model.id for model in client.models.list()} == set(MODELS)


@each_model
def test_a_whole_answer(client, model):
    answer = client.chat.completions.create(**request(model))
    assert answer.choices[0].message.content == SENTENCE
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0


@each_model
def test_a_stream(client, model):
    chunks = list(
        client.chat.completions.create(
            **request(model, stream=True, stream_options={"include_usage": True})
        )
    )
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert "".join(text or "" for text in texts) == SENTENCE
    assert chunks[-1].usage.completion_tokens > 0


@each_model
def test_a_call_and_the_answer_to_it(client, model):
    asked = request(model, tools=TOOLS)
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    asked["messages"] += [
        {
            "role": "assistant",
            "tool_calls": [call.model_dump(include={"id", "type", "function"})],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    answer = client.chat.completions.create(**asked)
    assert answer.choices[0].message.content == AFTER_A_TOOL


@each_model
def test_a_prompt_that_is_too_long(client, model):
    messages = [{"role": "user", "content": "x" * 50_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=messages)
    assert "context" in caught.value.message
