"""What every test needs: the address under test, and a tool that a model may call."""

import os

import pytest

ROOT = os.environ["GATEWAY_URL"].rstrip("/")
KEY = os.environ.get("GATEWAY_KEY", "sk-sim")
MODEL = os.environ.get("CHAT_MODEL", "sim-model")

HELLO = "Hello there."
QUESTION = "What is the weather in Paris?"

# What the simulated model says to a greeting, and behind the result of a tool.
GREETING = f"Hello from the simulated openai. You said: {HELLO}"
READ = "The simulated openai has read the tool's answer."

# Nothing is looked up elsewhere, and nothing is told elsewhere.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"


class Weather:
    """A tool that remembers where it was asked for."""

    def __init__(self):
        self.cities = []

    def get_weather(self, city: str) -> str:
        """The weather in a city."""
        self.cities.append(city)
        return "21 degrees"


@pytest.fixture
def weather():
    return Weather()
