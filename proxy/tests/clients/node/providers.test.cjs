'use strict';
// The same calls through every provider type, each with its own habits.
//
// PROVIDER_MODELS names the models, joined by commas; without it there is nothing to do
// here. WITHOUT_EMBEDDINGS names those whose provider type has none.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { make, user, collect, text } = require('./support.cjs');

const names = (variable) => (process.env[variable] ?? '').split(',').filter(Boolean);
const withoutEmbeddings = names('WITHOUT_EMBEDDINGS');
const client = make();

for (const model of names('PROVIDER_MODELS')) {
  test(`${model}: a whole answer`, async () => {
    const messages = user('[[sim: say=one+two+three]]');
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.model, model);
    assert.equal(answer.choices[0].message.content, 'one two three');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.completion_tokens, 3);
  });

  test(`${model}: a stream`, async () => {
    const messages = user('[[sim: say=one+two+three]]');
    const asked = { model, messages, stream: true, stream_options: { include_usage: true } };
    const chunks = await collect(await client.chat.completions.create(asked));
    assert.equal(text(chunks), 'one two three');
    assert.equal(chunks.at(-1).usage.completion_tokens, 3);
  });

  test(`${model}: a text completion`, async () => {
    const prompt = 'Once [[sim: say=upon+a+time]]';
    const answer = await client.completions.create({ model, prompt });
    assert.equal(answer.choices[0].text, 'upon a time');
  });

  test(`${model}: embeddings`, async () => {
    const input = ['one', 'two'];
    if (withoutEmbeddings.includes(model)) {
      const refused = { status: 400, code: 'unsupported_operation' };
      await assert.rejects(client.embeddings.create({ model, input }), refused);
      return;
    }
    // The client asks for base64 by itself and decodes it, whatever came.
    const plain = await client.embeddings.create({ model, input });
    const floats = await client.embeddings.create({ model, input, encoding_format: 'float' });
    for (const [index, item] of floats.data.entries()) {
      assert.equal(item.embedding.length, 8);
      assert.deepEqual(Array.from(plain.data[index].embedding), item.embedding);
    }
  });
}
