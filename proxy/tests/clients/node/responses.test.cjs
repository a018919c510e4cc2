'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI, make, direct, chatModel: model } = require('./support.cjs');

const client = make();
const store = false;

const tools = [
  {
    type: 'function',
    name: 'get_weather',
    strict: false,
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
];

test('a text', async () => {
  const response = await client.responses.create({ model, input: '[[sim: say=a+b+c]]', store });
  assert.equal(response.output_text, 'a b c');
  assert.equal(response.usage.output_tokens, 3);
});

test('a stream', async () => {
  const stream = client.responses.stream({ model, input: '[[sim: say=a+b+c]]', store });
  const pieces = [];
  stream.on('response.output_text.delta', (event) => pieces.push(event.delta));
  const final = await stream.finalResponse();
  assert.equal(pieces.join(''), 'a b c');
  assert.equal(final.output_text, 'a b c');
});

test('a call and the answer to it', async () => {
  const input = [{ role: 'user', content: 'What is the weather in Paris?' }];
  const first = await client.responses.create({ model, input, tools, store });
  const call = first.output.find((item) => item.type === 'function_call');
  assert.deepEqual(JSON.parse(call.arguments), { city: 'Paris' });
  input.push(...first.output);
  input.push({ type: 'function_call_output', call_id: call.call_id, output: '21 degrees' });
  const second = await client.responses.create({ model, input, tools, store });
  assert.match(second.output_text, /tool's answer/);
});

test('going on from an answer', { skip: direct }, async () => {
  const first = await client.responses.create({ model, input: '[[sim: say=one]]' });
  const second = await client.responses.create({
    model,
    input: '[[sim: say=two]]',
    previous_response_id: first.id,
  });
  assert.equal(second.output_text, 'two');
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});
