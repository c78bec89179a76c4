// OpenAI's client for Node against a running server: streaming, calls, JSON, errors.
//
// Run: npm install openai, then: node benchmarks/serving/node_client.mjs http://127.0.0.1:8000 MODEL
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const found = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve("openai");
const { default: OpenAI } = await import(pathToFileURL(found));
const [address, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Shall I compare thee? 學而時習之" }];
const settings = { model, messages, max_completion_tokens: 24, seed: 1 };

const whole = await client.chat.completions.create(settings);
let text = "";
let usage = null;
const stream = await client.chat.completions.create({
  ...settings,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);

const parameters = {
  type: "object",
  properties: { city: { type: "string", maxLength: 8 } },
  required: ["city"],
  additionalProperties: false,
};
const call = await client.chat.completions.create({
  ...settings,
  max_completion_tokens: 80,
  tools: [{ type: "function", function: { name: "weather", parameters } }],
  tool_choice: "required",
  parallel_tool_calls: false,
});
assert.equal(call.choices[0].finish_reason, "tool_calls");
assert.equal(typeof JSON.parse(call.choices[0].message.tool_calls[0].function.arguments).city, "string");

const response = await client.responses.create({
  model,
  input: "Thou",
  max_output_tokens: 60,
  text: { format: { type: "json_schema", name: "city", schema: parameters } },
});
assert.equal(typeof JSON.parse(response.output_text).city, "string");
const kinds = [];
for await (const event of await client.responses.create({ model, input: "Thou", max_output_tokens: 8, stream: true })) {
  kinds.push(event.type);
}
assert.equal(kinds[0], "response.created");
assert.match(kinds.at(-1), /^response\.(completed|incomplete)$/);

await assert.rejects(client.chat.completions.create({ ...settings, temperature: 9 }), OpenAI.BadRequestError);
await assert.rejects(client.chat.completions.create({ ...settings, model: "none" }), OpenAI.NotFoundError);
const left = await client.completions.create({ model, prompt: "Thou", max_tokens: 500, stream: true });
for await (const _ of left) break; // leaves
assert.ok((await client.models.list()).data.some((one) => one.id === model));
console.log(JSON.stringify({ client: "openai (node)", passed: true }));
