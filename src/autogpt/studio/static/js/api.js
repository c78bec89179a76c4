// What the page asks the server. Errors are of one kind: {code, message, hint}.
import { shared } from "./kept.js";
import { has, language, t } from "./words.js";

export const wantsKey = shared(false);

export class ApiError extends Error {
  constructor(status, error) {
    const code = error?.code || "";
    // The server's own errors are in English; those that have a code are said here.
    const said = has(`error.${code}`) ? t(`error.${code}`) : error?.message;
    super(said || t("error.unreachable"));
    this.status = status;
    this.code = code;
    this.hint = error?.hint || "";
  }
}

export function rememberKey(value) {
  if (value) sessionStorage.setItem("studio.key", value);
  else sessionStorage.removeItem("studio.key");
  wantsKey.set(false);
}

function headers(more = {}) {
  const key = sessionStorage.getItem("studio.key");
  return {
    "Accept-Language": language.value,
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
    ...more,
  };
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, null);
  }
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    const error = new ApiError(response.status, told?.error);
    if (response.status === 401 || error.code === "not_admin") wantsKey.set(true);
    throw error;
  }
  return response;
}

export async function get(path, options = {}) {
  return (await ask(path, { ...options, headers: headers() })).json();
}

export async function post(path, body = {}, options = {}) {
  const sent = { "Content-Type": "application/json" };
  const response = await ask(path, {
    ...options,
    method: "POST",
    headers: headers(sent),
    body: JSON.stringify(body),
  });
  return response.json();
}

export async function del(path) {
  return (await ask(path, { method: "DELETE", headers: headers() })).json();
}

// A file that the server has, saved under its name.
export async function download(path, name) {
  const response = await ask(path, { headers: headers() });
  save(await response.blob(), name);
}

export function save(content, name) {
  const blob = content instanceof Blob ? content : new Blob([content], { type: "text/plain" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A report opens in a tab of its own, which can send no key: its name is good for minutes.
export async function openReport(path) {
  const tab = window.open("", "_blank");
  try {
    const link = await post(path);
    if (tab) {
      tab.opener = null;
      tab.location = link.path;
    } else location.href = link.path;
  } catch (error) {
    tab?.close();
    throw error;
  }
}

// Server-sent events of a request, as an async iterator of values.
export async function* stream(path, body, signal) {
  const sent = { "Content-Type": "application/json", Accept: "text/event-stream" };
  const response = await ask(path, {
    method: "POST",
    headers: headers(sent),
    body: JSON.stringify(body),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      let end;
      while ((end = rest.indexOf("\n\n")) >= 0) {
        const data = rest.slice(0, end).split("\n").filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trim()).join("\n");
        rest = rest.slice(end + 2);
        if (data === "[DONE]") return;
        if (!data) continue;
        const value = JSON.parse(data);
        if (value.error) throw new ApiError(200, value.error);
        yield value;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const PIECE = 1 << 20;

// A file in pieces, so that no request is large; tells how far it is.
export async function upload(file, onShare = () => {}) {
  const begun = await post("/v1/studio/uploads", { name: file.name, size_bytes: file.size });
  for (let offset = 0; offset < file.size; offset += PIECE) {
    const piece = new Uint8Array(await file.slice(offset, offset + PIECE).arrayBuffer());
    let binary = "";
    for (let at = 0; at < piece.length; at += 0x8000)
      binary += String.fromCharCode(...piece.subarray(at, at + 0x8000));
    await post(`/v1/studio/uploads/${begun.id}/pieces`, { offset, base64: btoa(binary) });
    onShare(Math.min(1, (offset + PIECE) / file.size));
  }
  return get("/v1/studio/uploads").then(({ uploads }) => uploads.find((one) => one.id === begun.id));
}
