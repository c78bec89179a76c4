// Inspect: how a model sees a text; the page that "autogpt inspect" writes, in a frame of its own.
import { post } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { recall, keep, useShared } from "../kept.js";
import { Area, Button, Check, Empty, failed, Field, Head, Problem, Select } from "../parts.js";
import { path } from "../route.js";
import { jobs, look, server } from "../server.js";
import { language, t } from "../words.js";
import { isOpen, JobLine } from "../work.js";

export function Inspect() {
  const spoken = useShared(language);
  const state = useShared(server);
  const all = useShared(jobs);
  const writers = (state?.models || []).filter((model) => model.kind === "writer");
  const [model, setModel] = useState("");
  const [text, setText] = useState(() => recall("inspected", ""));
  const [chat, setChat] = useState(false);
  const [id, setId] = useState(null);
  const [page, setPage] = useState(null);
  const [error, setError] = useState(null);
  const chosen = writers.find((one) => one.name === model) || writers[0];
  const job = all.find((each) => each.id === id);
  const run = async (event) => {
    event.preventDefault();
    setError(null);
    setPage(null);
    keep("inspected", text);
    try {
      const begun = await post("/v1/studio/jobs/inspect", { model: `served:${chosen.name}`, text, chat: chat && chosen.answers_messages !== false, language: spoken });
      setId(begun.id);
      look();
    } catch (problem) {
      setError(problem);
    }
  };
  useEffect(() => {
    if (job?.state === "done") post(`/v1/studio/jobs/${job.id}/report`).then((link) => setPage(link.path)).catch(failed);
  }, [job?.state, id]);
  return html`<div class="room">
    <${Head} title=${t("room.inspect")} about=${t("inspect.about")} />
    ${state && !writers.length
      ? html`<${Empty} icon="inspect" title=${t("chat.empty.title")} text=${t("inspect.needs")}><a class="button strong" href=${path("models")}>${t("chat.empty.models")}</a><//>`
      : html`<form class="card stack" onSubmit=${run}>
          <${Field} label=${t("common.model")}>${(given) => html`<${Select} value=${chosen?.name} onValue=${setModel} options=${writers.map((one) => [one.name, one.name])} ...${given} />`}<//>
          <${Field} label=${t("tasks.text")} help=${t("inspect.help")}>${(given) => html`<${Area} rows="2" maxlength="4000" value=${text} onValue=${setText} placeholder=${t("inspect.placeholder")} ...${given} />`}<//>
          ${chosen?.answers_messages !== false && html`<${Check} label=${t("inspect.chat")} checked=${chat} onValue=${setChat} />`}
          <${Problem} error=${error} />
          <div class="actions"><${Button} kind="strong" type="submit" icon="inspect" disabled=${!text || !chosen || (job && isOpen(job))}>${t("inspect.run")}<//></div>
        </form>`}
    ${job && job.state !== "done" && html`<section class="card"><ul class="jobs"><${JobLine} job=${job} /></ul></section>`}
    ${page
      ? html`<iframe class="inside-page" src=${page} title=${t("inspect.frame", { text: job?.title || "" })} sandbox="allow-scripts"></iframe>`
      : !job && writers.length > 0 && html`<${Empty} icon="inspect" title=${t("inspect.empty")} text=${t("inspect.empty_text")} />`}
  </div>`;
}
