// The page's words, from the catalogue that the command line uses too.
import { keep, recall, shared } from "./kept.js";

let catalogue = {};
const first = (navigator.languages || [navigator.language]).find((name) => /^(zh|en)\b/i.test(name));
const usual = /^zh\b/i.test(first || "") ? "zh" : "en";
export const language = shared(recall("language", usual) === "zh" ? "zh" : "en");

export async function loadWords() {
  catalogue = await (await fetch("/words.json")).json();
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
}

export function speak(next) {
  keep("language", next);
  document.documentElement.lang = next === "zh" ? "zh-Hans" : "en";
  language.set(next);
}

export function has(key) {
  return key in catalogue;
}

export function t(key, values = {}) {
  const entry = catalogue[key];
  if (!entry) {
    console.error(`no words for ${key}`);
    return key;
  }
  let text = entry[language.value];
  if (typeof text !== "string") text = values.count === 1 && text.one ? text.one : text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => show(values[name]));
}

const locale = () => (language.value === "zh" ? "zh-CN" : "en-US");

function show(value) {
  return typeof value === "number" ? number(value) : String(value ?? "");
}

export function number(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const options = digits === undefined
    ? { maximumSignificantDigits: Math.abs(value) >= 1000 ? 21 : 4 }
    : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (digits === undefined && Number.isInteger(value)) return value.toLocaleString(locale());
  return value.toLocaleString(locale(), options);
}

export function count(value) {
  if (value === null || value === undefined) return "–";
  for (const [size, mark] of [[1e9, "B"], [1e6, "M"], [1e3, "K"]])
    if (value >= size) return `${(value / size).toFixed(value / size < 10 ? 1 : 0)}${mark}`;
  return String(Math.round(value));
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let unit = 0;
  const units = ["B", "kB", "MB", "GB", "TB"];
  while (Math.abs(value) >= 1000 && unit < 4) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const zh = language.value === "zh";
  const [s, m, h] = zh ? [" 秒", " 分", " 小时"] : [" s", " min", " h"];
  if (seconds < 10) return `${seconds.toFixed(1)}${s}`;
  if (seconds < 100) return `${Math.round(seconds)}${s}`;
  if (seconds < 5400) return `${Math.round(seconds / 60)}${m}`;
  const hours = seconds / 3600;
  return `${hours < 10 ? hours.toFixed(1).replace(/\.0$/, "") : Math.round(hours)}${h}`;
}

export function when(seconds) {
  if (!seconds) return "–";
  const date = new Date(seconds * 1000);
  const today = new Date().toDateString() === date.toDateString();
  const options = today
    ? { hour: "2-digit", minute: "2-digit" }
    : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString(locale(), options);
}

export function percent(share, digits = 0) {
  return share.toLocaleString(locale(), { style: "percent", maximumFractionDigits: digits });
}
