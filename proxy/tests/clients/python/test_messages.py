"""Anthropic's own client: text, streams, tools, errors, counts and models."""

import anthropic
import pytest

from conftest import DIRECT, KEY, ROOT, user

pytestmark = pytest.mark.skipif(DIRECT, reason="not every provider speaks Messages")

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
QUESTION = "What is the weather in Paris?"


@pytest.fixture(params=["token", "key"])
def messages(request):
    """Either header may carry the key."""
    if request.param == "token":
        options = {"auth_token": KEY, "api_key": None}
    else:
        options = {"api_key": KEY, "auth_token": None}
    with anthropic.Anthropic(base_url=ROOT, max_retries=0, **options) as client:
        yield client


def test_a_text(messages, chat_model):
    answer = messages.messages.create(
        model=chat_model,
        max_tokens=100,
        system="Be brief.",
        messages=user("Say it. [[sim: say=a+blue+dot]]"),
    )
    assert answer.content[0].text == "a blue dot"
    assert (answer.role, answer.stop_reason, answer.model) == ("assistant", "end_turn", chat_model)
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer._request_id.startswith("req_")


def test_a_stream(messages, chat_model):
    with messages.messages.stream(
        model=chat_model, max_tokens=100, messages=user("Say it. [[sim: say=a+blue+dot]]")
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "a blue dot" == final.content[0].text
    assert final.stop_reason == "end_turn"
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0


@pytest.mark.parametrize("streams", [False, True])
def test_a_call_and_the_answer_to_it(messages, chat_model, streams):
    def ask(conversation):
        wanted = dict(model=chat_model, max_tokens=100, messages=conversation, tools=[WEATHER])
        if not streams:
            return messages.messages.create(**wanted)
        with messages.messages.stream(**wanted) as stream:
            return stream.get_final_message()

    conversation = user(QUESTION)
    first = ask(conversation)
    assert first.stop_reason == "tool_use"
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    conversation += [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}],
        },
    ]
    second = ask(conversation)
    assert second.stop_reason == "end_turn"
    assert "tool's answer" in second.content[0].text


@pytest.mark.parametrize(
    ("script", "raised", "status"),
    [
        ("status=429 retry_after=7", anthropic.RateLimitError, 429),
        ("status=503", anthropic.InternalServerError, 529),
        ("status=400 code=context_length_exceeded", anthropic.BadRequestError, 400),
    ],
)
def test_errors_are_the_clients_own(messages, chat_model, script, raised, status):
    with pytest.raises(raised) as caught:
        messages.messages.create(
            model=chat_model, max_tokens=100, messages=user(f"[[sim: {script}]]")
        )
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    if status == 400:
        assert caught.value.message.lower().find("prompt is too long") >= 0
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


def test_an_unknown_model(messages):
    with pytest.raises(anthropic.NotFoundError):
        messages.messages.create(model="no-such-model", max_tokens=9, messages=user("hi"))


def test_tokens_are_counted(messages, chat_model):
    short = messages.messages.count_tokens(model=chat_model, messages=user("hi"))
    long = messages.messages.count_tokens(model=chat_model, messages=user("hi there " * 100))
    assert 0 < short.input_tokens < long.input_tokens


def test_models(messages, chat_model):
    page = messages.models.list()
    assert chat_model in [model.id for model in page]
    one = messages.models.retrieve(chat_model)
    assert (one.type, one.id) == ("model", chat_model)
