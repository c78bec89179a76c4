// Chat: one model or two side by side, with settings, and how sure each token was.
import { html, useEffect, useRef, useState } from "../html.js";
import { keep, recall, useShared } from "../kept.js";
import { Area, Button, copy, Dialog, Empty, Field, say, Select } from "../parts.js";
import { Prose } from "../prose.js";
import { go, path } from "../route.js";
import { server } from "../server.js";
import { answer, change, forget, isWriting, newTalk, readable, SETTINGS, stopAll, talks } from "../talks.js";
import { number, percent, t } from "../words.js";

export function Chat({ parts }) {
  const all = useShared(talks);
  const state = useShared(server);
  const [open, setOpen] = useState(false);
  const [fresh, setFresh] = useState(() => newTalk({ models: recall("models", [null]) }));
  const writers = (state?.models || []).filter((model) => model.kind === "writer");
  const known = all.find((talk) => talk.id === parts[0]);
  const talk = withModels(known || fresh, writers);
  const begin = () => {
    setFresh(newTalk({ models: talk.models, settings: talk.settings }));
    setOpen(false);
    go("chat");
  };
  const update = (how) => {
    if (known) change(talk.id, how);
    else setFresh(how(talk));
  };
  const send = (text) => {
    const turn = talk.turns.length;
    const asked = { asked: text, answers: [] };
    if (!known) {
      talks.set((list) => [{ ...talk, title: text.slice(0, 60), turns: [asked], at: Date.now() }, ...list]);
      setFresh(newTalk({ models: talk.models, settings: talk.settings }));
      go("chat", talk.id);
    } else change(talk.id, (one) => ({ ...one, models: talk.models, turns: [...one.turns, asked], at: Date.now() }));
    ask(talk, turn);
  };
  return html`<div class="chat talk-room">
    <div class="chats ${open ? "open" : ""}">
      <${Button} icon="plus" onClick=${begin}>${t("chat.new")}<//>
      ${all.length > 0 && html`<ul aria-label=${t("chat.kept")}>${all.map((each) => html`<li key=${each.id} class=${each.id === talk.id ? "chosen" : ""}>
        <button type="button" class="name" aria-current=${each.id === talk.id ? "true" : undefined}
          onClick=${() => { setOpen(false); go("chat", each.id); }}>${each.title}</button>
        <${Button} icon="trash" kind="quiet small" label=${t("chat.forget", { title: each.title })} onClick=${() => forget(each.id)} />
      </li>`)}</ul>`}
    </div>
    <${Talk} talk=${talk} writers=${writers} state=${state} update=${update} onSend=${send} onList=${() => setOpen(!open)} />
  </div>`;
}

// A conversation names models that may be gone: then it goes on with one that is there.
function withModels(talk, writers) {
  if (!writers.length) return talk;
  const names = writers.map((model) => model.name);
  const models = talk.models.map((name, at) => (names.includes(name) ? name : names[Math.min(at, names.length - 1)]));
  return { ...talk, models };
}

async function ask(talk, turn, columns) {
  const confidence = recall("confidence", false);
  const asked = columns || talk.models.map((_, column) => column);
  await Promise.all(asked.map((column) => answer(talk.id, turn, column, { confidence })));
}

