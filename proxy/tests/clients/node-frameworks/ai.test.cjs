'use strict';
// Vercel's AI SDK over chat, Responses and Messages.
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { generateText, streamText, stepCountIs, tool } = require('ai');
const { createOpenAICompatible } = require('@ai-sdk/openai-compatible');
const { createOpenAI } = require('@ai-sdk/openai');
const { createAnthropic } = require('@ai-sdk/anthropic');
const { z } = require('zod');

const baseURL = `${process.env.GATEWAY_URL.replace(/\/+$/, '')}/v1`;
const apiKey = process.env.GATEWAY_KEY ?? 'sk-sim';
const name = process.env.CHAT_MODEL ?? 'sim-model';

const hello = 'Hello there.';
const greeting = `Hello from the simulated openai. You said: ${hello}`;
const read = "The simulated openai has read the tool's answer.";

const models = {
  chat: createOpenAICompatible({ name: 'gateway', baseURL, apiKey })(name),
  responses: createOpenAI({ baseURL, apiKey }).responses(name),
  messages: createAnthropic({ baseURL, apiKey })(name),
};

for (const [dialect, model] of Object.entries(models)) {
  test(`a text over ${dialect}`, async () => {
    const { text, usage } = await generateText({ model, prompt: hello, maxRetries: 0 });
    assert.equal(text, greeting);
    assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0, JSON.stringify(usage));
  });

  test(`a stream over ${dialect}`, async () => {
    const pieces = [];
    const stream = streamText({
      model,
      prompt: hello,
      maxRetries: 0,
      onError: ({ error }) => {
        throw error;
      },
    });
    for await (const piece of stream.textStream) pieces.push(piece);
    assert.equal(pieces.join(''), greeting);
    assert.ok(pieces.length > 1);
  });

  test(`a tool and the answer to it over ${dialect}`, async () => {
    const cities = [];
    const { text } = await generateText({
      model,
      prompt: 'What is the weather in Paris?',
      maxRetries: 0,
      stopWhen: stepCountIs(3),
      tools: {
        get_weather: tool({
          description: 'The weather in a city',
          inputSchema: z.object({ city: z.string() }),
          execute: async ({ city }) => {
            cities.push(city);
            return '21 degrees';
          },
        }),
      },
    });
    assert.equal(text, read);
    assert.deepEqual(cities, ['Paris']);
  });
}
