'use strict';
// What every test needs: the address under test, and clients made for it.

const OpenAI = require('openai');

const root = process.env.GATEWAY_URL.replace(/\/+$/, '');
const apiKey = process.env.GATEWAY_KEY ?? 'sk-sim';

// True when the address is a provider itself: what only a gateway does is left out.
const direct = process.env.CLIENTS_DIRECT === '1';

// A client that does not retry, so that each failure is seen as it came.
const make = (options = {}, base = '/v1') =>
  new OpenAI({ baseURL: root + base, apiKey, maxRetries: 0, ...options });

// A conversation of one message.
const user = (content) => [{ role: 'user', content }];

const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};

const text = (chunks) =>
  chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? '')).join('');

module.exports = {
  OpenAI,
  root,
  apiKey,
  make,
  user,
  collect,
  text,
  direct,
  gatewayOnly: { skip: direct ? 'a provider alone does not do this' : false },
  chatModel: process.env.CHAT_MODEL ?? 'sim-model',
  completionModel: process.env.COMPLETION_MODEL ?? 'sim-model',
  embeddingModel: process.env.EMBEDDING_MODEL ?? 'sim-model',
  deadModel: process.env.DEAD_MODEL,
};
