// System: what this machine is and does, the queue of jobs, and what the server says.
import { get } from "../api.js";
import { html } from "../html.js";
import { useShared } from "../kept.js";
import { Bar, Facts, Head, Problem, usePoll } from "../parts.js";
import { jobs } from "../server.js";
import { bytes, duration, language, number, t } from "../words.js";
import { isOpen, JobLine } from "../work.js";

export function System() {
  useShared(language);
  const all = useShared(jobs);
  const [found, error] = usePoll(() => get("/v1/studio/system"), 3000);
  const [log] = usePoll(() => get("/v1/studio/log"), 4000);
  const open = all.filter(isOpen).reverse();
  const ended = all.filter((job) => !isOpen(job) && job.kind !== "plan").slice(0, 30);
  const used = found ? 1 - found.free_memory_bytes / found.memory_bytes : 0;
  return html`<div class="room">
    <${Head} title=${t("room.system")} about=${t("system.about")} />
    <${Problem} error=${error} />
    ${found && html`<section class="card stack"><header><h2>${t("system.machine")}</h2></header>
      <${Facts} rows=${[
        [t("system.processor"), html`${found.processor}<small>${found.features.join(" ")}</small>`],
        [t("system.cores"), html`${number(found.cores)}<small>${t("system.load", { value: number(found.load, 2) })}</small>`],
        [t("system.memory"), html`${bytes(found.memory_bytes)}<small>${t("system.free", { value: bytes(found.free_memory_bytes) })}</small>`],
        [t("system.disk"), html`${bytes(found.free_disk_bytes)}<small>${t("system.free_there")}</small>`],
        [t("system.system"), html`${found.system}<small>Python ${found.python}, torch ${found.torch}</small>`],
        [t("system.folder"), html`<span class="mono small">${found.folder}</span>`],
      ]} />
      <div><p class="small soft">${t("system.memory_used", { value: number(100 * used, 0) })}</p><${Bar} share=${used} label=${t("system.memory")} /></div>
    </section>
    <section class="card stack"><header><h2>${t("system.engine")}</h2></header><${Facts} rows=${[
      [t("system.engine_state"), t(`engine.${found.engine.state}`)],
      [t("system.writing"), number(found.engine.rows)],
      [t("system.waiting"), number(found.waiting)],
      [t("system.written"), number(found.engine.tokens)],
      [t("system.restarts"), number(found.engine.restarts)],
      [t("system.up"), duration(found.up_s)],
    ]} /></section>`}
    <section class="card"><header><h2>${t("system.queue")}</h2></header>
      ${open.length ? html`<ul class="jobs">${open.map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</ul>` : html`<p class="soft">${t("system.queue_empty")}</p>`}
    </section>
    ${ended.length > 0 && html`<section class="card"><header><h2>${t("system.history")}</h2></header><ul class="jobs">${ended.map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</ul></section>`}
    <section class="card"><header><h2>${t("system.log")}</h2></header>
      ${log?.lines.length ? html`<pre class="log" tabindex="0">${log.lines.map((one) => `${new Date(one.at * 1000).toLocaleTimeString()}  ${one.message}`).join("\n")}</pre>` : html`<p class="soft">${t("system.log_empty")}</p>`}
    </section>
  </div>`;
}
