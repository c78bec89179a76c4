// Tasks: a form for each that the registry names, for one text or for every row of a file.
import { download, get, post, save } from "../api.js";
import { DataPicker } from "../data.js";
import { html, useEffect, useState } from "../html.js";
import { useShared } from "../kept.js";
import { Area, Button, Choice, copy, Drop, Empty, failed, Field, Head, Problem, Select, usePoll } from "../parts.js";
import { Result } from "../results.js";
import { path } from "../route.js";
import { said, SchemaField, title, typed } from "../schema.js";
import { jobs, look, server } from "../server.js";
import { JobLine } from "../work.js";
import { bytes, has, language, number, t } from "../words.js";

export const taskName = (name) => (has(`task.${name}`) ? t(`task.${name}`) : title(name));

export function Tasks({ parts }) {
  const spoken = useShared(language);
  const [found, error] = usePoll(() => get("/v1/studio/tasks"), 0, [spoken]);
  const tasks = found?.tasks || [];
  const task = tasks.find((one) => one.name === parts[0]) || tasks[0];
  return html`<div class="room">
    <${Head} title=${t("room.tasks")} about=${t("tasks.about")} />
    <${Problem} error=${error} />
    ${tasks.length > 0 && html`<nav class="menu" aria-label=${t("room.tasks")}>${tasks.map((one) => html`
      <a href=${path("tasks", one.name)} aria-current=${one === task ? "true" : undefined}>${taskName(one.name)}</a>`)}</nav>`}
    ${found && !task && html`<${Empty} icon="tasks" title=${t("tasks.none")} text=${t("tasks.none_text")} />`}
    ${task && html`<${TaskForm} key=${task.name} task=${task} />`}
  </div>`;
}

// What a person types for a task's input: one text, or an object of several fields.
function inputs(task) {
  const options = task.input.oneOf || [task.input];
  if (options.some((one) => one.type === "string")) return null;
  const object = options.find((one) => one.type === "object");
  return object || null;
}

