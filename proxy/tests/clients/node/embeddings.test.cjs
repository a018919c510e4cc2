'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { make, gatewayOnly, embeddingModel: model } = require('./support.cjs');

const client = make();

test('the default encoding gives the same numbers', async () => {
  // The client asks for base64 by itself and decodes it.
  const plain = await client.embeddings.create({ model, input: 'hello' });
  const floats = await client.embeddings.create({ model, input: 'hello', encoding_format: 'float' });
  assert.deepEqual(plain.data[0].embedding, floats.data[0].embedding);
  assert.equal(floats.data[0].embedding.length, 8);
  assert.equal(plain.model, model);
});

test('several inputs keep their order', async () => {
  const answer = await client.embeddings.create({ model, input: ['a', 'b', 'c'], dimensions: 3 });
  assert.deepEqual(answer.data.map((item) => item.index), [0, 1, 2]);
  assert.equal(new Set(answer.data.map((item) => item.embedding.join())).size, 3);
});

for (const base of ['', '/api/v1']) {
  test(`embeddings have the alias ${base}/embeddings`, gatewayOnly, async () => {
    const answer = await make({}, base).embeddings.create({ model, input: 'hello' });
    assert.equal(answer.data[0].embedding.length, 8);
  });
}
