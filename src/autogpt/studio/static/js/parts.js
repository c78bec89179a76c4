// Small parts that every room uses: buttons, fields, empty states, dialogs, notes.
import { html, useEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { shared, useShared } from "./kept.js";
import { t } from "./words.js";

export function Button({ icon, kind = "plain", label, children, ...rest }) {
  return html`<button type="button" class="button ${kind}" aria-label=${label} title=${label} ...${rest}>
    ${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}
  </button>`;
}

let fields = 0;

// A label, whatever is filled in, and a word of help, tied together for screen readers.
export function Field({ label, help, children, inline = false }) {
  const id = useRef(`field-${(fields += 1)}`).current;
  const child = typeof children === "function"
    ? children({ id, "aria-describedby": help ? `${id}-help` : undefined })
    : children;
  return html`<div class="field ${inline ? "inline" : ""}">
    <label for=${id}>${label}</label>
    ${child}
    ${help && html`<p class="help" id="${id}-help">${help}</p>`}
  </div>`;
}

export function Text({ value, onValue, ...rest }) {
  return html`<input type="text" value=${value} onInput=${(e) => onValue(e.target.value)} ...${rest} />`;
}

export function Area({ value, onValue, grow = false, ...rest }) {
  const box = useRef(null);
  useEffect(() => {
    if (!grow || !box.current) return;
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight + 2, 320)}px`;
  }, [value, grow]);
  return html`<textarea ref=${box} value=${value} onInput=${(e) => onValue(e.target.value)} ...${rest}></textarea>`;
}

export function Select({ value, options, onValue, ...rest }) {
  return html`<select value=${value} onChange=${(e) => onValue(e.target.value)} ...${rest}>
    ${options.map(([key, name]) => html`<option value=${key} selected=${key === value}>${name}</option>`)}
  </select>`;
}

export function Check({ label, checked, onValue, ...rest }) {
  return html`<label class="check">
    <input type="checkbox" checked=${checked} onChange=${(e) => onValue(e.target.checked)} ...${rest} />
    <span>${label}</span>
  </label>`;
}

// What may be chosen of a few things; arrow keys move as in radio buttons.
export function Choice({ label, value, options, onValue }) {
  const name = useRef(`choice-${(fields += 1)}`).current;
  return html`<fieldset class="choice">
    <legend class=${label.hidden ? "unseen" : ""}>${label.text || label}</legend>
    <div class="segments">
      ${options.map(([key, text]) => html`<label class=${key === value ? "chosen" : ""}>
        <input type="radio" name=${name} value=${key} checked=${key === value} onChange=${() => onValue(key)} />
        <span>${text}</span>
      </label>`)}
    </div>
  </fieldset>`;
}

export function Head({ title, about, children }) {
  return html`<header class="head">
    <div><h1 tabindex="-1">${title}</h1>${about && html`<p class="about">${about}</p>`}</div>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;
}

// Nothing is here yet: what would be, and what to do so that it is.
export function Empty({ icon, title, text, children }) {
  return html`<div class="empty">
    <div class="emblem"><${Icon} name=${icon} /></div>
    <h2>${title}</h2>
    <p>${text}</p>
    ${children && html`<div class="actions">${children}</div>`}
  </div>`;
}

export function Bar({ share, label, busy = false }) {
  const known = share !== null && share !== undefined;
  return html`<div class="bar ${busy && !known ? "busy" : ""}" role="progressbar" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${known ? Math.round(share * 100) : undefined}>
    <div style=${{ width: known ? `${Math.round(share * 1000) / 10}%` : undefined }}></div>
  </div>`;
}

export function State({ state }) {
  return html`<span class="state ${state}">${t(`state.${state}`)}</span>`;
}

export function Problem({ error }) {
  if (!error) return null;
  return html`<div class="problem" role="alert"><${Icon} name="warn" />
    <p>${error.message}${error.hint ? ` ${error.hint}` : ""}</p></div>`;
}

export function Facts({ rows }) {
  return html`<dl class="facts">${rows.filter(Boolean).map(([name, value]) => html`<div>
    <dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Dialog({ title, onClose, children, wide = false }) {
  const box = useRef(null);
  useEffect(() => {
    const element = box.current;
    element.showModal();
    return () => element.open && element.close();
  }, []);
  const outside = (event) => event.target === box.current && onClose();
  return html`<dialog ref=${box} class=${wide ? "wide" : ""} aria-label=${title} onClose=${onClose} onMouseDown=${outside}>
    <div class="inside">
      <header><h2>${title}</h2><${Button} icon="close" kind="quiet" label=${t("common.close")} onClick=${onClose} /></header>
      ${children}
    </div>
  </dialog>`;
}

// Before something is gone for good.
export function Confirm({ title, text, action, onYes, onClose }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p>${text}</p>
    <div class="actions end">
      <${Button} onClick=${onClose}>${t("common.cancel")}<//>
      <${Button} kind="danger" onClick=${() => { onYes(); onClose(); }}>${action}<//>
    </div>
  <//>`;
}

const note = shared(null);
let fading;

// One sentence at the edge of the page; read out, and gone after a while.
export function say(text, kind = "good") {
  clearTimeout(fading);
  note.set({ text, kind });
  fading = setTimeout(() => note.set(null), kind === "bad" ? 12_000 : 5_000);
}

export function failed(error) {
  if (error.name !== "AbortError") say(`${error.message} ${error.hint || ""}`.trim(), "bad");
}

export function Note() {
  const shown = useShared(note);
  return html`<div class="note ${shown ? `shown ${shown.kind}` : ""}" role="status" aria-live="polite">
    ${shown && html`<p>${shown.text}</p>`}
    ${shown && html`<${Button} icon="close" kind="quiet" label=${t("common.close")} onClick=${() => note.set(null)} />`}
  </div>`;
}

// Asks again and again while the page is seen; returns the last answer, the error, and "now".
export function usePoll(ask, everyMs, watched = []) {
  const [found, set] = useState({ value: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    let timer, over = false, busy = false;
    const look = async () => {
      clearTimeout(timer);
      if (busy) return;
      busy = true;
      try {
        const value = await ask();
        if (!over) set({ value, error: null });
      } catch (error) {
        if (!over) set((before) => ({ ...before, error }));
      }
      busy = false;
      if (!over && everyMs && !document.hidden) timer = setTimeout(look, everyMs);
    };
    const seen = () => !document.hidden && look();
    again.current = look;
    look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, watched);
  return [found.value, found.error, () => again.current()];
}

// A place to drop files, which is also a button for them.
export function Drop({ text, hint, onFiles, accept, multiple = true }) {
  const input = useRef(null);
  const [over, setOver] = useState(false);
  const take = (list) => list.length && onFiles([...list]);
  return html`<div class="drop ${over ? "over" : ""}"
    onDragOver=${(e) => { e.preventDefault(); setOver(true); }}
    onDragLeave=${() => setOver(false)}
    onDrop=${(e) => { e.preventDefault(); setOver(false); take(e.dataTransfer.files); }}>
    <${Icon} name="upload" />
    <p><strong>${text}</strong></p>
    ${hint && html`<p class="help">${hint}</p>`}
    <${Button} onClick=${() => input.current.click()}>${t("common.choose_file")}<//>
    <input ref=${input} type="file" class="unseen" tabindex="-1" aria-label=${text} accept=${accept} multiple=${multiple}
      onChange=${(e) => { take(e.target.files); e.target.value = ""; }} />
  </div>`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("common.copied"));
  } catch (error) {
    failed(error);
  }
}
