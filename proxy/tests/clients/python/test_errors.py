"""Failures arrive as the exception classes programs catch."""

import openai
import pytest

from conftest import gateway_only, make, user


def ask(client, model, script, **more):
    return client.chat.completions.create(
        model=model, messages=user(f"hi [[sim: {script}]]"), **more
    )


def test_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=user("hi"))
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_path(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.post("/no/such/path", body={}, cast_to=object)
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    "field, value",
    [("messages", "hi"), ("messages", []), ("model", 4), ("temperature", "hot")],
)
def test_a_bad_field_is_named(client, chat_model, field, value):
    request = {"model": chat_model, "messages": user("hi"), field: value}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**request)
    assert caught.value.param == field
    assert caught.value.type == "invalid_request_error"


def test_a_value_only_the_provider_refuses_keeps_its_words(client, chat_model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=chat_model, messages=user("hi"), temperature=2.5)
    assert caught.value.param == "temperature"
    assert "above maximum value 2" in caught.value.body["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_with_the_time_to_wait(client, chat_model, stream):
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, chat_model, "status=429 retry_after=7", stream=stream)
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failing_provider(client, chat_model, status, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, chat_model, f"status={status}", stream=stream)
    assert caught.value.status_code >= 500
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    "status, expected",
    [
        (403, openai.PermissionDeniedError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
    ],
)
def test_the_providers_own_status_is_kept(client, chat_model, status, expected):
    # A 403 is about the provider's key, unless it says that the input was flagged.
    with pytest.raises(expected) as caught:
        ask(client, chat_model, f"status={status} message=flagged+because+of+this")
    assert caught.value.status_code == status
    assert "because of this" in caught.value.body["message"]


@gateway_only
@pytest.mark.parametrize("script", ["cut=status", "cut=header", "bad_json", "status=502 html"])
def test_a_reply_that_is_none_is_a_bad_gateway(client, chat_model, script):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, chat_model, script)
    assert caught.value.status_code == 502
    assert caught.value.body["message"]
    assert "html" not in caught.value.body["message"]


@gateway_only
def test_a_provider_that_does_not_listen(client, dead_model):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=dead_model, messages=user("hi"))
    assert caught.value.status_code == 502
    assert "127.0.0.1" not in caught.value.body["message"]


def test_the_clients_own_timeout(chat_model):
    with make(timeout=0.5) as client, pytest.raises(openai.APITimeoutError):
        ask(client, chat_model, "hang=header")


def test_an_error_inside_a_stream_is_raised(client, chat_model):
    texts = []
    with pytest.raises(openai.APIError):
        for chunk in ask(client, chat_model, "chunks=5 error_after=2", stream=True):
            texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert texts == ["word ", "word "]


@gateway_only
@pytest.mark.parametrize("cut", ["chunk", "between", "between rst=1", "done no_finish=1"])
def test_a_stream_cut_by_the_provider_never_looks_complete(client, chat_model, cut):
    texts = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in ask(client, chat_model, f"chunks=5 cut_after=2 cut={cut}", stream=True):
            texts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    # An error event of the gateway, not a broken connection.
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert texts[:2] == ["word ", "word "]


def test_retries_of_the_client_end_with_the_failure(chat_model):
    with make(max_retries=1) as client, pytest.raises(openai.RateLimitError):
        ask(client, chat_model, "status=429 retry_after=0")


@gateway_only
def test_a_request_id_of_the_caller_comes_back(client, chat_model):
    raw = client.chat.completions.with_raw_response.create(
        model=chat_model,
        messages=user("[[sim: say=ok]]"),
        extra_headers={"x-request-id": "caller-chosen-1"},
    )
    assert raw.headers["x-request-id"] == "caller-chosen-1"
