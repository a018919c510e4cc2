"""The model list and single models."""

import openai
import pytest

from conftest import gateway_only, make


def test_the_list_holds_the_models(client, chat_model, embedding_model):
    ids = [model.id for model in client.models.list()]
    assert chat_model in ids
    assert embedding_model in ids
    assert len(ids) == len(set(ids))


@gateway_only
def test_the_list_does_not_change_between_two_calls(client):
    first, second = client.models.list(), client.models.list()
    assert first.model_dump() == second.model_dump()
    assert all(model.object == "model" and model.created > 0 for model in first)


def test_one_model(client, chat_model):
    model = client.models.retrieve(chat_model)
    assert (model.id, model.object) == (chat_model, "model")


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no/such-model")
    assert caught.value.code == "model_not_found"


@gateway_only
@pytest.mark.parametrize("base", ["", "/api", "/api/v1"])
def test_the_list_has_aliases(base, client, chat_model):
    with make(base=base) as other:
        assert other.models.list().model_dump() == client.models.list().model_dump()
