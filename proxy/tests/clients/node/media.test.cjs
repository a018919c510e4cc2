'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { OpenAI, make, chatModel: model } = require('./support.cjs');

const client = make();

// Every value of a byte, and more than one read of them.
const sound = Buffer.alloc(256 * 1000, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));
const file = () => OpenAI.toFile(sound, 'a.wav', { type: 'audio/wav' });

test('pictures', async () => {
  const made = await client.images.generate({ model, prompt: 'a tree', n: 2 });
  assert.equal(made.data.length, 2);
  assert.equal(Buffer.from(made.data[0].b64_json, 'base64').length, 1000);
  assert.equal(made.usage.total_tokens, 1106);
});

test('speech', async () => {
  const answer = await client.audio.speech.create({ model, input: 'hi', voice: 'alloy' });
  assert.equal((await answer.arrayBuffer()).byteLength, 3000);
  assert.equal(answer.headers.get('content-type'), 'audio/mpeg');
});

test('a transcription', async () => {
  const heard = await client.audio.transcriptions.create({ file: await file(), model });
  assert.equal(heard.text, 'heard it');
  assert.equal(heard.usage.total_tokens, 59);
  assert.equal(heard.seen[0].bytes, sound.length);
});

test('a transcription in pieces', async () => {
  const stream = await client.audio.transcriptions.create({ file: await file(), model, stream: true });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  assert.deepEqual(kinds, ['transcript.text.delta', 'transcript.text.done']);
});

test('moderations', async () => {
  const judged = await client.moderations.create({ model, input: 'one' });
  assert.equal(judged.results[0].flagged, false);
});
