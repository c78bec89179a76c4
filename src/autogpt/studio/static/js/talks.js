// Conversations, kept in the browser; and one answer while it is being written.
import { stream } from "./api.js";
import { keep, recall, shared } from "./kept.js";
import { server } from "./server.js";

const MOST = 60;

export const talks = shared(recall("talks", []));
export const SETTINGS = { system: "", temperature: "", top_p: "", max_tokens: "", seed: "" };

export function newTalk(from = {}) {
  return {
    id: Math.random().toString(36).slice(2, 10),
    title: "",
    models: from.models || [null],
    settings: from.settings || { ...SETTINGS },
    turns: [],
    at: Date.now(),
  };
}

let saving;
export function saveSoon() {
  clearTimeout(saving);
  saving = setTimeout(save, 400);
}

function save() {
  clearTimeout(saving);
  let kept = talks.value.filter((talk) => talk.turns.length).slice(0, MOST);
  while (!keep("talks", kept) && kept.length > 1) kept = kept.slice(0, -1); // the oldest makes room
}
addEventListener("pagehide", save);

export function change(id, how) {
  talks.set((all) => all.map((talk) => (talk.id === id ? how(talk) : talk)));
  saveSoon();
}

export function forget(id) {
  talks.set((all) => all.filter((talk) => talk.id !== id));
  saveSoon();
}

const running = new Map(); // "talk.turn.column" -> AbortController

export const isWriting = shared(0);

export function stopAll(talkId) {
  for (const [name, control] of running) if (name.startsWith(`${talkId}.`)) control.abort();
}

// Let a model answer the last question of a turn; what comes is put into the conversation.
export async function answer(talkId, turn, column, { confidence = false } = {}) {
  const talk = talks.value.find((each) => each.id === talkId);
  const model = talk.models[column];
  const facts = server.value?.models.find((each) => each.name === model);
  const name = `${talkId}.${turn}.${column}`;
  running.get(name)?.abort();
  const control = new AbortController();
  running.set(name, control);
  isWriting.set(running.size);
  let current = { model, text: "", tokens: [], finish: null, usage: null, error: null };
  const begin = performance.now();
  let first = null, drawing = false;
  const put = (more) => {
    current = { ...current, ...more };
    change(talkId, (one) => ({
      ...one,
      turns: one.turns.map((each, at) => {
        if (at !== turn) return each;
        const answers = [...each.answers];
        answers[column] = current;
        return { ...each, answers };
      }),
    }));
  };
  const later = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (running.get(name) === control) put({});
    });
  };
  put({});
  try {
    const chats = facts?.answers_messages !== false;
    const [path, body] = chats
      ? ["/v1/chat/completions", chatBody(talk, turn, column, confidence)]
      : ["/v1/completions", textBody(talk, turn, column, confidence)];
    for await (const event of stream(path, body, control.signal)) {
      const choice = event.choices?.[0];
      if (event.usage) current.usage = event.usage;
      if (!choice) continue;
      const text = chats ? choice.delta?.content || "" : choice.text;
      if (text && first === null) first = performance.now() - begin;
      const tokens = chats ? chatTokens(choice.logprobs) : textTokens(choice.logprobs);
      current = {
        ...current,
        text: current.text + text,
        tokens: tokens.length ? [...current.tokens, ...tokens] : current.tokens,
        finish: choice.finish_reason || current.finish,
      };
      later();
    }
    const seconds = (performance.now() - begin) / 1000;
    put({ seconds, first: first === null ? null : first / 1000, finish: current.finish || "stop" });
  } catch (error) {
    if (error.name === "AbortError") put({ finish: "stopped" });
    else put({ finish: "error", error: { message: error.message, code: error.code } });
  } finally {
    if (running.get(name) === control) running.delete(name);
    isWriting.set(running.size);
    save();
  }
  return current;
}

function common(talk, model, confidence) {
  const { temperature, top_p, max_tokens, seed } = talk.settings;
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === "" ? {} : { temperature: Number(temperature) }),
    ...(top_p === "" ? {} : { top_p: Number(top_p) }),
    ...(seed === "" ? {} : { seed: Math.round(Number(seed)) }),
    max_tokens: Math.round(Number(max_tokens || 512)),
  };
}

function chatBody(talk, turn, column, confidence) {
  const messages = [];
  if (talk.settings.system.trim()) messages.push({ role: "system", content: talk.settings.system });
  talk.turns.slice(0, turn + 1).forEach((each, at) => {
    messages.push({ role: "user", content: each.asked });
    const said = each.answers[column];
    if (at < turn && said?.text) messages.push({ role: "assistant", content: said.text });
  });
  const shown = confidence ? { logprobs: true, top_logprobs: 5 } : {};
  return { ...common(talk, talk.models[column]), messages, ...shown };
}

// A model that only continues text is given the text so far.
function textBody(talk, turn, column, confidence) {
  const prompt = talk.turns.slice(0, turn + 1)
    .map((each, at) => each.asked + (at < turn ? each.answers[column]?.text || "" : "")).join("");
  return { ...common(talk, talk.models[column]), prompt, ...(confidence ? { logprobs: 5 } : {}) };
}

function chatTokens(logprobs) {
  return (logprobs?.content || []).map((one) => [
    one.token,
    one.logprob,
    (one.top_logprobs || []).map((other) => [shown(other), other.logprob]),
    one.bytes,
  ]);
}

// A token that is a part of a character is shown as its bytes.
const shown = ({ token, bytes }) => (token.includes("\ufffd") && bytes
  ? `‹${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}›`
  : token);

function textTokens(logprobs) {
  return (logprobs?.tokens || []).map((token, at) => [
    token,
    logprobs.token_logprobs[at],
    Object.entries(logprobs.top_logprobs?.[at] || {}),
  ]);
}

// Tokens that can be shown: of a character whose bytes are several tokens, these are one. Chat says
// the bytes; where they are not known, the text says what stands between the tokens that are whole.
export function readable({ tokens, text }) {
  const groups = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let waiting = null, bytes = [];
  let at = 0;
  for (const [token, logprob, top, own] of tokens) {
    waiting = waiting ? [null, waiting[1] + logprob, waiting[2]] : [null, logprob, top];
    if (own) {
      bytes.push(...own);
      try {
        groups.push([decoder.decode(new Uint8Array(bytes)), waiting[1], waiting[2]]);
        [waiting, bytes] = [null, []];
      } catch {
        // the character goes on in the next token
      }
    } else if (!token.includes("\ufffd")) {
      const found = text.indexOf(token, at);
      if (found > at) groups.push([text.slice(at, found), waiting[1] - logprob, waiting[2]]);
      groups.push([token, logprob, top]);
      at = (found < 0 ? at : found) + token.length;
      waiting = null;
    }
  }
  if (waiting && at < text.length && !bytes.length) groups.push([text.slice(at), waiting[1], waiting[2]]);
  return groups;
}
