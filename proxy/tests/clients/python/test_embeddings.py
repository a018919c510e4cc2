"""Embeddings, as numbers and as base64."""

import openai
import pytest

from conftest import gateway_only, make


def test_the_default_encoding_gives_the_same_numbers(client, embedding_model):
    # The client asks for base64 by itself and decodes it.
    default = client.embeddings.create(model=embedding_model, input="hello")
    floats = client.embeddings.create(
        model=embedding_model, input="hello", encoding_format="float"
    )
    assert default.data[0].embedding == floats.data[0].embedding
    assert len(floats.data[0].embedding) == 8
    assert default.model == embedding_model
    assert default.usage.prompt_tokens == default.usage.total_tokens > 0


def test_base64_is_not_touched(client, embedding_model):
    answer = client.embeddings.create(
        model=embedding_model, input="hello", encoding_format="base64", dimensions=2
    )
    assert answer.data[0].embedding == "AACAvwAABL8="


def test_several_inputs_keep_their_order(client, embedding_model):
    answer = client.embeddings.create(
        model=embedding_model, input=["a", "b", "c"], dimensions=3
    )
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert len({tuple(item.embedding) for item in answer.data}) == 3
    assert {len(item.embedding) for item in answer.data} == {3}


def test_tokens_as_input(client, embedding_model):
    answer = client.embeddings.create(model=embedding_model, input=[[1, 2, 3], [4]])
    assert len(answer.data) == 2


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="no-such-model", input="hello")


@gateway_only
@pytest.mark.parametrize("base", ["", "/api/v1"])
def test_embeddings_have_aliases(base, embedding_model):
    with make(base=base) as client:
        answer = client.embeddings.create(model=embedding_model, input="hello")
    assert len(answer.data[0].embedding) == 8
