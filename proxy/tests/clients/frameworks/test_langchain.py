"""LangChain over each of the gateway's dialects."""

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from conftest import GREETING, HELLO, KEY, MODEL, QUESTION, READ, ROOT


def of_openai(**more):
    return ChatOpenAI(model=MODEL, base_url=ROOT + "/v1", api_key=KEY, max_retries=0, **more)


MODELS = {
    "chat": of_openai,
    "responses": lambda: of_openai(use_responses_api=True),
    "messages": lambda: ChatAnthropic(
        model=MODEL, base_url=ROOT, api_key=KEY, max_retries=0, max_tokens=1000
    ),
    "ollama": lambda: ChatOllama(model=MODEL, base_url=ROOT),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


def test_a_text(model):
    answer = model.invoke(HELLO)
    assert answer.text == GREETING
    assert answer.usage_metadata["input_tokens"] > 0
    assert answer.usage_metadata["output_tokens"] > 0


def test_a_stream(model):
    pieces = list(model.stream(HELLO))
    assert "".join(piece.text for piece in pieces) == GREETING
    assert len([piece for piece in pieces if piece.text]) > 1


def test_a_tool_and_the_answer_to_it(model):
    able = model.bind_tools([get_weather])
    asked = [HumanMessage(QUESTION)]
    first = able.invoke(asked)
    [call] = first.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    result = get_weather.invoke(call["args"])
    told = ToolMessage(result, tool_call_id=call["id"])
    assert able.invoke([*asked, first, told]).text == READ
