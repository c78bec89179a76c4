// What came of a task, shown as what it is: labels as bars, entities in their text, else as written.
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Facts } from "./parts.js";
import { bytes, number, percent, t } from "./words.js";

export function Result({ result, input }) {
  if (result.error) return html`<div class="problem"><p>${result.error.message}</p></div>`;
  if (result.probabilities) return html`<${Probabilities} of=${result.probabilities} />`;
  if (Array.isArray(result.entities)) return html`<${Entities} entities=${result.entities} text=${result.text ?? input} />`;
  if (typeof result.text === "string")
    return html`<div class="stack"><div class="written" lang=${/[\u4e00-\u9fff]/.test(result.text) ? "zh" : undefined}>${result.text}</div>
      ${Array.isArray(result.evidence) && html`<${Evidence} of=${result.evidence} input=${input} />`}
      ${Array.isArray(result.segments) && html`<${Segments} of=${result.segments} />`}</div>`;
  return html`<pre tabindex="0">${JSON.stringify(result, null, 2)}</pre>`;
}

function Probabilities({ of }) {
  const rows = Object.entries(of).sort((a, b) => b[1] - a[1]);
  return html`<div class="probabilities">${rows.map(([label, share]) => html`<div>
    <span>${label}</span><span class="bar" role="presentation"><div style=${{ width: `${100 * share}%` }}></div></span>
    <span class="number">${percent(share, 1)}</span></div>`)}</div>`;
}

// Offsets count characters as Python does, not the halves of surrogate pairs.
function Entities({ entities, text }) {
  if (typeof text !== "string") return html`<pre tabindex="0">${JSON.stringify(entities, null, 2)}</pre>`;
  const marks = [...text];
  const pieces = [];
  let at = 0;
  for (const one of [...entities].sort((a, b) => a.start - b.start)) {
    if (one.start < at) continue;
    pieces.push(marks.slice(at, one.start).join(""));
    pieces.push(html`<mark title=${one.score === undefined ? undefined : percent(one.score, 1)}>${marks.slice(one.start, one.end).join("")}<small>${one.type}</small></mark>`);
    at = one.end;
  }
  pieces.push(marks.slice(at).join(""));
  return html`<div><p class="entities">${pieces}</p>${entities.length === 0 && html`<p class="soft">${t("result.no_entities")}</p>`}</div>`;
}

function Evidence({ of, input }) {
  const marks = typeof input === "string" ? [...input] : null;
  return html`<details><summary>${t("result.evidence", { count: of.length })}</summary>
    <ul class="jobs">${of.map((one) => html`<li>
      <div class="line"><strong>${one.sentence}</strong><span class="push state ${one.supported ? "done" : "failed"}">${t(one.supported ? "result.supported" : "result.unsupported")}</span></div>
      ${marks && Number.isInteger(one.start) && Number.isInteger(one.end) && html`<p class="soft small">${marks.slice(one.start, one.end).join("")}</p>`}
    </li>`)}</ul></details>`;
}

function Segments({ of }) {
  return html`<details><summary>${t("result.segments", { count: of.length })}</summary>
    <table><tbody>${of.map((one) => html`<tr><th>${number(one.start_s, 1)} – ${number(one.end_s, 1)}</th><td>${one.text}</td></tr>`)}</tbody></table></details>`;
}

// What a file holds, from the look that was taken into it.
export function Look({ look }) {
  if (look.error) return html`<div class="problem"><${Icon} name="warn" /><p>${look.error.message} ${look.error.hint}</p></div>`;
  const fields = Object.keys(look.fields || {});
  const classes = Object.entries(look.classes || {});
  return html`<div class="stack">
    <${Facts} rows=${[
      [t("look.kind"), t(`kind.${look.kind}`)],
      [t("look.examples"), look.examples === null ? t("look.many") : number(look.examples)],
      [t("look.size"), bytes(look.bytes)],
      [t("look.encoding"), Object.keys(look.encodings || {}).join(", ") || "–"],
      fields.length > 0 && [t("look.fields"), fields.join("; ")],
    ]} />
    ${classes.length > 0 && html`<div class="tags">${classes.map(([name, count]) => html`<span class="tag">${name} ${number(count)}</span>`)}</div>`}
    ${look.problems.map((one) => html`<div class="hint"><${Icon} name="warn" /><p>${one.key ? t(one.key, { ...one.values, ...(one.values.bytes === undefined ? {} : { bytes: bytes(one.values.bytes) }) }) : one.text}</p></div>`)}
    <details open><summary>${t("look.first", { count: look.first.length })}</summary>
      <p class="help">${t("look.tokens", { count: look.vocabulary })}</p>
      <div class="examples">${look.first.map((example) => html`<div class="example">
        <p class="small soft">${example.place} · ${t("look.token_count", { count: example.tokens })}</p>
        ${example.parts.map((part) => html`<p class="tokens">${example.parts.length > 1 && html`<b class="role">${t(`role.${part.role}`)}</b>`}${part.tokens.map((token) => html`<span>${token}</span>`)}${part.cut ? " …" : ""}</p>`)}
      </div>`)}</div></details>
  </div>`;
}
