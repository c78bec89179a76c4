// OpenAI's client for Node against a running server: streaming, calls, JSON, vectors, errors.
//
// Run by test_node_client.py; by hand: npm ci, then: node tests/server/node_client.mjs http://127.0.0.1:8000 MODEL
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

// The client's own helpers put a stream together, and complain of what does not fit.
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const called = await client.chat.completions
  .stream({ ...settings, max_completion_tokens: 80, tools, tool_choice: "required", parallel_tool_calls: false })
  .finalChatCompletion();
assert.deepEqual(called.choices[0].message.tool_calls[0].function, call.choices[0].message.tool_calls[0].function);
const several = await client.chat.completions
  .stream({ ...settings, n: 2, logprobs: true, top_logprobs: 2 })
  .finalChatCompletion();
assert.equal(several.choices.length, 2);
assert.equal(several.choices[0].logprobs.content[0].top_logprobs.length, 2);
const functions = [{ type: "function", name: "weather", parameters, strict: true }];
const streamed = await client.responses
  .stream({ model, input: "Thou", max_output_tokens: 80, tools: functions, tool_choice: "required" })
  .finalResponse();
const item = streamed.output.find((one) => one.type === "function_call");
assert.equal(typeof JSON.parse(item.arguments).city, "string");
assert.equal(streamed.usage.total_tokens, streamed.usage.input_tokens + streamed.usage.output_tokens);

const vectors = await client.embeddings.create({ model, input: ["Thou", "學而"] });
const length = Math.hypot(...vectors.data[1].embedding);
assert.ok(Math.abs(length - 1) < 1e-4, `a vector of length ${length}`);
assert.equal((await client.models.retrieve(model)).id, model);

const error = await client.chat.completions.create({ ...settings, temperature: 9 }).catch((one) => one);
assert.deepEqual([error.status, error.param], [400, "temperature"]);
assert.match(error.requestID, /^req_/);
await assert.rejects(client.chat.completions.create({ ...settings, temperature: 9 }), OpenAI.BadRequestError);
await assert.rejects(client.chat.completions.create({ ...settings, model: "none" }), OpenAI.NotFoundError);
const left = await client.completions.create({ model, prompt: "Thou", max_tokens: 500, stream: true });
for await (const _ of left) break; // leaves
const controller = new AbortController();
const cut = await client.chat.completions.create({ ...settings, stream: true }, { signal: controller.signal });
for await (const _ of cut) controller.abort(); // ends without an error, says the client's README
assert.ok((await client.models.list()).data.some((one) => one.id === model));
console.log(JSON.stringify({ client: "openai (node)", passed: true }));
