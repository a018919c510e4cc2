"""What every test needs: the address under test, and clients made for it."""

import os

import openai
import pytest

ROOT = os.environ["GATEWAY_URL"].rstrip("/")
KEY = os.environ.get("GATEWAY_KEY", "sk-sim")

# True when the address is a provider itself: the tests of what only a gateway does are left out.
DIRECT = os.environ.get("CLIENTS_DIRECT") == "1"

gateway_only = pytest.mark.skipif(DIRECT, reason="a provider alone does not do this")


def make(cls=openai.OpenAI, base="/v1", **options):
    """A client that does not retry, so that each failure is seen as it came."""
    options.setdefault("max_retries", 0)
    return cls(base_url=ROOT + base, api_key=KEY, **options)


def user(text):
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


@pytest.fixture
def client():
    with make() as made:
        yield made


@pytest.fixture(scope="session")
def chat_model():
    return os.environ.get("CHAT_MODEL", "sim-model")


@pytest.fixture(scope="session")
def completion_model():
    return os.environ.get("COMPLETION_MODEL", "sim-model")


@pytest.fixture(scope="session")
def embedding_model():
    return os.environ.get("EMBEDDING_MODEL", "sim-model")


@pytest.fixture(scope="session")
def dead_model():
    """A model whose provider listens nowhere."""
    if "DEAD_MODEL" not in os.environ:
        pytest.skip("DEAD_MODEL names no model")
    return os.environ["DEAD_MODEL"]