function Talk({ talk, writers, state, update, onSend, onList }) {
  const [settings, setSettings] = useState(false);
  const [shade, setShade] = useState(() => recall("confidence", false));
  const [said, setSaid] = useState("");
  const writing = useShared(isWriting) > 0;
  const list = useRef(null);
  const stuck = useRef(true);
  const names = writers.map((model) => [model.name, model.name]);
  const two = talk.models.length === 2;
  const wasWriting = useRef(false);
  useEffect(() => {
    if (wasWriting.current && !writing) setSaid(t("chat.finished"));
    wasWriting.current = writing;
  }, [writing]);
  useEffect(() => { // follow what is written, unless the reader has scrolled up
    const box = list.current;
    if (box && stuck.current) box.scrollTop = box.scrollHeight;
  });
  const choose = (column, name) => update((one) => {
    const models = talk.models.map((each, at) => (at === column ? name : each));
    keep("models", models);
    return { ...one, models };
  });
  const compare = () => update((one) => {
    const other = names.map(([name]) => name).find((name) => name !== talk.models[0]) || talk.models[0];
    const models = two ? [talk.models[0]] : [talk.models[0], other];
    keep("models", models);
    return { ...one, models };
  });
  const shading = (on) => {
    keep("confidence", on);
    setShade(on);
    if (on && talk.turns.length) say(t("chat.confidence_next"));
  };
  const retry = (turn, column) => {
    stopAll(talk.id);
    change(talk.id, (one) => ({ ...one, models: talk.models, turns: one.turns.slice(0, turn + 1) }));
    ask(talk, turn, column === undefined ? undefined : [column]);
  };
  const edit = (turn, text) => {
    stopAll(talk.id);
    change(talk.id, (one) => ({
      ...one,
      models: talk.models,
      title: turn === 0 ? text.slice(0, 60) : one.title,
      turns: [...one.turns.slice(0, turn), { asked: text, answers: [] }],
    }));
    ask(talk, turn);
  };
  const continues = writers.find((model) => model.name === talk.models[0])?.answers_messages === false;
  return html`<section class="talk" aria-label=${t("room.chat")}>
    <div class="top">
      <h1 class="unseen" tabindex="-1">${t("room.chat")}</h1>
      <span class="only-narrow"><${Button} icon="more" kind="quiet" label=${t("chat.kept")} onClick=${onList} /></span>
      ${names.length > 0 && talk.models.map((name, column) => html`<${Select} key=${column} value=${name} options=${names}
        aria-label=${two ? t("chat.model_of", { number: column + 1 }) : t("common.model")} onValue=${(next) => choose(column, next)} />`)}
      <span class="push"></span>
      ${names.length > 0 && html`
        <${Button} icon="columns" kind="quiet ${two ? "on" : ""}" label=${t("chat.compare")} aria-pressed=${two} onClick=${compare} />
        <${Button} icon="shade" kind="quiet ${shade ? "on" : ""}" label=${t("chat.confidence")} aria-pressed=${shade} onClick=${() => shading(!shade)} />
        <${Button} icon="sliders" kind="quiet" label=${t("chat.settings")} onClick=${() => setSettings(true)} />`}
    </div>
    <div class="turns ${two ? "wide" : ""}" ref=${list} tabindex="0" role="region" aria-label=${t("chat.messages")}
      onScroll=${(e) => { const box = e.currentTarget; stuck.current = box.scrollHeight - box.scrollTop - box.clientHeight < 60; }}>
      ${talk.turns.length
        ? html`<ol>${talk.turns.map((turn, at) => html`<${Turn} key=${at} turn=${turn} at=${at} two=${two} shade=${shade}
            last=${at === talk.turns.length - 1} busy=${writing} onRetry=${retry} onEdit=${edit} />`)}</ol>`
        : html`<${Start} state=${state} writers=${writers} continues=${continues} onSend=${onSend} />`}
    </div>
    <${Compose} ready=${names.length > 0} writing=${writing} continues=${continues} shade=${shade && talk.turns.length > 0}
      onSend=${(text) => { stuck.current = true; onSend(text); }} onStop=${() => stopAll(talk.id)} />
    <div class="unseen" role="status" aria-live="polite">${said}</div>
    ${settings && html`<${Settings} talk=${talk} update=${update} most=${state?.most_tokens} onClose=${() => setSettings(false)} />`}
  </section>`;
}

function Start({ state, writers, continues, onSend }) {
  if (!state) return null;
  if (!writers.length)
    return html`<${Empty} icon="chat" title=${t("chat.empty.title")} text=${t("chat.empty.text")}>
      <a class="button strong" href=${path("models")}>${t("chat.empty.models")}</a>
      <a class="button" href=${path("train")}>${t("chat.empty.train")}</a>
    <//>`;
  const kind = continues ? "continue" : "ask";
  return html`<${Empty} icon="chat" title=${t(`chat.start.${kind}`)} text=${t(`chat.start.${kind}_text`)}>
    <div class="starters">${[1, 2, 3].map((at) => t(`chat.starter.${kind}${at}`)).map((text) => html`
      <${Button} onClick=${() => onSend(text)}>${text}<//>`)}</div>
  <//>`;
}

