'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI, make, collect, gatewayOnly, chatModel, embeddingModel } = require('./support.cjs');

const client = make();

test('the list holds the models', async () => {
  const ids = (await collect(await client.models.list())).map((model) => model.id);
  assert.ok(ids.includes(chatModel), ids.join());
  assert.ok(ids.includes(embeddingModel), ids.join());
});

test('one model', async () => {
  const model = await client.models.retrieve(chatModel);
  assert.equal(model.id, chatModel);
  assert.equal(model.object, 'model');
});

test('an unknown model is not found', async () => {
  await assert.rejects(client.models.retrieve('no/such-model'), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
    assert.equal(error.code, 'model_not_found');
    return true;
  });
});

for (const base of ['', '/api', '/api/v1']) {
  test(`the list has the alias ${base}/models`, gatewayOnly, async () => {
    const ids = (await collect(await make({}, base).models.list())).map((model) => model.id);
    assert.ok(ids.includes(chatModel), ids.join());
  });
}
