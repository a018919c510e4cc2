'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { make, user, collect, text, gatewayOnly, chatModel: model } = require('./support.cjs');

const client = make();

test('a whole answer', async () => {
  const answer = await client.chat.completions.create({
    model,
    messages: user('[[sim: say=one+two+three]]'),
  });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.model, model);
  assert.equal(answer.choices[0].message.content, 'one two three');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.equal(answer.usage.completion_tokens, 3);
  assert.ok(answer._request_id);
});

test('a stream', async () => {
  const chunks = await collect(
    await client.chat.completions.create({
      model,
      messages: user('[[sim: say=one+two+three]]'),
      stream: true,
    }),
  );
  assert.equal(text(chunks), 'one two three');
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], [model]);
  assert.ok(chunks.every((chunk) => chunk.choices.length > 0 && !chunk.usage));
});

test('usage asked for comes last', async () => {
  const chunks = await collect(
    await client.chat.completions.create({
      model,
      messages: user('[[sim: chunks=2]]'),
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 2);
});

test('the stream helper puts the answer together', async () => {
  const stream = client.chat.completions.stream({
    model,
    messages: user('[[sim: say=all+of+it]]'),
  });
  assert.equal(await stream.finalContent(), 'all of it');
});

test('text of any script survives any split', async () => {
  const request = { model, messages: user('[[sim: unicode chunks=6 sse=split]]') };
  const whole = (await client.chat.completions.create(request)).choices[0].message.content;
  const chunks = await collect(await client.chat.completions.create({ ...request, stream: true }));
  assert.equal(text(chunks), whole);
  assert.ok(whole.includes('\u{1f642}'));
});

test('fields nobody specified survive', async () => {
  const answer = await client.chat.completions.create({
    model,
    messages: user('[[sim: unknown]]'),
  });
  assert.deepEqual(answer.x_sim, { nested: [1, { deep: '\u00fcnknown' }] });
});

test('leaving a stream early leaves the client usable', async () => {
  const stream = await client.chat.completions.create({
    model,
    messages: user('[[sim: chunks=3 hang=stream]]'),
    stream: true,
  });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break;
  }
  const answer = await client.chat.completions.create({ model, messages: user('[[sim: say=ok]]') });
  assert.equal(answer.choices[0].message.content, 'ok');
});

test('many streams at once', async () => {
  const one = async (number) =>
    text(
      await collect(
        await client.chat.completions.create({
          model,
          messages: user(`[[sim: say=answer+${number} gap_ms=1]]`),
          stream: true,
        }),
      ),
    );
  const numbers = Array.from({ length: 50 }, (_, number) => number);
  const answers = await Promise.all(numbers.map(one));
  assert.deepEqual(answers, numbers.map((number) => `answer ${number}`));
});

for (const base of ['', '/api']) {
  test(`chat has the alias ${base}/chat/completions`, gatewayOnly, async () => {
    const answer = await make({}, base).chat.completions.create({
      model,
      messages: user('[[sim: say=here+too]]'),
    });
    assert.equal(answer.choices[0].message.content, 'here too');
  });
}
