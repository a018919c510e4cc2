"""OpenAI's Agents over chat and Responses."""

import asyncio

import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from openai import AsyncOpenAI

from conftest import GREETING, HELLO, KEY, MODEL, QUESTION, READ, ROOT

DELTA = "response.output_text.delta"
MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


@pytest.fixture(params=MODELS)
def agent(request):
    def made(**more):
        # Made where it is used: its connections belong to one event loop.
        client = AsyncOpenAI(base_url=ROOT + "/v1", api_key=KEY, max_retries=0)
        model = MODELS[request.param](MODEL, openai_client=client)
        return Agent(name="tester", model=model, **more)

    return made


def test_a_text(agent):
    assert Runner.run_sync(agent(), HELLO).final_output == GREETING


def test_a_stream(agent):
    async def pieces():
        run = Runner.run_streamed(agent(), HELLO)
        told = []
        async for event in run.stream_events():
            if event.type == "raw_response_event" and event.data.type == DELTA:
                told.append(event.data.delta)
        return told, run.final_output

    told, final = asyncio.run(pieces())
    assert "".join(told) == GREETING == final
    assert len(told) > 1


def test_a_tool_and_the_answer_to_it(agent, weather):
    able = agent(tools=[function_tool(weather.get_weather)])
    assert Runner.run_sync(able, QUESTION).final_output == READ
    assert weather.cities == ["Paris"]
