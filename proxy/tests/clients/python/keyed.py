"""A gateway that asks for a key: run by name, with GATEWAY_KEY a key that may call CHAT_MODEL
and not FORBIDDEN_MODEL."""

import os

import openai
import pytest

from conftest import ROOT, user

FORBIDDEN = os.environ["FORBIDDEN_MODEL"]


def test_a_chat(client, chat_model):
    said = client.chat.completions.create(model=chat_model, messages=user("[[sim: say=ok]]"))
    assert said.choices[0].message.content == "ok"


def test_a_stream(client, chat_model):
    chunks = client.chat.completions.create(
        model=chat_model, messages=user("[[sim: say=ok]]"), stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "ok"


def test_the_list_holds_what_the_key_allows(client, chat_model):
    assert [model.id for model in client.models.list()] == [chat_model]


def test_another_model_is_forbidden(client):
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model=FORBIDDEN, messages=user("hi"))
    assert caught.value.code == "model_not_allowed"


def test_without_a_key_nothing(chat_model):
    with openai.OpenAI(base_url=ROOT + "/v1", api_key="sk-other", max_retries=0) as other:
        with pytest.raises(openai.AuthenticationError) as caught:
            other.chat.completions.create(model=chat_model, messages=user("hi"))
    assert caught.value.code == "invalid_api_key"
