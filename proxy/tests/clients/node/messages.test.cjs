'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const Anthropic = require('@anthropic-ai/sdk').default;
const { root, apiKey, user, gatewayOnly, chatModel: model } = require('./support.cjs');

const client = new Anthropic({
  baseURL: root,
  authToken: apiKey,
  apiKey: null,
  maxRetries: 0,
});

const tools = [
  {
    name: 'get_weather',
    description: 'The weather in a city',
    input_schema: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
];

const asked = (messages, more = {}) => ({ model, max_tokens: 100, messages, ...more });

test('a text', gatewayOnly, async () => {
  const answer = await client.messages.create(asked(user('[[sim: say=a+b+c]]')));
  assert.equal(answer.content[0].text, 'a b c');
  assert.deepEqual([answer.stop_reason, answer.model], ['end_turn', model]);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

test('a stream', gatewayOnly, async () => {
  const stream = client.messages.stream(asked(user('[[sim: say=a+b+c]]')));
  let text = '';
  stream.on('text', (piece) => {
    text += piece;
  });
  const answer = await stream.finalMessage();
  assert.equal(text, 'a b c');
  assert.equal(answer.content[0].text, 'a b c');
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

for (const streams of [false, true]) {
  test(`a call and the answer to it, stream ${streams}`, gatewayOnly, async () => {
    const ask = (messages) => {
      const wanted = asked(messages, { tools });
      return streams
        ? client.messages.stream(wanted).finalMessage()
        : client.messages.create(wanted);
    };
    const messages = user('What is the weather in Paris?');
    const first = await ask(messages);
    assert.equal(first.stop_reason, 'tool_use');
    const call = first.content.find((block) => block.type === 'tool_use');
    assert.deepEqual([call.name, call.input], ['get_weather', { city: 'Paris' }]);
    const result = { type: 'tool_result', tool_use_id: call.id, content: '21 degrees' };
    messages.push(
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result] },
    );
    const second = await ask(messages);
    assert.equal(second.stop_reason, 'end_turn');
    assert.match(second.content[0].text, /tool's answer/);
  });
}

test('tokens are counted', gatewayOnly, async () => {
  const counted = await client.messages.countTokens({ model, messages: user('hi there') });
  assert.ok(counted.input_tokens > 0);
});

test('an error', gatewayOnly, async () => {
  const wanted = { ...asked(user('hi')), model: 'no-such-model' };
  await assert.rejects(client.messages.create(wanted), Anthropic.NotFoundError);
});
