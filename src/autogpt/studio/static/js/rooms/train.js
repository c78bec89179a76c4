// Train: drop data, see what it is, choose a budget with its forecast, begin; then the run is shown.
import { get, post } from "../api.js";
import { Chart } from "../chart.js";
import { DataPicker } from "../data.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { keep, recall, useShared } from "../kept.js";
import { Area, Bar, Button, Choice, failed, Facts, Field, Head, Problem, Select, Text } from "../parts.js";
import { go } from "../route.js";
import { jobs, look } from "../server.js";
import { bytes, count, duration, has, language, number, t } from "../words.js";
import { isOpen, JobLine } from "../work.js";

const BUDGETS = [60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800];
const EMPTY = { data: [], goal: "new", name: "", budget: 3, model: "", task: "", method: "lora", settings: "" };

export function Train() {
  useShared(language);
  const all = useShared(jobs);
  const [draft, setDraft] = useState(() => ({ ...EMPTY, ...recall("train", null) }));
  const [seen, setSeen] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (more) => {
    const next = { ...draft, ...more };
    keep("train", next);
    setDraft(next);
  };
  const settings = draft.settings.split("\n").map((line) => line.trim()).filter(Boolean);
  const fresh = draft.goal === "new";
  const tasks = (seen?.tasks || []).filter((task) => task !== "text" || !fresh);
  const task = tasks.includes(draft.task) ? draft.task : tasks[0] || "text";
  const heads = ["classify", "tag"].includes(task);
  const run = async () => {
    setBusy(true);
    setError(null);
    const name = draft.name.trim() || t("train.untitled");
    const budget = `${BUDGETS[draft.budget]}s`;
    try {
      const job = fresh
        ? await post("/v1/studio/jobs/train", { name, data: draft.data, budget, settings })
        : await post("/v1/studio/jobs/finetune", { name, model: draft.model, data: draft.data, task, method: draft.model === "new" || heads ? "full" : draft.method, budget, settings });
      keep("train", null);
      await look();
      go("runs", job.run);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const open = all.filter((job) => ["train", "finetune"].includes(job.kind) && isOpen(job));
  const ready = draft.data.length > 0 && seen && !seen.error;
  return html`<div class="room">
    <${Head} title=${t("room.train")} about=${t("train.about")} />
    ${open.length > 0 && html`<section class="card"><header><h2>${t("train.open")}</h2></header><ul class="jobs">${open.map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</ul></section>`}
    <div class="steps">
      <section class="card"><header><h2>${t("train.data")}</h2></header>
        <${DataPicker} chosen=${draft.data} onChosen=${(data) => { set({ data }); if (!data.length) setSeen(null); }} onLook=${setSeen} model=${fresh ? "" : draft.model} />
      </section>
      <section class="card"><header><h2>${t("train.goal")}</h2></header>
        <div class="stack">
          <${Choice} label=${{ text: t("train.goal"), hidden: true }} value=${draft.goal} onValue=${(goal) => set({ goal })}
            options=${[["new", t("train.goal.new")], ["teach", t("train.goal.teach")]]} />
          <p class="help">${t(fresh ? "train.goal.new_help" : "train.goal.teach_help")}</p>
          ${!fresh && html`<div class="two">
            <${ModelField} value=${draft.model} onValue=${(model) => set({ model })} />
            <${Field} label=${t("train.task")}>${(given) => html`<${Select} value=${task} onValue=${(chosen) => set({ task: chosen })} ...${given}
              options=${(tasks.length ? tasks : ["text"]).map((one) => [one, has(`train.task.${one}`) ? t(`train.task.${one}`) : one])} />`}<//>
            ${draft.model !== "new" && !heads && html`<${Choice} label=${t("train.method")} value=${draft.method} onValue=${(method) => set({ method })} options=${[["lora", t("train.method.lora")], ["full", t("train.method.full")]]} />`}
          </div>`}
        </div>
      </section>
      <section class="card"><header><h2>${t("train.budget")}</h2></header>
        <${Plan} data=${draft.data} ready=${ready} fresh=${fresh} budget=${draft.budget} settings=${settings} onBudget=${(budget) => set({ budget })} />
      </section>
      <section class="card"><header><h2>${t("train.begin")}</h2></header>
        <div class="stack">
          <${Field} label=${t("train.name")} help=${t("train.name_help")}>${(given) => html`<${Text} value=${draft.name} onValue=${(name) => set({ name })} placeholder=${t("train.untitled")} maxlength="60" ...${given} />`}<//>
          <details><summary>${t("train.settings")}</summary>
            <${Field} label=${t("train.settings_label")} help=${t("train.settings_help")}>${(given) => html`<${Area} class="mono" rows="3" value=${draft.settings} onValue=${(text) => set({ settings: text })} placeholder="training.muon_lr=0.01" ...${given} />`}<//></details>
          <${Problem} error=${error} />
          <div class="actions"><${Button} kind="strong" icon="play" disabled=${!ready || busy || (!fresh && !draft.model)} onClick=${run}>${busy ? t("common.working") : t("train.start")}<//>
            ${!ready && html`<span class="soft small">${t("train.first_data")}</span>`}</div>
        </div>
      </section>
    </div>
  </div>`;
}

function ModelField({ value, onValue }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    get("/v1/studio/models").then(setFound).catch(failed);
  }, []);
  const options = [
    ["new", t("train.new_model")],
    ...(found?.here || []).map((one) => [one.ref, one.name]),
    ...(found?.runs || []).map((one) => [one.ref, one.name]),
  ];
  useEffect(() => {
    if (!found || options.some(([ref]) => ref === value)) return;
    const usual = found.here.find((one) => one.ref === found.default) || found.here[0] || found.runs[0];
    onValue(usual?.ref || "new");
  }, [found]);
  return html`<${Field} label=${t("train.model")}>${(given) => html`<${Select} value=${value} onValue=${onValue} options=${options} ...${given} />`}<//>`;
}

// The forecasts of all budgets come from one job, which prepares the text once; the slider is instant.
function useForecasts(data, ready, settings) {
  const key = JSON.stringify([data, settings]);
  const [found, setFound] = useState({ key: "", rows: {}, done: false, error: null });
  useEffect(() => {
    if (!ready) return undefined;
    let over = false, timer, begun = null;
    const follow = async (job) => {
      try {
        const [state, printed] = await Promise.all([get(`/v1/studio/jobs/${job}`), get(`/v1/studio/jobs/${job}/objects`)]);
        if (over) return;
        const rows = {};
        for (const row of printed.objects) if (row.budget) rows[parseFloat(row.budget)] = row;
        const ended = !isOpen(state);
        setFound({ key, rows, done: ended, error: state.error, progress: state.progress });
        if (ended) {
          begun = null;
          keep("forecast", { key, rows });
        } else timer = setTimeout(() => follow(job), 700);
      } catch (error) {
        if (!over) setFound({ key, rows: {}, done: true, error });
      }
    };
    const stop = () => post(`/v1/studio/jobs/${begun}/stop`).catch(() => {}); // nobody waits for it
    const kept = recall("forecast", null);
    if (kept?.key === key && Object.keys(kept.rows).length) {
      setFound({ ...kept, done: true, error: null });
      return undefined;
    }
    setFound({ key, rows: {}, done: false, error: null });
    timer = setTimeout(async () => { // settings are typed letter by letter
      try {
        const job = await post("/v1/studio/jobs/plan", { data, budgets: BUDGETS.map((seconds) => `${seconds}s`), settings });
        begun = job.id;
        if (over) stop();
        else follow(job.id);
      } catch (error) {
        if (!over) setFound({ key, rows: {}, done: true, error });
      }
    }, 500);
    return () => {
      over = true;
      clearTimeout(timer);
      if (begun) stop();
    };
  }, [key, ready]);
  return found.key === key ? found : { rows: {}, done: false, error: null };
}

function Plan({ data, ready, fresh, budget, settings, onBudget }) {
  const found = useForecasts(data, ready && fresh, settings);
  const seconds = BUDGETS[budget];
  const row = found.rows[seconds];
  // More than 8 bits a byte is worse than knowing nothing: no forecast, but a model that does not fit.
  const points = BUDGETS.filter((each) => found.rows[each]?.predicted?.bits_per_byte <= 8).map((each) => [each, found.rows[each].predicted.bits_per_byte]);
  const label = useRef(`budget-${Math.random().toString(36).slice(2)}`).current;
  const slider = html`<div class="dial">
    <label class="unseen" for=${label}>${t("train.budget")}</label>
    <output for=${label}>${duration(seconds)}</output>
    <input id=${label} type="range" min="0" max=${BUDGETS.length - 1} step="1" value=${budget} aria-valuetext=${duration(seconds)} onInput=${(e) => onBudget(Number(e.target.value))} />
    <div class="ends"><span>${duration(BUDGETS[0])}</span><span>${duration(BUDGETS[BUDGETS.length - 1])}</span></div>
  </div>`;
  if (!fresh) return html`<div class="stack">${slider}<p class="help">${t("train.budget_teach")}</p></div>`;
  return html`<div class="stack">
    ${slider}
    ${!ready && html`<p class="help">${t("train.forecast_later")}</p>`}
    ${ready && !found.done && !row && html`<div role="status"><p class="small soft">${found.progress?.words || t("train.measuring")}</p><${Bar} busy label=${t("train.measuring")} /></div>`}
    ${row?.error && html`<${Problem} error=${row.error} />`}
    ${found.error && !row && html`<${Problem} error=${found.error} />`}
    ${row?.predicted && html`<div class="two"><${Forecast} row=${row} />
      ${points.length > 2 && html`<figure class="stack plain"><figcaption class="small soft">${t("train.by_budget")}</figcaption><${Chart} by="time" logX label=${t("train.by_budget")} height=${190} digits=${2} legend=${false}
        series=${[{ name: t("curve.bits"), color: 1, points, dots: true }, { name: t("train.chosen"), color: 2, points: points.filter(([each]) => each === seconds), dots: true }]} /></figure>`}
    </div>`}
  </div>`;
}

function Forecast({ row }) {
  const seen = row.predicted, model = row.model;
  return html`<${Facts} rows=${[
    [t("plan.model"), html`${t("plan.parameters", { count: count(row.parameters) })}<small>${t("plan.shape", { layers: model.num_hidden_layers, width: model.hidden_size })}</small>`],
    [t("plan.tokens"), html`${count(row.tokens)}<small>${t("plan.epochs", { count: number(row.epochs, 1) })}</small>`],
    [t("plan.time"), html`${duration(seen.wall_s)}<small>${duration(seen.wall_s_low)} – ${duration(seen.wall_s_high)}</small>`],
    [t("plan.memory"), bytes(seen.peak_memory_bytes)],
    [t("plan.energy"), t("plan.wh", { value: number(seen.energy_kwh * 1000, 1) })],
    [t("plan.quality"), html`${number(seen.bits_per_byte, 2)}<small>${t("plan.range", { low: number(seen.bits_per_byte_low, 2), high: number(seen.bits_per_byte_high, 2) })}</small>`],
  ]} />`;
}
