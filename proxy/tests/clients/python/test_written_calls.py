"""Calls that the model writes as text, which the client gets as calls.

The simulated provider says what the user has written, less the script behind it, and makes
no call of its own.
"""

import json

import pytest

from conftest import gateway_only, user

pytestmark = gateway_only

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
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
TOOLS = [WEATHER, TIME]

ONE = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}</tool_call>'
# A comma too many, a number as text, a bracket that is missing.
DAMAGED = ONE.replace("2}}", '"2",}')
OTHER = '<tool_call>\n{"name": "get_time", "arguments": {"zone": "CET"}}\n</tool_call>'
PARIS = {"city": "Paris", "days": 2}


def says(text, pieces=0):
    """A conversation in which the model says `text` in pieces of so many bytes, 0 for one."""
    return user(f"{text}[[sim: tools=0 repeat={pieces}]]")


def result(call_id):
    """The tool's answer, to which the model says what it says of itself."""
    return {"role": "tool", "tool_call_id": call_id, "content": "21 degrees [[sim: tools=0]]"}


def received(chunks):
    """Text, calls and finish reasons of a stream, with what every delta must be."""
    text, calls, finishes = "", [], []
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
            for part in choice.delta.tool_calls or []:
                assert not finishes, "a call behind the end"
                if part.id:
                    assert part.index == len(calls), "calls come in order"
                    assert part.type == "function" and part.function.name
                    name = part.function.name
                    calls.append({"id": part.id, "name": name, "arguments": ""})
                calls[part.index]["arguments"] += part.function.arguments or ""
    assert len({call["id"] for call in calls}) == len(calls)
    return text, calls, finishes


def ask(client, model, messages, **options):
    return client.chat.completions.create(model=model, messages=messages, tools=TOOLS, **options)


@pytest.mark.parametrize("pieces", [1, 7, 0])
@pytest.mark.parametrize("written", [ONE, DAMAGED], ids=["good", "damaged"])
def test_a_streamed_call_comes_as_one(client, chat_model, written, pieces):
    text, [call], finishes = received(ask(client, chat_model, says(written, pieces), stream=True))
    assert (text, finishes) == ("", ["tool_calls"])
    assert call["name"] == "get_weather"
    assert json.loads(call["arguments"]) == PARIS


@pytest.mark.parametrize("pieces", [1, 7, 0])
def test_text_stays_text_and_calls_keep_their_order(client, chat_model, pieces):
    said = f"I look <b>twice</b>.\n{ONE}\n{OTHER}"
    text, calls, finishes = received(ask(client, chat_model, says(said, pieces), stream=True))
    assert text.rstrip() == "I look <b>twice</b>."
    assert finishes == ["tool_calls"]
    assert [call["name"] for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call["arguments"]) for call in calls] == [PARIS, {"zone": "CET"}]


@pytest.mark.parametrize("pieces", [1, 7, 0])
def test_a_call_of_a_tool_that_is_not_offered_stays_text(client, chat_model, pieces):
    said = ONE.replace("get_weather", "delete_all")
    text, calls, finishes = received(ask(client, chat_model, says(said, pieces), stream=True))
    assert (text, calls, finishes) == (said, [], ["stop"])


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_and_the_answer_to_it(client, chat_model, stream):
    messages = says(ONE, 3)
    if stream:
        # The helper reads the deltas as it reads those of a model that makes real calls.
        request = {"model": chat_model, "messages": messages, "tools": TOOLS}
        with client.chat.completions.stream(**request) as events:
            kinds = [event.type for event in events]
            choice = events.get_final_completion().choices[0]
        assert "tool_calls.function.arguments.done" in kinds
    else:
        choice = ask(client, chat_model, messages).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == PARIS

    messages += [choice.message.model_dump(exclude_none=True), result(call.id)]
    after = ask(client, chat_model, messages, stream=stream)
    if stream:
        text, calls, [finish] = received(after)
    else:
        [choice] = after.choices
        text, calls = choice.message.content, choice.message.tool_calls or []
        finish = choice.finish_reason
    assert "tool's answer" in text
    assert (calls, finish) == ([], "stop")


def test_a_whole_answer_tells_how_many_calls_were_text(client, chat_model):
    raw = client.chat.completions.with_raw_response.create(
        model=chat_model, messages=says(f"{ONE}\n{OTHER}"), tools=TOOLS
    )
    assert raw.headers["x-tool-calls-repaired"] == "2"
    choice = raw.parse().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert not choice.message.content
    assert [call.function.name for call in choice.message.tool_calls] == ["get_weather", "get_time"]

    raw = client.chat.completions.with_raw_response.create(
        model=chat_model, messages=says("Nothing to look up."), tools=TOOLS
    )
    assert "x-tool-calls-repaired" not in raw.headers
    assert raw.parse().choices[0].message.content == "Nothing to look up."


def test_nothing_is_a_call_where_no_tools_are_offered(client, chat_model):
    answer = client.chat.completions.create(model=chat_model, messages=says(ONE))
    assert answer.choices[0].message.content == ONE
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
