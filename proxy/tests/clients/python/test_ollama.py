"""Ollama's own client: text, streams, tools, vectors, models and their management, errors."""

import ollama
import pytest

from conftest import DIRECT, KEY, ROOT, user

pytestmark = pytest.mark.skipif(DIRECT, reason="not every provider speaks Ollama's API")

QUESTION = "What is the weather in Paris?"


def get_weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: The city.
    """
    return f"21 degrees in {city}"


@pytest.fixture
def local():
    return ollama.Client(host=ROOT, headers={"Authorization": f"Bearer {KEY}"})


def test_a_text(local, chat_model):
    answer = local.chat(model=chat_model, messages=user("Say it. [[sim: say=a+blue+dot]]"))
    assert (answer.message.role, answer.message.content) == ("assistant", "a blue dot")
    assert (answer.model, answer.done, answer.done_reason) == (chat_model, True, "stop")
    assert answer.prompt_eval_count > 0 and answer.eval_count > 0
    assert answer.total_duration > 0 and answer.eval_duration > 0


def test_a_stream(local, chat_model):
    stream = local.chat(
        model=chat_model, messages=user("Say it. [[sim: say=a+blue+dot]]"), stream=True
    )
    parts = list(stream)
    assert "".join(part.message.content or "" for part in parts) == "a blue dot"
    assert [part.done for part in parts].count(True) == 1 and parts[-1].done
    assert parts[-1].eval_count > 0


@pytest.mark.parametrize("streams", [False, True])
def test_a_call_and_the_answer_to_it(local, chat_model, streams):
    def ask(conversation):
        wanted = dict(model=chat_model, messages=conversation, tools=[get_weather])
        if not streams:
            return local.chat(**wanted).message
        parts = [part.message for part in local.chat(**wanted, stream=True)]
        calls = [call for part in parts for call in part.tool_calls or []]
        text = "".join(part.content or "" for part in parts)
        return ollama.Message(role="assistant", content=text, tool_calls=calls or None)

    conversation = user(QUESTION)
    first = ask(conversation)
    [call] = first.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Paris"})
    result = get_weather(**call.function.arguments)
    conversation += [first, {"role": "tool", "tool_name": "get_weather", "content": result}]
    second = ask(conversation)
    assert not second.tool_calls
    assert "tool's answer" in second.content


@pytest.mark.parametrize("streams", [False, True])
def test_a_prompt_is_answered(local, chat_model, streams):
    prompt = "Say it. [[sim: say=a+blue+dot]]"
    answer = local.generate(model=chat_model, prompt=prompt, stream=streams)
    parts = list(answer) if streams else [answer]
    assert "".join(part.response for part in parts) == "a blue dot"
    assert parts[-1].done_reason == "stop"


def test_vectors(local, embedding_model):
    all = local.embed(model=embedding_model, input=["one", "two"])
    assert len(all.embeddings) == 2
    assert all.prompt_eval_count > 0
    one = local.embeddings(model=embedding_model, prompt="one")
    assert one.embedding == pytest.approx(all.embeddings[0])


def test_models(local, chat_model):
    assert chat_model in [model.model for model in local.list().models]
    shown = local.show(chat_model)
    assert {"completion", "tools"} <= set(shown.capabilities)
    assert shown.modelinfo["general.architecture"]
    assert local.ps().models == []


def test_a_model_is_loaded(local, chat_model):
    answer = local.generate(model=chat_model, keep_alive="5m")
    assert (answer.done, answer.done_reason, answer.response) == (True, "load", "")


@pytest.mark.parametrize(
    ("script", "status"), [("status=429", 429), ("status=503", 503), ("status=400", 400)]
)
def test_errors_are_the_clients_own(local, chat_model, script, status):
    with pytest.raises(ollama.ResponseError) as caught:
        local.chat(model=chat_model, messages=user(f"[[sim: {script}]]"))
    assert caught.value.status_code == status
    assert caught.value.error


def test_an_unknown_model(local):
    with pytest.raises(ollama.ResponseError) as caught:
        local.chat(model="no-such-model", messages=user("hi"))
    assert caught.value.status_code == 404


def test_a_stream_that_breaks_is_an_error(local, chat_model):
    said = []
    with pytest.raises(ollama.ResponseError):
        for part in local.chat(
            model=chat_model,
            messages=user("[[sim: chunks=40 cut=between cut_after=5]]"),
            stream=True,
        ):
            said.append(part.message.content)
            assert not part.done
    assert said


@pytest.mark.parametrize("streams", [False, True])
def test_models_are_managed_at_the_server(local, streams, tmp_path):
    def done(answer):
        return list(answer)[-1].status if streams else answer.status

    name = f"pulled-{streams}".lower()
    assert done(local.pull(name, stream=streams)) == "success"
    assert local.copy(name, f"{name}-copy").status == "success"
    assert done(local.push(f"{name}-copy", stream=streams)) == "success"
    assert local.delete(name).status == "success"
    with pytest.raises(ollama.ResponseError) as caught:
        local.delete(name)
    assert caught.value.status_code == 404
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(b"weights" * 100_000)
    digest = local.create_blob(weights)
    made = local.create(model=f"{name}-made", files={"weights.gguf": digest}, stream=streams)
    assert done(made) == "success"
