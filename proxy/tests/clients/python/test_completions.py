"""Legacy completions."""

from conftest import gateway_only


def test_a_whole_answer(client, completion_model):
    answer = client.completions.create(
        model=completion_model, prompt="Once [[sim: say=upon+a+time]]"
    )
    assert answer.object == "text_completion"
    assert answer.model == completion_model
    assert answer.choices[0].text == "upon a time"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 3


def test_a_stream(client, completion_model):
    chunks = list(
        client.completions.create(
            model=completion_model,
            prompt="[[sim: say=upon+a+time]]",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "upon a time"
    assert chunks[-1].usage.completion_tokens == 3
    assert {chunk.model for chunk in chunks} == {completion_model}


@gateway_only
def test_a_stream_without_usage(client, completion_model):
    chunks = list(
        client.completions.create(
            model=completion_model, prompt="[[sim: say=upon+a+time]]", stream=True
        )
    )
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_several_prompts(client, completion_model):
    answer = client.completions.create(model=completion_model, prompt=["a", "b"], n=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_a_prompt_of_tokens(client, completion_model):
    answer = client.completions.create(model=completion_model, prompt=[1, 2, 3])
    assert len(answer.choices) == 1
