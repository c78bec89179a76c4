// A job in a list: what it is, how far, and what can be done with it.
import { del, get, post } from "./api.js";
import { html, useState } from "./html.js";
import { Bar, Button, Dialog, failed, State, usePoll } from "./parts.js";
import { path } from "./route.js";
import { look } from "./server.js";
import { duration, t, when } from "./words.js";

export const isOpen = (job) => ["queued", "running", "stopping"].includes(job.state);

export async function act(job, what) {
  try {
    await post(`/v1/studio/jobs/${job.id}/${what}`);
  } catch (error) {
    failed(error);
  }
  await look();
}

export function Actions({ job, small = "small" }) {
  return html`
    ${isOpen(job) && html`<${Button} icon="stop" kind=${small} onClick=${() => act(job, "stop")}>${t(job.state === "stopping" ? "job.stop_now" : "job.stop")}<//>`}
    ${job.can_resume && html`<${Button} icon="play" kind=${small} onClick=${() => act(job, "resume")}>${t(["train", "finetune"].includes(job.kind) ? "job.resume" : "job.again")}<//>`}`;
}

export function JobLine({ job, removable = true, children }) {
  const [log, setLog] = useState(false);
  const spent = job.started_at ? (job.ended_at || Date.now() / 1000) - job.started_at : null;
  const remove = async () => {
    try {
      await del(`/v1/studio/jobs/${job.id}`);
    } catch (error) {
      failed(error);
    }
    look();
  };
  return html`<li>
    <div class="line">
      <span class="tag">${t(`job.kind.${job.kind}`)}</span>
      <strong>${job.run ? html`<a href=${path("runs", job.run)}>${job.title}</a>` : job.title}</strong>
      <${State} state=${job.state} />
      <span class="soft small optional">${when(job.created_at)}${spent === null ? "" : ` · ${duration(spent)}`}</span>
      <span class="push actions">
        <${Actions} job=${job} />
        <${Button} icon="report" kind="quiet small" label=${t("job.log_of", { title: job.title })} onClick=${() => setLog(true)} />
        ${removable && !isOpen(job) && html`<${Button} icon="trash" kind="quiet small" label=${t("job.remove", { title: job.title })} onClick=${remove} />`}
      </span>
    </div>
    ${job.state === "running" && html`<${Bar} share=${job.progress?.share} busy label=${t("job.progress", { title: job.title })} />`}
    ${job.progress && html`<p class="soft small">${job.progress.words}${job.progress.left ? ` · ${t("job.left", { time: job.progress.left })}` : ""}</p>`}
    ${job.error && html`<p class="small soft">${job.error.message} ${job.error.hint}</p>`}
    ${children}
    ${log && html`<${Log} job=${job} onClose=${() => setLog(false)} />`}
  </li>`;
}

export function Log({ job, onClose }) {
  const [found] = usePoll(() => get(`/v1/studio/jobs/${job.id}/log`), isOpen(job) ? 2000 : 0, [job.id]);
  return html`<${Dialog} wide title=${job.title} onClose=${onClose}>
    ${found && html`<div class="stack"><p class="help">${t("job.command")}</p><pre class="log" tabindex="0">${found.command}</pre>
      <p class="help">${t("job.said")}</p><pre class="log" tabindex="0">${found.log || t("job.silent")}</pre></div>`}
  <//>`;
}
