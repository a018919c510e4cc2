"""pydantic-ai over chat, Responses and Messages."""

import asyncio

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from conftest import GREETING, HELLO, KEY, MODEL, QUESTION, READ, ROOT


def openai_provider():
    return OpenAIProvider(base_url=ROOT + "/v1", api_key=KEY)


MODELS = {
    "chat": lambda: OpenAIChatModel(MODEL, provider=openai_provider()),
    "responses": lambda: OpenAIResponsesModel(MODEL, provider=openai_provider()),
    "messages": lambda: AnthropicModel(
        MODEL, provider=AnthropicProvider(base_url=ROOT, api_key=KEY)
    ),
}


@pytest.fixture(params=MODELS)
def agent(request):
    return Agent(MODELS[request.param]())


def test_a_text(agent):
    assert agent.run_sync(HELLO).output == GREETING


def test_a_stream(agent):
    async def pieces():
        async with agent.run_stream(HELLO) as run:
            return [piece async for piece in run.stream_text(delta=True, debounce_by=None)]

    told = asyncio.run(pieces())
    assert "".join(told) == GREETING
    assert len(told) > 1


def test_a_tool_and_the_answer_to_it(agent, weather):
    agent.tool_plain(weather.get_weather)
    assert agent.run_sync(QUESTION).output == READ
    assert weather.cities == ["Paris"]
