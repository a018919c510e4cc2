"""Tool calls, whole and streamed, and the answer to them."""

import json

import openai
import pytest

from conftest import DIRECT, user

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
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
}
QUESTION = "What is the weather in Paris?"


def put_together(chunks):
    """The calls of a stream, by their number, from their fragments."""
    calls = {}
    finish = None
    for chunk in chunks:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": None, "name": None, "arguments": ""})
                call["id"] = call["id"] or part.id
                call["name"] = call["name"] or part.function.name
                call["arguments"] += part.function.arguments or ""
    return [calls[index] for index in sorted(calls)], finish


def test_a_call_and_the_answer_to_it(client, chat_model):
    messages = user(QUESTION)
    first = client.chat.completions.create(model=chat_model, messages=messages, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    message = first.choices[0].message
    [call] = message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Paris"}

    messages += [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    second = client.chat.completions.create(model=chat_model, messages=messages, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert "tool's answer" in second.choices[0].message.content


def test_a_streamed_call(client, chat_model):
    chunks = client.chat.completions.create(
        model=chat_model, messages=user(QUESTION), tools=[WEATHER], stream=True
    )
    [call], finish = put_together(chunks)
    assert finish == "tool_calls"
    assert call["id"] and call["name"] == "get_weather"
    assert json.loads(call["arguments"]) == {"city": "Paris"}


def test_parallel_calls_streamed_in_many_fragments(client, chat_model):
    chunks = client.chat.completions.create(
        model=chat_model,
        messages=user("[[sim: tools=3 tool_fragments=8]] Paris"),
        tools=[WEATHER, TIME],
        stream=True,
    )
    calls, finish = put_together(chunks)
    assert finish == "tool_calls"
    assert [call["name"] for call in calls] == ["get_weather", "get_time", "get_weather"]
    assert len({call["id"] for call in calls}) == 3
    assert [json.loads(call["arguments"]) for call in calls] == [
        {"city": "Paris"},
        {"zone": "Paris"},
        {"city": "Paris"},
    ]


def test_the_stream_helper_puts_calls_together(client, chat_model):
    with client.chat.completions.stream(
        model=chat_model, messages=user(QUESTION), tools=[WEATHER]
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris"}


def test_a_required_and_a_named_call(client, chat_model):
    request = {"model": chat_model, "messages": user("Hello."), "tools": [WEATHER, TIME]}
    required = client.chat.completions.create(**request, tool_choice="required")
    assert required.choices[0].message.tool_calls[0].function.name == "get_weather"
    named = {"type": "function", "function": {"name": "get_time"}}
    chosen = client.chat.completions.create(**request, tool_choice=named)
    assert chosen.choices[0].message.tool_calls[0].function.name == "get_time"
    none = client.chat.completions.create(**request, tool_choice="none")
    assert none.choices[0].message.tool_calls is None


def test_an_answer_to_no_call_goes_as_the_users_words(client, chat_model):
    messages = user("hi") + [{"role": "tool", "tool_call_id": "call_none", "content": "42"}]
    if DIRECT:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=chat_model, messages=messages)
        return
    answer = client.chat.completions.create(model=chat_model, messages=messages)
    assert "42" in answer.choices[0].message.content
