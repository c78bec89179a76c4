// The frame: where one can go, which language and theme, and the room that is open.
import { rememberKey, wantsKey } from "./api.js";
import { html, render, useEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { useShared } from "./kept.js";
import { Button, Choice, Dialog, Field, Note } from "./parts.js";
import { path, place } from "./route.js";
import { away, busy, jobs, look, server } from "./server.js";
import { choose, theme } from "./theme.js";
import { language, loadWords, speak, t } from "./words.js";
import { Agent } from "./rooms/agent.js";
import { Chat } from "./rooms/chat.js";
import { Inspect } from "./rooms/inspect.js";
import { Models } from "./rooms/models.js";
import { Runs } from "./rooms/runs.js";
import { System } from "./rooms/system.js";
import { Tasks } from "./rooms/tasks.js";
import { Train } from "./rooms/train.js";

const ROOMS = { chat: Chat, tasks: Tasks, train: Train, runs: Runs, models: Models, inspect: Inspect, agent: Agent, system: System };
const OPTIONAL = ["inspect", "agent"]; // there when the package behind them is

function App() {
  useShared(language);
  const { room, parts } = useShared(place);
  const state = useShared(server);
  const wanted = useShared(wantsKey);
  const main = useRef(null);
  const first = useRef(true);
  const shown = Object.keys(ROOMS).filter((name) => !OPTIONAL.includes(name) || state?.rooms[name]);
  const name = shown.includes(room) ? room : "chat";
  const Room = ROOMS[name];
  useEffect(() => {
    document.title = `${t(`room.${name}`)} · AutoGPT Studio`;
  });
  useEffect(() => { // where a screen reader goes on after the room has changed
    if (!first.current) main.current.querySelector("h1")?.focus();
    first.current = false;
  }, [name]);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); main.current.focus(); }}>${t("frame.skip")}</a>
    <div class="side">
      <a class="brand" href=${path("chat")}><img src="/static/icon.svg" alt="" />AutoGPT <small>Studio</small></a>
      <nav aria-label=${t("frame.rooms")}><ul>${shown.map((each) => html`<${Tab} key=${each} name=${each} current=${each === name} />`)}</ul></nav>
      <div class="foot"><${Pulse} /><div class="toggles"><${Languages} /><${Themes} /></div></div>
    </div>
    <main class="main" id="main" data-room=${name} tabindex="-1" ref=${main}><${Room} key=${name} parts=${parts} /></main>
    <${Note} />
    ${wanted && html`<${KeyDialog} />`}
  </div>`;
}

function Tab({ name, current }) {
  const running = busy(useShared(jobs)).length;
  const badge = name === "system" && running > 0;
  return html`<li><a href=${path(name)} aria-current=${current ? "page" : undefined}>
    <${Icon} name=${name} /><span>${t(`room.${name}`)}</span>
    ${badge && html`<span class="badge" aria-label=${t("frame.running", { count: running })}>${running}</span>`}
  </a></li>`;
}

function Pulse() {
  const state = useShared(server);
  const gone = useShared(away);
  const kind = gone ? "away" : state?.engine || "starting";
  return html`<div class="pulse ${kind}" role="status">${t(`engine.${kind}`)}</div>`;
}

function Languages() {
  return html`<${Choice} label=${{ text: t("frame.language"), hidden: true }} value=${language.value}
    options=${[["en", "EN"], ["zh", "中"]]} onValue=${speak} />`;
}

function Themes() {
  const chosen = useShared(theme);
  const options = [["auto", "auto"], ["light", "sun"], ["dark", "moon"]].map(([name, icon]) => [
    name,
    html`<${Icon} name=${icon} /><span class="unseen">${t(`theme.${name}`)}</span>`,
  ]);
  return html`<${Choice} label=${{ text: t("frame.theme"), hidden: true }} value=${chosen} options=${options} onValue=${choose} />`;
}

function KeyDialog() {
  const [key, setKey] = useState("");
  const done = (event) => {
    event.preventDefault();
    rememberKey(key.trim());
    look();
  };
  return html`<${Dialog} title=${t("key.title")} onClose=${() => wantsKey.set(false)}>
    <form class="stack" onSubmit=${done}>
      <p>${t("key.text")}</p>
      <${Field} label=${t("key.label")}>${(given) => html`<input type="password" autocomplete="off" value=${key} onInput=${(e) => setKey(e.target.value)} ...${given} />`}<//>
      <div class="actions end"><${Button} kind="strong" type="submit">${t("key.use")}<//></div>
    </form>
  <//>`;
}

await loadWords();
render(html`<${App} />`, document.getElementById("app"));
look();
