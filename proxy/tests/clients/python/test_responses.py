"""Responses: text, stream, tool round trip, and going on from an answer by its id."""

import json

import openai
import pytest

from conftest import gateway_only

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Changes a file"}


def test_a_text(client, chat_model):
    response = client.responses.create(model=chat_model, input="[[sim: say=a+b+c]]", store=False)
    assert response.output_text == "a b c"
    assert response.status == "completed"
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens == 3


def test_a_stream(client, chat_model):
    text = "[[sim: reasoning say=a+b+c]]"
    with client.responses.stream(model=chat_model, input=text, store=False) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(pieces) == "a b c"
    assert final.output_text == "a b c"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.usage.total_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_and_the_answer_to_it(client, chat_model, stream):
    conversation = [{"role": "user", "content": "What is the weather in Paris?"}]

    def ask():
        said = {"model": chat_model, "input": conversation, "tools": [TOOL], "store": False}
        if not stream:
            return client.responses.create(**said)
        with client.responses.stream(**said) as events:
            for _ in events:
                pass
            return events.get_final_response()

    first = ask()
    [call] = [item for item in first.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Paris"}
    conversation += [item.model_dump(exclude_none=True) for item in first.output]
    for item in conversation:
        item.pop("parsed_arguments", None)
    conversation.append(
        {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    )
    assert "tool's answer" in ask().output_text


@gateway_only
def test_a_custom_tool(client, chat_model):
    text = "[[sim: tools=1]] hello"
    response = client.responses.create(model=chat_model, input=text, tools=[PATCH], store=False)
    [call] = [item for item in response.output if item.type == "custom_tool_call"]
    assert (call.name, call.input) == ("apply_patch", "hello")


@gateway_only
def test_going_on_from_an_answer(client, chat_model):
    first = client.responses.create(model=chat_model, input="[[sim: say=one]]")
    second = client.responses.create(
        model=chat_model, input="[[sim: say=two]]", previous_response_id=first.id
    )
    assert second.output_text == "two"
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id).output_text == "one"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


@gateway_only
def test_what_is_wrong_is_said(client, chat_model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=chat_model, input="x", background=True)
    assert caught.value.param == "background"


@gateway_only
def test_tokens_are_counted(client, chat_model):
    counted = client.responses.input_tokens.count(model=chat_model, input="x" * 400)
    assert 80 < counted.input_tokens < 160