function TaskForm({ task }) {
  const state = useShared(server);
  const all = useShared(jobs);
  const [many, setMany] = useState("one");
  const [model, setModel] = useState("");
  const [text, setText] = useState("");
  const [file, setFile] = useState(null);
  const [fields, setFields] = useState({});
  const [values, setValues] = useState({});
  const [data, setData] = useState([]);
  const [result, setResult] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const loaded = (state?.models || []).filter((one) => suits(task, one));
  const chosen = loaded.find((one) => one.name === model) || loaded[0];
  const object = inputs(task);
  const required = task.parameters.required || [];
  const media = task.input.contentEncoding === "base64";
  const asked = media ? file : object ? typedOrNull(object, fields) : text;
  const parameters = () => typed(task.parameters, values);
  const run = async (event) => {
    event.preventDefault();
    setError(null);
    setBusy(true);
    try {
      const input = media ? await base64(file) : object ? typed(object, fields) : text;
      const body = { model: chosen.name, input, parameters: parameters() };
      const answer = await post(`/v1/tasks/${task.name}`, body);
      setResult({ value: first(answer), input: object ? fields.text : text });
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const start = async () => {
    setError(null);
    try {
      await post("/v1/studio/jobs/task", {
        task: task.name,
        model: `served:${chosen.name}`,
        data: data[0],
        parameters: parameters(),
      });
      look();
    } catch (problem) {
      setError(problem);
    }
  };
  const own = all.filter((job) => job.kind === "task" && job.request.task === task.name);
  const properties = Object.entries(task.parameters.properties || {});
  // A trained head has labels of its own; what is needed, and the first, are asked for at once.
  const wanted = properties.filter(([name]) => !(chosen?.labels && name === "labels"));
  const isFirst = ([name], at) => required.includes(name) || at === 0;
  const [shownFirst, further] = [wanted.filter(isFirst), wanted.filter((one, at) => !isFirst(one, at))];
  const parameter = ([name, schema]) => html`<${SchemaField} key=${name} name=${name} schema=${schema} required=${required.includes(name)}
    value=${values[name]} onValue=${(value) => setValues({ ...values, [name]: value })} />`;
  return html`<div class="stack">
    <p class="soft">${said(task, "about")}</p>
    <div class="halves">
      <form class="card stack" onSubmit=${run}>
        ${!media && html`<${Choice} label=${{ text: t("tasks.many"), hidden: true }} value=${many} onValue=${setMany} options=${[["one", t("tasks.one")], ["file", t("tasks.file")]]} />`}
        ${(loaded.length
          ? html`<${Field} label=${t("common.model")}>${(given) => html`<${Select} value=${chosen.name} onValue=${setModel} options=${loaded.map((one) => [one.name, one.name])} ...${given} />`}<//>`
          : html`<div class="hint"><p>${t(task.needs === "trained" ? "tasks.needs_trained" : "tasks.needs_model")} <a href=${path("models")}>${t("chat.empty.models")}</a></p></div>`)}
        ${media
          ? html`<${Drop} multiple=${false} text=${file ? `${file.name} (${bytes(file.size)})` : t("tasks.drop")} hint=${said(task.input, "description")} accept="audio/*,image/*" onFiles=${([one]) => setFile(one)} />`
          : many === "one"
          ? object
            ? Object.entries(object.properties).map(([name, schema]) => html`<${SchemaField} key=${name} name=${name} schema=${schema} required=${(object.required || []).includes(name)}
                value=${fields[name]} onValue=${(value) => setFields({ ...fields, [name]: value })} />`)
            : html`<${Field} label=${t("tasks.text")}>${(given) => html`<${Area} rows="7" value=${text} onValue=${setText} placeholder=${t("tasks.text_hint")} ...${given} />`}<//>`
          : html`<${DataPicker} single chosen=${data} onChosen=${setData} />`}
        ${shownFirst.map(parameter)}
        ${further.length > 0 && html`<details><summary>${t("tasks.parameters")}</summary><div class="stack">${further.map(parameter)}</div></details>`}
        <${Problem} error=${error} />
        <div class="actions">
          ${many === "one"
            ? html`<${Button} kind="strong" type="submit" icon="play" disabled=${busy || !chosen || !asked}>${busy ? t("common.working") : t("tasks.run")}<//>`
            : html`<${Button} kind="strong" icon="play" disabled=${!data.length || !chosen} onClick=${start}>${t("tasks.run_all")}<//>`}
        </div>
      </form>
      <section class="stack" aria-label=${t("tasks.result")}>
        ${many === "one" && (result
          ? html`<div class="card" aria-live="polite"><header><h2>${t("tasks.result")}</h2><div class="actions">
              <${Button} icon="copy" kind="quiet" label=${t("common.copy")} onClick=${() => copy(result.value.text ?? JSON.stringify(result.value, null, 2))} />
              <${Button} icon="download" kind="quiet" label=${t("common.download")} onClick=${() => save(JSON.stringify(result.value, null, 2), `${task.name}.json`)} />
            </div></header><${Result} result=${result.value} input=${result.input} /></div>`
          : html`<${Empty} icon="tasks" title=${t("tasks.empty")} text=${t("tasks.empty_text")} />`)}
        ${many === "file" && (own.length
          ? own.map((job) => html`<${Batch} key=${job.id} job=${job} />`)
          : html`<${Empty} icon="tasks" title=${t("tasks.no_batch")} text=${t("tasks.no_batch_text")} />`)}
      </section>
    </div>
  </div>`;
}

const typedOrNull = (schema, values) => {
  try {
    const found = typed(schema, values);
    return (schema.required || []).every((name) => name in found) ? found : null;
  } catch {
    return null;
  }
};

// The server answers with a list for a list of inputs, or with one result.
const first = (answer) => {
  const found = answer.results ?? answer.data ?? answer.output ?? answer;
  return Array.isArray(found) ? found[0] : found;
};

const KINDS = { classify: ["writer", "classifier"], tag: ["tagger"], recognize: ["recognizer"], transcribe: ["transcriber"] };

// Which loaded models may be offered for a task; whether one really can, the server says.
function suits(task, model) {
  const kinds = KINDS[task.name] || ["writer", "other"];
  return kinds.includes(model.kind);
}

async function base64(file) {
  const read = new FileReader();
  const done = new Promise((good, bad) => {
    read.onload = () => good(read.result.split(",")[1]);
    read.onerror = () => bad(read.error);
  });
  read.readAsDataURL(file);
  return done;
}

function Batch({ job }) {
  const [found, , again] = usePoll(() => get(`/v1/studio/jobs/${job.id}/objects`), ["running", "queued"].includes(job.state) ? 1500 : 0, [job.state]);
  useEffect(() => again(), [job.state]);
  const rows = (found?.objects || []).filter((one) => !("error" in one && Object.keys(one).length === 1));
  const name = `${job.title.replace(/[^\p{L}\p{N}.]+/gu, "-")}.jsonl`;
  return html`<div class="card stack">
    <ul class="jobs"><${JobLine} job=${job} /></ul>
    ${rows.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${t("tasks.preview", { count: found.total })}><table><tbody>${rows.slice(0, 5).map((row) => html`<tr><td><${Short} row=${row} /></td></tr>`)}</tbody></table></div>
      <div class="actions"><span class="soft small">${t("tasks.preview", { count: found.total })}</span>
        <${Button} icon="download" onClick=${() => download(`/v1/studio/jobs/${job.id}/results`, name).catch(failed)}>${t("common.download")}<//></div>`}
  </div>`;
}

function Short({ row }) {
  if (row.label !== undefined) return html`<strong>${row.label}</strong> <span class="soft">${row.probabilities && number(row.probabilities[row.label], 2)}</span>`;
  if (typeof row.text === "string") return row.text.slice(0, 200);
  if (Array.isArray(row.entities)) return row.entities.map((one) => `${one.text} (${one.type})`).join(", ") || "–";
  return html`<code>${JSON.stringify(row).slice(0, 200)}</code>`;
}
