"""Chat, whole and streamed."""

import asyncio

import openai
import pytest

from conftest import gateway_only, make, user


def test_a_whole_answer(client, chat_model):
    answer = client.chat.completions.create(
        model=chat_model, messages=user("Say it. [[sim: say=one+two+three]]")
    )
    assert answer.object == "chat.completion"
    assert answer.model == chat_model
    assert len(answer.choices) == 1
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3
    assert answer._request_id


def test_a_stream(client, chat_model):
    chunks = list(
        client.chat.completions.create(
            model=chat_model, messages=user("[[sim: say=one+two+three]]"), stream=True
        )
    )
    assert {chunk.model for chunk in chunks} == {chat_model}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices]
    assert [text for text in texts if text] == ["one ", "two ", "three"]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_is_not_seen_unless_asked_for(client, chat_model):
    chunks = list(
        client.chat.completions.create(
            model=chat_model, messages=user("[[sim: chunks=2]]"), stream=True
        )
    )
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_asked_for_comes_last(client, chat_model):
    chunks = list(
        client.chat.completions.create(
            model=chat_model,
            messages=user("[[sim: chunks=2]]"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 2
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_stream_helper_puts_the_answer_together(client, chat_model):
    with client.chat.completions.stream(
        model=chat_model, messages=user("[[sim: say=all+of+it]]")
    ) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    assert answer.choices[0].message.content == "all of it"


def test_text_of_any_script_survives_any_split(client, chat_model):
    request = {"model": chat_model, "messages": user("[[sim: unicode chunks=6 sse=split]]")}
    whole = client.chat.completions.create(**request).choices[0].message.content
    chunks = client.chat.completions.create(**request, stream=True)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert streamed == whole
    assert "\U0001f642" in whole


@pytest.mark.parametrize("framing", ["crlf", "comments", "nospace", "crlf,comments,split"])
def test_unusual_framing_of_events_is_understood(client, chat_model, framing):
    chunks = client.chat.completions.create(
        model=chat_model, messages=user(f"[[sim: say=a+b sse={framing}]]"), stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "a b"


def test_several_answers(client, chat_model):
    request = {"model": chat_model, "messages": user("[[sim: say=x+y]]"), "n": 2}
    whole = client.chat.completions.create(**request)
    assert [choice.index for choice in whole.choices] == [0, 1]
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(**request, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "x y", 1: "x y"}


def test_log_probabilities(client, chat_model):
    answer = client.chat.completions.create(
        model=chat_model, messages=user("[[sim: say=x+y]]"), logprobs=True
    )
    tokens = [entry.token for entry in answer.choices[0].logprobs.content]
    assert tokens == ["x ", "y"]


def test_fields_nobody_specified_survive(client, chat_model):
    request = {"model": chat_model, "messages": user("[[sim: unknown chunks=1]]")}
    answer = client.chat.completions.create(**request)
    assert answer.model_extra["x_sim"] == {"nested": [1, {"deep": "\u00fcnknown"}]}
    first = next(iter(client.chat.completions.create(**request, stream=True)))
    assert first.model_extra["x_sim"] == {"nested": [1, {"deep": "\u00fcnknown"}]}


def test_a_large_prompt_and_a_large_answer(client, chat_model):
    answer = client.chat.completions.create(
        model=chat_model,
        messages=user("x" * 1_000_000 + "[[sim: chunks=10 chunk_bytes=100000]]"),
    )
    assert len(answer.choices[0].message.content) == 1_000_000
    assert answer.usage.prompt_tokens >= 250_000


def test_content_parts(client, chat_model):
    parts = [
        {"type": "text", "text": "What is this? [[sim: say=A+picture.]]"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    answer = client.chat.completions.create(
        model=chat_model, messages=[{"role": "user", "content": parts}]
    )
    assert answer.choices[0].message.content == "A picture."


def test_leaving_a_stream_early_leaves_the_client_usable(client, chat_model):
    stream = client.chat.completions.create(
        model=chat_model, messages=user("[[sim: chunks=3 hang=stream]]"), stream=True
    )
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    answer = client.chat.completions.create(model=chat_model, messages=user("[[sim: say=ok]]"))
    assert answer.choices[0].message.content == "ok"


def test_many_streams_at_once(chat_model):
    async def one(client, number):
        stream = await client.chat.completions.create(
            model=chat_model, messages=user(f"[[sim: say=answer+{number} gap_ms=1]]"), stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them():
        async with make(openai.AsyncOpenAI) as client:
            return await asyncio.gather(*(one(client, number) for number in range(50)))

    assert asyncio.run(all_of_them()) == [f"answer {number}" for number in range(50)]


@gateway_only
@pytest.mark.parametrize("base", ["", "/api"])
def test_chat_has_aliases(base, chat_model):
    with make(base=base) as client:
        answer = client.chat.completions.create(
            model=chat_model, messages=user("[[sim: say=here+too]]")
        )
    assert answer.choices[0].message.content == "here too"
