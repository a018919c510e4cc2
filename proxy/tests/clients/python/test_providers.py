"""The same calls through every provider type, each with its own habits.

PROVIDER_MODELS names the models, joined by commas; without it there is nothing to do here.
WITHOUT_EMBEDDINGS names those whose provider type has none, WITHOUT_CACHE those that do not
tell what came from a cache.
"""

import json
import os

import openai
import pytest

from conftest import DIRECT, user


def names(variable):
    return [name for name in os.environ.get(variable, "").split(",") if name]


MODELS = names("PROVIDER_MODELS")
WITHOUT_EMBEDDINGS = names("WITHOUT_EMBEDDINGS")
WITHOUT_CACHE = names("WITHOUT_CACHE")

pytestmark = pytest.mark.skipif(not MODELS, reason="PROVIDER_MODELS names no model")
each_model = pytest.mark.parametrize("model", MODELS or ["none"])

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

# One white pixel.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)


@each_model
def test_a_whole_answer(client, model):
    answer = client.chat.completions.create(
        model=model, messages=user("[[sim: say=one+two+three]]")
    )
    assert (answer.model, answer.choices[0].message.content) == (model, "one two three")
    assert answer.usage.completion_tokens == 3


@each_model
def test_a_stream_with_usage(client, model):
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=user("[[sim: say=one+two+three]]"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert {chunk.model for chunk in chunks} == {model}
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == "one two three"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    counted = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in counted] == [3]


@each_model
def test_a_tool_call_whole_and_streamed(client, model):
    request = {
        "model": model,
        "messages": user("What is the weather in Paris?"),
        "tools": [WEATHER],
    }
    whole = client.chat.completions.create(**request).choices[0]
    assert whole.finish_reason == "tool_calls"
    [call] = whole.message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    with client.chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}


@each_model
@pytest.mark.skipif(DIRECT, reason="a provider alone does not do this")
def test_a_call_that_the_model_writes_as_text(client, model):
    written = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    request = {
        "model": model,
        "messages": user(f"{written}[[sim: tools=0 repeat=7]]"),
        "tools": [WEATHER],
    }
    whole = client.chat.completions.create(**request).choices[0]
    with client.chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion().choices[0]
    for choice in (whole, streamed):
        assert choice.finish_reason == "tool_calls"
        assert not choice.message.content
        [call] = choice.message.tool_calls
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "Paris"}


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_and_the_answer_to_it(client, model, stream):
    messages = user("What is the weather in Paris?")
    first = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    message = first.choices[0].message
    messages += [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21 degrees"},
    ]
    request = {"model": model, "messages": messages, "tools": [WEATHER]}
    if stream:
        with client.chat.completions.stream(**request) as events:
            for _ in events:
                pass
            second = events.get_final_completion()
    else:
        second = client.chat.completions.create(**request)
    assert second.choices[0].finish_reason == "stop"
    assert "tool's answer" in second.choices[0].message.content


@each_model
def test_parallel_calls_in_fragments(client, model):
    with client.chat.completions.stream(
        model=model, messages=user("[[sim: tools=2 tool_fragments=6]] Paris"), tools=[WEATHER]
    ) as stream:
        for _ in stream:
            pass
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Paris"}] * 2
    assert len({call.id for call in calls}) == 2


@each_model
def test_a_completion(client, model):
    request = {"model": model, "prompt": "Once [[sim: say=upon+a+time]]"}
    answer = client.completions.create(**request)
    assert answer.object == "text_completion"
    assert (answer.model, answer.choices[0].text) == (model, "upon a time")
    assert answer.choices[0].finish_reason == "stop"
    chunks = list(client.completions.create(**request, stream=True))
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "upon a time"


@each_model
def test_an_embedding_as_the_client_asks_for_it(client, model):
    if model in WITHOUT_EMBEDDINGS:
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model=model, input=["a", "b"])
        assert caught.value.code == "unsupported_operation"
        return
    # Asked for as base64 by the client itself; some providers know numbers only.
    answer = client.embeddings.create(model=model, input=["a", "b"])
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert answer.data[0].embedding[0] == -1.0


@each_model
def test_the_list_of_models(client, model):
    listed = {entry.id: entry for entry in client.models.list()}
    assert listed[model].object == "model"
    assert client.models.retrieve(model).id == model


@each_model
def test_a_picture(client, model):
    content = [
        {"type": "text", "text": "What is this? [[sim: echo]]"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PICTURE}},
    ]
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}]
    )
    # The answer is the request as the provider got it.
    assert PICTURE in answer.choices[0].message.content


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_tokens_from_a_cache(client, model, stream):
    request = {"model": model, "messages": user("[[sim: say=one usage=cached]] " + "again " * 20)}
    if stream:
        chunks = client.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}
        )
        [usage] = [chunk.usage for chunk in chunks if chunk.usage]
    else:
        usage = client.chat.completions.create(**request).usage
    details = usage.prompt_tokens_details
    # Together has the number beside the others.
    cached = details.cached_tokens if details else getattr(usage, "cached_tokens", None)
    expected = 0 if model in WITHOUT_CACHE else usage.prompt_tokens // 2
    assert (cached or 0) == expected
    assert usage.prompt_tokens > 1


@each_model
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "status, error, code",
    [
        (400, openai.BadRequestError, None),
        (404, openai.NotFoundError, "model_not_found"),
        (502, openai.InternalServerError, "upstream_failed"),
    ],
)
def test_an_error_in_the_clients_own_class(client, model, stream, status, error, code):
    script = f"[[sim: status={status} message=the+model+is+like+this]]"
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=user(script), stream=stream)
    assert caught.value.status_code == status
    assert "the model is like this" in caught.value.message
    if code:
        assert caught.value.code == code


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit(client, model, stream):
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(
            model=model, messages=user("[[sim: status=429 retry_after=7]]"), stream=stream
        )
    assert caught.value.response.headers["retry-after"] == "7"


@each_model
@pytest.mark.parametrize("script", ["error_after=1", "cut=between", "cut=chunk"])
def test_a_stream_that_fails_never_looks_complete(client, model, script):
    with pytest.raises(openai.APIError) as caught:
        for _ in client.chat.completions.create(
            model=model, messages=user(f"[[sim: chunks=4 {script}]]"), stream=True
        ):
            pass
    assert not isinstance(caught.value, openai.APIConnectionError)
