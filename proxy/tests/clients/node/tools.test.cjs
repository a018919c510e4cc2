'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI, make, user, collect, direct, chatModel: model } = require('./support.cjs');

const client = make();

const tool = (name, parameter) => ({
  type: 'function',
  function: {
    name,
    parameters: { type: 'object', properties: { [parameter]: { type: 'string' } } },
  },
});
const tools = [tool('get_weather', 'city'), tool('get_time', 'zone')];
const question = 'What is the weather in Paris?';

// The calls of a stream, by their number, from their fragments.
const putTogether = (chunks) => {
  const calls = [];
  for (const part of chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])) {
    calls[part.index] ??= { id: part.id, name: part.function.name, arguments: '' };
    calls[part.index].arguments += part.function.arguments ?? '';
  }
  return calls;
};

test('a call and the answer to it', async () => {
  const messages = user(question);
  const first = await client.chat.completions.create({ model, messages, tools });
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });

  messages.push(first.choices[0].message);
  messages.push({ role: 'tool', tool_call_id: call.id, content: '21 degrees' });
  const second = await client.chat.completions.create({ model, messages, tools });
  assert.match(second.choices[0].message.content, /tool's answer/);
});

test('parallel calls streamed in many fragments', async () => {
  const chunks = await collect(
    await client.chat.completions.create({
      model,
      messages: user('[[sim: tools=2 tool_fragments=8]] Paris'),
      tools,
      stream: true,
    }),
  );
  const calls = putTogether(chunks);
  assert.deepEqual(calls.map((call) => call.name), ['get_weather', 'get_time']);
  assert.notEqual(calls[0].id, calls[1].id);
  assert.deepEqual(
    calls.map((call) => JSON.parse(call.arguments)),
    [{ city: 'Paris' }, { zone: 'Paris' }],
  );
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
});

test('the runner calls the function and gets the answer', async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: user(question),
    tools: [
      {
        type: 'function',
        function: {
          ...tools[0].function,
          parse: JSON.parse,
          function: ({ city }) => {
            asked.push(city);
            return '21 degrees';
          },
        },
      },
    ],
    stream: true,
  });
  assert.match(await runner.finalContent(), /tool's answer/);
  assert.deepEqual(asked, ['Paris']);
});

test("an answer to no call goes as the user's words", async () => {
  const messages = [...user('hi'), { role: 'tool', tool_call_id: 'call_none', content: '42' }];
  const answer = client.chat.completions.create({ model, messages });
  if (direct) {
    await assert.rejects(answer, OpenAI.BadRequestError);
    return;
  }
  assert.match((await answer).choices[0].message.content, /42/);
});
