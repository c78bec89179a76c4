// Runs: what was trained, side by side; and one run with its curves, samples and settings.
import { del, get, openReport, post } from "../api.js";
import { Chart } from "../chart.js";
import { Evaluate, Evaluations } from "../evaluating.js";
import { html, useEffect, useState } from "../html.js";
import { useShared } from "../kept.js";
import { axes, Curves, Figures, line, Samples, useLines } from "../live.js";
import { Bar, Button, Choice, Confirm, Empty, failed, Head, Problem, say, State, usePoll } from "../parts.js";
import { go, path } from "../route.js";
import { jobs, look } from "../server.js";
import { count, duration, language, number, t, when } from "../words.js";
import { Actions, isOpen, Log } from "../work.js";

const MOST = 6; // as many colors as the eye tells apart

export function Runs({ parts }) {
  useShared(language);
  return parts[0] ? html`<${Run} key=${parts[0]} name=${parts[0]} />` : html`<${List} />`;
}

function List() {
  const [found, error] = usePoll(() => get("/v1/studio/runs"), 4000);
  const [chosen, setChosen] = useState([]);
  const runs = found?.runs || [];
  const evaluations = useShared(jobs).filter((job) => job.kind === "evaluate");
  const kept = chosen.filter((name) => runs.some((run) => run.name === name));
  const toggle = (name, on) => setChosen(on ? [...kept, name].slice(-MOST) : kept.filter((each) => each !== name));
  const best = Math.min(...runs.map((run) => run.val_bits_per_byte ?? Infinity));
  return html`<div class="room">
    <${Head} title=${t("room.runs")} about=${t("runs.about")}><a class="button strong" href=${path("train")}>${t("runs.new")}</a><//>
    <${Problem} error=${error} />
    ${found && !runs.length && html`<${Empty} icon="runs" title=${t("runs.empty")} text=${t("runs.empty_text")}><a class="button strong" href=${path("train")}>${t("runs.new")}</a><//>`}
    ${kept.length > 0 && html`<${Compare} names=${kept} runs=${runs} />`}
    ${runs.length > 0 && html`<section class="card scroll" tabindex="0" role="region" aria-label=${t("room.runs")}><table>
      <thead><tr><th>${t("runs.name")}</th><th>${t("runs.state")}</th><th class="optional">${t("runs.task")}</th><th class="number optional">${t("figure.steps")}</th>
        <th class="number optional">${t("figure.tokens")}</th><th class="number optional">${t("figure.time")}</th><th class="number optional">${t("figure.val_loss")}</th><th class="number">${t("figure.bits")}</th><th class="number optional">${t("runs.changed")}</th></tr></thead>
      <tbody>${runs.map((run) => html`<tr key=${run.name}>
        <td><label class="check"><input type="checkbox" checked=${kept.includes(run.name)} aria-label=${t("runs.compare_one", { name: run.name })} onChange=${(e) => toggle(run.name, e.target.checked)} />
          <span>${kept.includes(run.name) && html`<span class="swatch s${kept.indexOf(run.name) + 1}"></span>`}<a href=${path("runs", run.name)}>${run.name}</a></span></label></td>
        <td><${State} state=${run.state} /></td>
        <td class="optional soft">${run.kind === "train" ? t("runs.from_text") : `${run.task} · ${run.base}`}</td>
        <td class="number optional">${number(run.steps)}</td><td class="number optional">${count(run.tokens)}</td><td class="number optional">${duration(run.elapsed_s)}</td>
        <td class="number optional">${number(run.val_loss, 3)}</td>
        <td class="number">${run.val_bits_per_byte === best ? html`<strong>${number(run.val_bits_per_byte, 3)}</strong>` : number(run.val_bits_per_byte, 3)}</td>
        <td class="number soft optional">${when(run.changed_at)}</td></tr>`)}</tbody></table></section>
      ${kept.length === 0 && html`<p class="soft small">${t("runs.choose")}</p>`}`}
    ${evaluations.length > 0 && html`<${Evaluations} jobs=${evaluations} />`}
  </div>`;
}

function Compare({ names, runs }) {
  const [by, setBy] = useState("tokens");
  const [what, setWhat] = useState("loss");
  const [scale, setScale] = useState("linear");
  const live = (name) => ["running", "stopping"].includes(runs.find((run) => run.name === name)?.state);
  return html`<section class="card stack">
    <header><h2>${t("runs.compare")}</h2><div class="actions">
      <${Choice} label=${{ text: t("curve.what"), hidden: true }} value=${what} onValue=${setWhat} options=${[["loss", t("curve.loss")], ["bits_per_byte", t("curve.bits")]]} />
      <${Choice} label=${{ text: t("curve.by"), hidden: true }} value=${by} onValue=${setBy} options=${axes()} />
      <${Choice} label=${{ text: t("curve.scale"), hidden: true }} value=${scale} onValue=${setScale} options=${[["linear", t("curve.linear")], ["log", t("curve.log")]]} />
    </div></header>
    <${Gather} names=${names} live=${live}>${(entries) => html`<${Chart} by=${by} logX=${scale === "log"} logY=${scale === "log"} label=${t("runs.compare")} height=${300}
      series=${names.flatMap((name, at) => [
        { name, color: at + 1, dots: true, points: line(entries[name] || [], "validation", by, what) },
        { name: t("runs.training_of", { name }), color: at + 1, thin: true, dash: [3, 4], points: line(entries[name] || [], "train", by, what) },
      ])} />`}<//>
    ${names.length > 1 && html`<${Differences} names=${names} />`}
  </section>`;
}

// The records of several runs: a part for each, since each follows a file of its own.
function Gather({ names, live, children }) {
  const [entries, setEntries] = useState({});
  const take = (name) => (rows) => setEntries((all) => ({ ...all, [name]: rows }));
  return html`${names.map((name) => html`<${Follow} key=${name} name=${name} live=${live(name)} onRows=${take(name)} />`)}${children(entries)}`;
}

function Follow({ name, live, onRows }) {
  const rows = useLines(name, "metrics", live);
  useEffect(() => onRows(rows), [rows]);
  return null;
}

function Differences({ names }) {
  const [found, setFound] = useState([]);
  useEffect(() => {
    Promise.all(names.map((name) => get(`/v1/studio/runs/${encodeURIComponent(name)}`))).then(setFound).catch(failed);
  }, [names.join()]);
  if (found.length !== names.length) return null;
  const keys = [...new Set(found.flatMap((run) => Object.keys(run.settings)))];
  const differ = keys.filter((key) => new Set(found.map((run) => JSON.stringify(run.settings[key]))).size > 1);
  return html`<details open><summary>${t("runs.differences", { count: differ.length })}</summary>
    <div class="scroll settings" tabindex="0" role="region" aria-label=${t("runs.differences", { count: differ.length })}><table><thead><tr><th></th>${names.map((name) => html`<th>${name}</th>`)}</tr></thead>
      <tbody>${differ.map((key) => html`<tr><th>${key}</th>${found.map((run) => html`<td>${String(run.settings[key] ?? "–")}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

// The share that is done: what the job last said, or what its record says since.
function done(job, run, entries) {
  const last = entries[entries.length - 1];
  const steps = run?.settings["training.max_steps"], seconds = run?.planned?.budget_s;
  const shares = [job.progress?.share, last && steps && last.step / steps, last && seconds && last.elapsed_s / seconds];
  const known = shares.filter((share) => Number.isFinite(share));
  return known.length ? Math.min(1, Math.max(...known)) : undefined;
}

function Run({ name }) {
  const all = useShared(jobs);
  const job = all.find((each) => each.run === name);
  const live = job ? isOpen(job) : false;
  const [run, error, again] = usePoll(() => get(`/v1/studio/runs/${encodeURIComponent(name)}`).catch((problem) => {
    if (job && isOpen(job)) return null; // its folder is made when it begins
    throw problem;
  }), live ? 4000 : 0, [name, live]);
  const entries = useLines(name, "metrics", live);
  const samples = useLines(name, "samples", live);
  const [log, setLog] = useState(false);
  const [gone, setGone] = useState(false);
  const [measured, setMeasured] = useState(false);
  useEffect(() => again(), [job?.state]);
  const state = job && (live || !run?.finished) ? job.state : run?.finished ? "finished" : "unfinished";
  const chat = async () => {
    try {
      await post("/v1/studio/models/load", { model: `run:${name}` });
      await look();
      go("chat");
    } catch (problem) {
      failed(problem);
    }
  };
  const remove = async () => {
    try {
      await del(`/v1/studio/runs/${encodeURIComponent(name)}`);
      say(t("runs.removed", { name }));
      go("runs");
    } catch (problem) {
      failed(problem);
    }
  };
  return html`<div class="room">
    <p class="small"><a href=${path("runs")}>← ${t("room.runs")}</a></p>
    <${Head} title=${name} about=${html`<${State} state=${state} />`}>
      ${job && html`<${Actions} job=${job} small="" />`}
      ${run?.model && run.task !== "classify" && run.task !== "tag" && html`<${Button} kind="strong" icon="chat" onClick=${chat}>${t("runs.chat")}<//>`}
      ${run?.finished && html`<${Button} icon="report" onClick=${() => openReport(`/v1/studio/runs/${encodeURIComponent(name)}/report`).catch(failed)}>${t("runs.report")}<//>`}
      ${run?.model && html`<${Button} onClick=${() => setMeasured(true)}>${t("evaluate.run")}<//>`}
      ${job && html`<${Button} onClick=${() => setLog(true)}>${t("job.log")}<//>`}
      ${!live && run && html`<${Button} icon="trash" kind="quiet" label=${t("runs.remove", { name })} onClick=${() => setGone(true)} />`}
    <//>
    ${error && !live && html`<${Problem} error=${error} />`}
    ${job?.error && html`<${Problem} error=${job.error} />`}
    ${live && html`<section class="card live" aria-label=${t("runs.progress")}>
      <${Bar} share=${done(job, run, entries)} busy label=${t("job.progress", { title: name })} />
      <div class="line small soft"><span>${entries.length ? t("runs.learning") : job.progress?.words || t(job.state === "queued" ? "runs.queued" : "runs.preparing")}</span>
        <span>${job.progress?.left ? t("job.left", { time: job.progress.left }) : ""}</span></div></section>`}
    ${job?.state === "stopped" && html`<div class="hint"><p>${t("runs.stopped")}</p></div>`}
    ${(entries.length > 0 || run) && html`<section class="card"><${Figures} entries=${entries} planned=${run?.planned} /></section>`}
    ${entries.length > 0
      ? html`<section class="card"><header><h2>${t("runs.curves")}</h2></header><${Curves} entries=${entries} /></section>`
      : live && html`<section class="card"><p class="soft">${t("runs.no_entries")}</p></section>`}
    <${Samples} entries=${samples} />
    ${run && Object.keys(run.settings).length > 0 && html`<section class="card"><details><summary>${t("runs.settings")}</summary>
      <div class="settings"><table><tbody>${Object.entries(run.settings).map(([key, value]) => html`<tr><th>${key}</th><td>${String(value)}</td></tr>`)}</tbody></table></div></details></section>`}
    ${log && html`<${Log} job=${job} onClose=${() => setLog(false)} />`}
    ${measured && html`<${Evaluate} model=${`run:${name}`} onClose=${() => setMeasured(false)} />`}
    ${gone && html`<${Confirm} title=${t("runs.remove", { name })} text=${t("runs.remove_text")} action=${t("common.delete")} onYes=${remove} onClose=${() => setGone(false)} />`}
  </div>`;
}
