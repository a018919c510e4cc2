"""Pictures, sound and moderations."""

import base64
import io

import openai
import pytest

from conftest import gateway_only

# Every value of a byte, and more than one read of them.
SOUND = bytes(range(256)) * 1000


def test_pictures(client, chat_model):
    made = client.images.generate(model=chat_model, prompt="a tree", n=2)
    assert [base64.b64decode(picture.b64_json) for picture in made.data] == [
        b"\x89" * 1000
    ] * 2
    assert made.usage.total_tokens == 1106


def test_pictures_are_edited(client, chat_model):
    picture = ("a.png", io.BytesIO(SOUND), "image/png")
    made = client.images.edit(model=chat_model, prompt="greener", image=picture)
    assert made.model_extra["seen"][0]["bytes"] == len(SOUND)


def test_speech(client, chat_model):
    made = client.audio.speech.create(model=chat_model, input="hi", voice="alloy")
    assert len(made.content) == 3000
    assert made.response.headers["content-type"] == "audio/mpeg"


def test_speech_as_it_comes(client, chat_model):
    pieces = client.audio.speech.with_streaming_response
    with pieces.create(model=chat_model, input="hi", voice="alloy") as answer:
        assert sum(map(len, answer.iter_bytes())) == 3000


def test_transcription(client, chat_model):
    # The file goes before the model, as the client orders them.
    heard = client.audio.transcriptions.create(
        model=chat_model, file=("a.wav", SOUND, "audio/wav"), language="en"
    )
    assert heard.text == "heard it"
    assert heard.usage.total_tokens == 59
    assert heard.model_extra["seen"][0]["bytes"] == len(SOUND)


def test_transcription_in_pieces(client, chat_model):
    events = client.audio.transcriptions.create(
        model=chat_model, file=("a.wav", SOUND, "audio/wav"), stream=True
    )
    kinds = [event.type for event in events]
    assert kinds == ["transcript.text.delta", "transcript.text.done"]


def test_translation(client, chat_model):
    heard = client.audio.translations.create(
        model=chat_model, file=("a.wav", SOUND, "audio/wav")
    )
    assert heard.text == "heard it"


def test_moderation(client, chat_model):
    judged = client.moderations.create(model=chat_model, input=["one", "two"])
    assert [result.flagged for result in judged.results] == [False, False]


@gateway_only
def test_a_type_without_sound_says_so(client):
    with pytest.raises(openai.BadRequestError, match="anthropic") as raised:
        client.audio.speech.create(model="my-anthropic", input="hi", voice="alloy")
    assert raised.value.code == "unsupported_operation"
