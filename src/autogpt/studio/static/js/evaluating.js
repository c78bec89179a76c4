// Measuring a model on data: the dialog that begins it, and what came of it.
import { openReport, post } from "./api.js";
import { DataPicker } from "./data.js";
import { html, useState } from "./html.js";
import { Button, Dialog, failed, Facts, Problem, say } from "./parts.js";
import { look } from "./server.js";
import { number, t } from "./words.js";
import { JobLine } from "./work.js";

export function Evaluate({ model, onClose }) {
  const [data, setData] = useState([]);
  const [error, setError] = useState(null);
  const run = async () => {
    try {
      await post("/v1/studio/jobs/evaluate", { model, data });
      say(t("evaluate.begun"));
      look();
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} wide title=${t("evaluate.title", { name: model.replace(/^\w+:/, "") })} onClose=${onClose}>
    <div class="stack"><p class="soft">${t("evaluate.about")}</p>
      <${DataPicker} chosen=${data} onChosen=${setData} single />
      <${Problem} error=${error} />
      <div class="actions end"><${Button} kind="strong" icon="play" disabled=${!data.length} onClick=${run}>${t("evaluate.run")}<//></div></div>
  <//>`;
}

// Evaluations that were made here, each with its figures beside what needs no model.
export function Evaluations({ jobs }) {
  return html`<section class="card"><header><h2>${t("evaluate.list")}</h2></header>
    <ul class="jobs">${jobs.map((job) => html`<${JobLine} key=${job.id} job=${job}>
      ${job.result?.metrics && html`<${Facts} rows=${figures(job.result).map(([name, value, low, high, base]) => [
        name,
        html`${number(value)}<small>${number(low)} – ${number(high)}${base === undefined ? "" : ` · ${t("evaluate.baseline", { value: number(base) })}`}</small>`,
      ])} /><div class="actions"><${Button} kind="small" icon="report" onClick=${() => openReport(`/v1/studio/jobs/${job.id}/report`).catch(failed)}>${t("runs.report")}<//></div>`}
    <//>`)}</ul></section>`;
}

function figures({ metrics, baselines }) {
  const others = Object.values(baselines || {});
  return Object.entries(metrics)
    .filter(([name]) => !/_(low|high)$/.test(name))
    .slice(0, 6)
    .map(([name, value]) => {
      const known = others.map((one) => one[name]).filter((one) => one !== undefined);
      return [name.replace(/_/g, " "), value, metrics[`${name}_low`], metrics[`${name}_high`], known[0]];
    });
}