function Compose({ ready, writing, continues, shade, onSend, onStop }) {
  const [text, setText] = useState(() => recall("draft", ""));
  const box = useRef(null);
  const write = (next) => {
    keep("draft", next);
    setText(next);
  };
  const send = (event) => {
    event?.preventDefault();
    if (!text.trim() || !ready || writing) return;
    onSend(continues ? text : text.trim());
    write("");
  };
  const key = (event) => {
    // While an input method composes (Chinese), Enter chooses a word.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`<div class="compose">
    <form onSubmit=${send}>
      <${Area} grow rows="1" value=${text} onValue=${write} onKeyDown=${key} disabled=${!ready}
        aria-label=${t("chat.message")} placeholder=${t(continues ? "chat.placeholder_continue" : "chat.placeholder")} />
      ${writing
        ? html`<${Button} icon="stop" kind="strong" label=${t("chat.stop")} onClick=${onStop} />`
        : html`<${Button} icon="send" kind="strong" type="submit" label=${t("chat.send")} disabled=${!ready || !text.trim()} />`}
    </form>
    <p class="help">${shade ? html`<${Legend} />` : t("chat.caution")}</p>
  </div>`;
}

function Legend() {
  return html`<span class="legend shaded">${t("chat.legend")} ${[0, 1, 2, 3, 4].map((step) => html`<span class="p${step}">${t(`chat.sure${step}`)}</span>`)}</span>`;
}

function Turn({ turn, at, two, shade, last, busy, onRetry, onEdit }) {
  const [draft, setDraft] = useState(null);
  const done = () => {
    if (draft.trim()) onEdit(at, draft);
    setDraft(null);
  };
  const answers = two ? [turn.answers[0], turn.answers[1]] : turn.answers.slice(0, 1);
  return html`<li class="turn">
    ${draft === null
      ? html`<div class="asked"><div class="words">${turn.asked}</div>
          <${Button} icon="edit" kind="quiet small" label=${t("chat.edit")} onClick=${() => setDraft(turn.asked)} /></div>`
      : html`<div class="asked editing"><${Area} grow value=${draft} onValue=${setDraft} aria-label=${t("chat.edit")} />
          <div class="actions end"><${Button} onClick=${() => setDraft(null)}>${t("common.cancel")}<//>
          <${Button} kind="strong" onClick=${done}>${t("chat.ask_again")}<//></div></div>`}
    <div class="answers ${two ? "two-up" : ""}">${answers.map((one, column) => one && html`<${Answer} key=${column} one=${one} two=${two}
      shade=${shade} last=${last} busy=${busy} onRetry=${() => onRetry(at, two ? column : undefined)} />`)}</div>
  </li>`;
}

function Answer({ one, two, shade, last, busy, onRetry }) {
  const writing = one.finish === null;
  const shaded = shade && one.tokens.length > 0;
  const stopped = one.error?.code === "content_policy_violation" || one.finish === "content_filter";
  return html`<article class="answer" aria-label=${one.model} aria-busy=${writing}>
    ${two && html`<div class="who">${one.model}</div>`}
    ${shaded
      ? html`<${Shaded} tokens=${readable(one)} />`
      : html`<${Prose} text=${one.text} className=${writing ? "writing" : ""} />`}
    ${one.error && !stopped && html`<div class="problem" role="alert"><p>${one.error.message}</p></div>`}
    ${stopped && html`<div class="hint cut" role="status"><p>${one.error?.message ?? t("chat.rail")}</p></div>`}
    ${one.finish === "length" && html`<p class="help cut">${t("chat.cut")}</p>`}
    ${one.finish === "stopped" && html`<p class="help cut">${t("chat.stopped")}</p>`}
    ${!writing && html`<div class="under">
      <${Button} icon="copy" kind="quiet small" label=${t("common.copy")} onClick=${() => copy(one.text)} />
      ${last && !busy && html`<${Button} icon="retry" kind="quiet small" label=${t("chat.retry")} onClick=${onRetry} />`}
      ${one.usage && one.seconds > 0 && html`<span class="figures">${t("chat.figures", {
        count: one.usage.completion_tokens,
        rate: number(one.usage.completion_tokens / one.seconds, 1),
        first: number(one.first ?? one.seconds, 2),
      })}</span>`}
    </div>`}
  </article>`;
}

const step = (logprob) => [Math.log(0.8), Math.log(0.5), Math.log(0.25), Math.log(0.1)].filter((edge) => logprob < edge).length;

// Each token with a tint: the less likely the model found it, the stronger.
function Shaded({ tokens }) {
  const [chosen, setChosen] = useState(null);
  const tell = (event) => {
    const at = event.target.dataset?.at;
    if (at !== undefined) setChosen(Number(at));
  };
  const one = tokens[chosen];
  return html`<div>
    <div class="raw shaded" onClick=${tell} onMouseOver=${tell}>${tokens.map(([text, logprob], at) => html`<span data-at=${at} class="p${step(logprob)}">${text}</span>`)}</div>
    ${one && html`<div class="alternatives" aria-live="polite">
      <strong>${t("chat.instead", { token: one[0].trim() || "␣", share: percent(Math.exp(one[1]), 1) })}</strong>
      ${one[2].map(([text, logprob]) => html`<div><span class="mono">${text.replace(/ /g, "␣").replace(/\n/g, "↵")}</span>
        <span class="bar"><div style=${{ width: `${100 * Math.exp(logprob)}%` }}></div></span><span class="number small">${percent(Math.exp(logprob), 1)}</span></div>`)}
    </div>`}
  </div>`;
}

function Settings({ talk, update, most, onClose }) {
  const set = (name) => (value) => update((one) => ({ ...one, settings: { ...one.settings, [name]: value } }));
  const box = (name, least, highest, by) => html`<${Field} label=${t(`setting.${name}`)} help=${t(`setting.${name}.help`)}>
    ${(given) => html`<input type="number" min=${least} max=${highest} step=${by} value=${talk.settings[name]} placeholder=${t("setting.usual")}
      onInput=${(e) => set(name)(e.target.value)} ...${given} />`}<//>`;
  return html`<${Dialog} title=${t("chat.settings")} onClose=${onClose}>
    <div class="stack">
      <${Field} label=${t("setting.system")} help=${t("setting.system.help")}>${(given) => html`<${Area} rows="3" value=${talk.settings.system} onValue=${set("system")} ...${given} />`}<//>
      <div class="two">
        ${box("temperature", 0, 2, 0.1)}${box("top_p", 0, 1, 0.05)}
        ${box("max_tokens", 1, most || 4096, 1)}${box("seed", 0, 2 ** 31, 1)}
      </div>
      <div class="actions end">
        <${Button} onClick=${() => update((one) => ({ ...one, settings: { ...SETTINGS } }))}>${t("setting.reset")}<//>
        <${Button} kind="strong" onClick=${onClose}>${t("common.done")}<//>
      </div>
    </div>
  <//>`;
}
