'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI, make, user, gatewayOnly, chatModel: model, deadModel } = require('./support.cjs');

const client = make();

const ask = (script, more = {}) =>
  client.chat.completions.create({ model, messages: user(`hi [[sim: ${script}]]`), ...more });

// Rejects with that class; the error is given to `check`.
const rejects = (promise, kind, check = () => {}) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error}`);
    check(error);
    return true;
  });

test('an unknown model', async () => {
  const call = client.chat.completions.create({ model: 'no-such-model', messages: user('hi') });
  await rejects(call, OpenAI.NotFoundError, (error) => {
    assert.equal(error.code, 'model_not_found');
    assert.equal(error.type, 'invalid_request_error');
  });
});

test('an unknown path', async () => {
  await rejects(client.post('/no/such/path', { body: {} }), OpenAI.NotFoundError);
});

for (const [field, value] of [['messages', 'hi'], ['messages', []], ['model', 4], ['temperature', 'hot']]) {
  test(`a bad ${field} is named: ${JSON.stringify(value)}`, async () => {
    const call = client.chat.completions.create({ model, messages: user('hi'), [field]: value });
    await rejects(call, OpenAI.BadRequestError, (error) => assert.equal(error.param, field));
  });
}

for (const stream of [false, true]) {
  test(`a rate limit with the time to wait, stream ${stream}`, async () => {
    await rejects(ask('status=429 retry_after=7', { stream }), OpenAI.RateLimitError, (error) =>
      assert.equal(error.headers.get('retry-after'), '7'),
    );
  });

  test(`a failing provider, stream ${stream}`, async () => {
    await rejects(ask('status=500', { stream }), OpenAI.InternalServerError, (error) =>
      assert.ok(error.error.message),
    );
  });
}

// A 403 is about the provider's key, unless it says that the input was flagged.
test("the provider's own status is kept", async () => {
  for (const [status, kind] of [
    [403, OpenAI.PermissionDeniedError],
    [409, OpenAI.ConflictError],
    [422, OpenAI.UnprocessableEntityError],
  ]) {
    await rejects(ask(`status=${status} message=flagged+because+of+this`), kind, (error) =>
      assert.match(error.message, /because of this/),
    );
  }
});

for (const script of ['cut=status', 'cut=header', 'bad_json', 'status=502 html']) {
  test(`a reply that is none is a bad gateway: ${script}`, gatewayOnly, async () => {
    await rejects(ask(script), OpenAI.InternalServerError, (error) =>
      assert.equal(error.status, 502),
    );
  });
}

const withDead = deadModel ? {} : { skip: 'DEAD_MODEL names no model' };
test('a provider that does not listen', withDead, async () => {
  const call = client.chat.completions.create({ model: deadModel, messages: user('hi') });
  await rejects(call, OpenAI.InternalServerError, (error) => assert.equal(error.status, 502));
});

test("the client's own timeout", async () => {
  const impatient = make({ timeout: 500 });
  const call = impatient.chat.completions.create({
    model,
    messages: user('[[sim: hang=header]]'),
  });
  await rejects(call, OpenAI.APIConnectionTimeoutError);
});

// The text that came before the stream failed, and how it failed.
const untilItFails = async (script) => {
  let content = '';
  try {
    for await (const chunk of await ask(script, { stream: true })) {
      content += chunk.choices[0]?.delta.content ?? '';
    }
  } catch (error) {
    return { content, error };
  }
  return { content };
};

test('an error inside a stream is raised', async () => {
  const { content, error } = await untilItFails('chunks=5 error_after=2');
  assert.ok(error instanceof OpenAI.APIError, String(error));
  assert.equal(content, 'word word ');
});

for (const cut of ['chunk', 'between', 'between rst', 'done no_finish']) {
  test(`a stream cut by the provider never looks complete: ${cut}`, gatewayOnly, async () => {
    const { content, error } = await untilItFails(`chunks=5 cut_after=2 cut=${cut}`);
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.ok(content.startsWith('word word '));
  });
}

test('a request id of the caller comes back', gatewayOnly, async () => {
  const { response } = await client.chat.completions
    .create(
      { model, messages: user('[[sim: say=ok]]') },
      { headers: { 'x-request-id': 'caller-chosen-1' } },
    )
    .withResponse();
  assert.equal(response.headers.get('x-request-id'), 'caller-chosen-1');
});
