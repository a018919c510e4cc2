'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Ollama } = require('ollama');
const {
  root,
  apiKey,
  user,
  collect,
  gatewayOnly,
  chatModel: model,
  embeddingModel,
} = require('./support.cjs');

const local = new Ollama({ host: root, headers: { Authorization: `Bearer ${apiKey}` } });

const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
];

test('a text', gatewayOnly, async () => {
  const answer = await local.chat({ model, messages: user('[[sim: say=a+b+c]]') });
  assert.equal(answer.message.content, 'a b c');
  assert.equal(answer.done_reason, 'stop');
  assert.ok(answer.eval_count > 0);
});

test('a stream', gatewayOnly, async () => {
  const messages = user('[[sim: say=a+b+c]]');
  const parts = await collect(await local.chat({ model, messages, stream: true }));
  assert.equal(parts.map((part) => part.message.content).join(''), 'a b c');
  assert.deepEqual([parts.at(0).done, parts.at(-1).done], [false, true]);
});

test('a call and the answer to it', gatewayOnly, async () => {
  const messages = user('What is the weather in Paris?');
  const first = await local.chat({ model, messages, tools });
  const [call] = first.message.tool_calls;
  assert.deepEqual(call.function.arguments, { city: 'Paris' });
  messages.push(first.message, { role: 'tool', content: '21 degrees' });
  const second = await local.chat({ model, messages, tools });
  assert.match(second.message.content, /tool's answer/);
});

test('vectors', gatewayOnly, async () => {
  const all = await local.embed({ model: embeddingModel, input: ['one', 'two'] });
  assert.equal(all.embeddings.length, 2);
});

test('models', gatewayOnly, async () => {
  const list = await local.list();
  assert.ok(list.models.some((one) => one.name === model));
  const shown = await local.show({ model });
  assert.ok(shown.capabilities.includes('tools'));
});

test('models are managed at the server', gatewayOnly, async () => {
  const parts = await collect(await local.pull({ model: 'node-pulled', stream: true }));
  assert.equal(parts.at(-1).status, 'success');
  await local.copy({ source: 'node-pulled', destination: 'node-copy' });
  await local.delete({ model: 'node-pulled' });
  await assert.rejects(local.delete({ model: 'node-pulled' }), { status_code: 404 });
});

test('an error', gatewayOnly, async () => {
  const asked = local.chat({ model: 'no-such-model', messages: user('hi') });
  await assert.rejects(asked, { name: 'ResponseError', status_code: 404 });
});
