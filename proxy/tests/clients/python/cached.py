"""A gateway whose CHAT_MODEL answers from memory: run by name."""

from conftest import user


def test_an_answer_comes_again(client, chat_model):
    ask = dict(model=chat_model, messages=user("[[sim: say=again]]"), seed=1)
    first = client.chat.completions.with_raw_response.create(**ask)
    second = client.chat.completions.with_raw_response.create(**ask)
    assert first.headers["x-cache"] == "MISS"
    assert second.headers["x-cache"] == "HIT"
    assert second.parse() == first.parse()


def test_a_stream_is_told_from_it(client, chat_model):
    ask = dict(model=chat_model, messages=user("[[sim: say=streamed+again]]"), seed=2)
    whole = client.chat.completions.create(**ask)
    raw = client.chat.completions.with_raw_response.create(
        **ask, stream=True, stream_options={"include_usage": True}
    )
    assert raw.headers["x-cache"] == "HIT"
    chunks = list(raw.parse())
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content == "streamed again"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert {c.id for c in chunks} == {whole.id}


def test_a_text_completion_is_too(client, completion_model):
    ask = dict(model=completion_model, prompt="[[sim: say=text]]", seed=3)
    whole = client.completions.create(**ask)
    raw = client.completions.with_raw_response.create(**ask, stream=True)
    assert raw.headers["x-cache"] == "HIT"
    assert "".join(c.choices[0].text for c in raw.parse() if c.choices) == whole.choices[0].text


def test_embeddings_come_again(client, embedding_model):
    ask = dict(model=embedding_model, input=["one", "two"])
    first = client.embeddings.with_raw_response.create(**ask)
    second = client.embeddings.with_raw_response.create(**ask)
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert second.parse() == first.parse()
    assert len(second.parse().data) == 2
