// Agent: a goal, what it did step by step, what it asks leave for, and what it left on its desk.
import { download, get, post } from "../api.js";
import { DataPicker } from "../data.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { useShared } from "../kept.js";
import { Area, Button, Empty, failed, Field, Head, Problem, Select, usePoll } from "../parts.js";
import { path } from "../route.js";
import { jobs, look, server } from "../server.js";
import { bytes, language, t } from "../words.js";
import { isOpen, JobLine } from "../work.js";

export function Agent({ parts }) {
  useShared(language);
  const state = useShared(server);
  const all = useShared(jobs).filter((job) => job.kind === "agent");
  const writers = (state?.models || []).filter((model) => model.kind === "writer");
  const [goal, setGoal] = useState("");
  const [model, setModel] = useState("");
  const [data, setData] = useState([]);
  const [error, setError] = useState(null);
  const chosen = writers.find((one) => one.name === model) || writers[0];
  const run = async (event) => {
    event.preventDefault();
    setError(null);
    try {
      const job = await post("/v1/studio/jobs/agent", { goal, model: `served:${chosen.name}`, data });
      await look();
      setGoal("");
      location.hash = path("agent", job.id);
    } catch (problem) {
      setError(problem);
    }
  };
  const shown = all.find((job) => job.id === parts[0]) || all[0];
  return html`<div class="room">
    <${Head} title=${t("room.agent")} about=${t("agent.about")} />
    ${state && !writers.length
      ? html`<${Empty} icon="agent" title=${t("chat.empty.title")} text=${t("agent.needs")}><a class="button strong" href=${path("models")}>${t("chat.empty.models")}</a><//>`
      : html`<form class="card stack" onSubmit=${run}>
          <${Field} label=${t("agent.goal")} help=${t("agent.goal_help")}>${(given) => html`<${Area} rows="2" maxlength="4000" value=${goal} onValue=${setGoal} placeholder=${t("agent.placeholder")} ...${given} />`}<//>
          <${Field} label=${t("common.model")}>${(given) => html`<${Select} value=${chosen?.name} onValue=${setModel} options=${writers.map((one) => [one.name, one.name])} ...${given} />`}<//>
          <details><summary>${t("agent.files")}</summary><${DataPicker} chosen=${data} onChosen=${setData} /></details>
          <${Problem} error=${error} />
          <div class="actions"><${Button} kind="strong" type="submit" icon="play" disabled=${!goal.trim() || !chosen}>${t("agent.run")}<//></div>
        </form>`}
    ${shown ? html`<${Goal} key=${`${shown.id}.${shown.attempt}`} job=${shown} />` : writers.length > 0 && html`<${Empty} icon="agent" title=${t("agent.empty")} text=${t("agent.empty_text")} />`}
    ${all.length > 1 && html`<section class="card"><header><h2>${t("agent.earlier")}</h2></header><ul class="jobs">${all.filter((job) => job !== shown).map((job) => html`<${JobLine} key=${job.id} job=${job}>
      <div class="actions"><a class="button small" href=${path("agent", job.id)}>${t("agent.show")}</a></div><//>`)}</ul></section>`}
  </div>`;
}

function Goal({ job }) {
  const live = isOpen(job);
  const kept = useRef({ offset: 0, events: [] });
  const [found, , again] = usePoll(async () => {
    const news = await get(`/v1/studio/jobs/${job.id}/events?after=${kept.current.offset}`);
    kept.current = { offset: news.offset, events: [...(news.reset ? [] : kept.current.events), ...news.entries] };
    return { ...news, events: kept.current.events };
  }, live ? 700 : 0, [job.id, live]);
  useEffect(() => again(), [job.state]);
  const answer = async (body) => {
    try {
      await post(`/v1/studio/jobs/${job.id}/answer`, { number: found.question.number, ...body });
    } catch (problem) {
      failed(problem);
    }
    again();
  };
  const result = job.result;
  return html`<section class="card stack" aria-label=${job.title}>
    <ul class="jobs"><${JobLine} job=${job} /></ul>
    ${found?.events.length > 0 && html`<ol class="timeline">${found.events.map((event) => html`<${Step} event=${event} />`)}</ol>`}
    ${live && found?.question && html`<${Question} key=${found.question.number} question=${found.question} onAnswer=${answer} />`}
    ${result?.answer && html`<div aria-live="polite"><h3>${t(`agent.state.${result.state}`)}</h3><p class="written">${result.answer}</p></div>`}
    ${result?.checks?.length > 0 && html`<ul class="timeline" aria-label=${t("agent.checks")}>${result.checks.map((check) => html`<li class=${check.passed ? "good" : "bad"}><span class="what">${t(check.passed ? "agent.passed" : "agent.failed")}</span><p>${check.name}</p></li>`)}</ul>`}
    ${found?.files.length > 0 && html`<div><h3>${t("agent.desk")}</h3><ul class="files">${found.files.map((file) => html`<li><span class="check">${file.name}</span><span class="soft small">${bytes(file.size_bytes)}</span>
      <${Button} kind="quiet small" icon="download" label=${t("agent.download", { name: file.name })} onClick=${() => download(`/v1/studio/jobs/${job.id}/desk/${encodeURIComponent(file.name)}`, file.name).catch(failed)} /></li>`)}</ul></div>`}
  </section>`;
}

const KINDS = ["goal", "plan", "choice", "call", "result", "check", "answer", "end"];

function Step({ event }) {
  if (event.kind === "end") return null;
  const mood = event.kind === "check" ? (event.passed ? "good" : "bad") : event.kind;
  const text = event.kind === "answer" ? t(event.allow ? "agent.allowed" : event.option === undefined ? "agent.refused" : "agent.chosen") : event.text;
  return html`<li class=${mood}><span class="what">${t(`agent.kind.${KINDS.includes(event.kind) ? event.kind : "choice"}`)}</span><p>${text.slice(0, 1200)}</p></li>`;
}

function Question({ question, onAnswer }) {
  const box = useRef(null);
  useEffect(() => box.current.focus(), []);
  return html`<div class="hint" role="alertdialog" aria-label=${t("agent.asks")} tabindex="-1" ref=${box}><div class="stack">
    <div><strong>${question.kind === "approve" ? t("agent.may", { tool: question.name }) : question.reason}</strong>
      ${question.kind === "approve" && html`<p class="soft">${question.reason}</p>`}</div>
    ${question.arguments && html`<pre tabindex="0">${Object.entries(question.arguments).map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`).join("\n")}</pre>`}
    <div class="actions">${question.kind === "approve"
      ? html`<${Button} kind="strong" icon="check" onClick=${() => onAnswer({ allow: true })}>${t("agent.allow")}<//><${Button} icon="close" onClick=${() => onAnswer({ allow: false })}>${t("agent.refuse")}<//>`
      : question.options.map((option, at) => html`<${Button} onClick=${() => onAnswer({ option: at })}>${option}<//>`)}</div>
  </div></div>`;
}
