'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { make, collect, completionModel: model } = require('./support.cjs');

const client = make();

test('a whole answer', async () => {
  const answer = await client.completions.create({ model, prompt: '[[sim: say=upon+a+time]]' });
  assert.equal(answer.choices[0].text, 'upon a time');
  assert.equal(answer.model, model);
  assert.equal(answer.usage.completion_tokens, 3);
});

test('a stream', async () => {
  const chunks = await collect(
    await client.completions.create({
      model,
      prompt: '[[sim: say=upon+a+time]]',
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  const texts = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.text));
  assert.equal(texts.join(''), 'upon a time');
  assert.equal(chunks.at(-1).usage.completion_tokens, 3);
});

test('several prompts', async () => {
  const answer = await client.completions.create({ model, prompt: ['a', 'b'], n: 2 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2, 3]);
});
