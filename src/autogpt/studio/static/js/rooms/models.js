// Models: which answer now, which are on this machine, which can be had; their cards.
import { download, get, post } from "../api.js";
import { Evaluate } from "../evaluating.js";
import { html, useEffect, useState } from "../html.js";
import { useShared } from "../kept.js";
import { Button, Check, Choice, Confirm, Dialog, failed, Facts, Field, Head, Problem, say, Select, Text, usePoll } from "../parts.js";
import { Prose } from "../prose.js";
import { go } from "../route.js";
import { jobs, look } from "../server.js";
import { bytes, count, has, language, number, t } from "../words.js";
import { JobLine } from "../work.js";

export function Models() {
  useShared(language);
  const all = useShared(jobs);
  const pulls = all.filter((job) => job.kind === "pull" && job.state !== "done").slice(0, 5);
  const pulled = all.filter((job) => job.kind === "pull" && job.state === "done").length;
  const [found, error, again] = usePoll(() => get("/v1/studio/models"), 0, [pulled]);
  const exports = all.filter((job) => job.kind === "export").slice(0, 10);
  const [card, setCard] = useState(null);
  const [chosen, setChosen] = useState(null);
  const [written, setWritten] = useState(null);
  const [loading, setLoading] = useState("");
  const [gone, setGone] = useState(null);
  const [measured, setMeasured] = useState(null);
  const change = async (what, body, name) => {
    setLoading(name);
    try {
      await post(`/v1/studio/models/${what}`, body);
      await look();
      again();
    } catch (problem) {
      failed(problem);
    }
    setLoading("");
  };
  const served = new Set((found?.loaded || []).map((model) => model.reference));
  const load = (ref) => change("load", { model: ref }, ref);
  return html`<div class="room">
    <${Head} title=${t("room.models")} about=${t("models.about")} />
    <${Problem} error=${error} />
    ${found && html`
      <${Group} title=${t("models.loaded")} none=${t("models.loaded_none")} list=${found.loaded}>${(model) => html`
        <${Card} key=${model.name} name=${model.name} tags=${[t(`kind.${model.kind}`), model.parameters && t("plan.parameters", { count: count(model.parameters) }), model.context_length && t("models.context", { count: model.context_length }), model.quantize && t(`models.bits_of.${model.quantize}`), model.adapter && t("models.adapted", { name: model.adapter })]}
          text=${model.labels ? model.labels.join(", ") : model.answers_messages === false ? t("models.continues") : ""}>
          ${model.kind === "writer" && html`<${Button} kind="small strong" onClick=${() => go("chat")}>${t("models.chat")}<//>`}
          <${Button} kind="small" disabled=${loading === model.name} onClick=${() => change("unload", { model: model.name }, model.name)}>${t("models.unload")}<//>
        <//>`}<//>
      <${Group} title=${t("models.runs")} none=${t("models.runs_none")} list=${found.runs}>${(model) => html`
        <${Card} key=${model.ref} name=${model.name} tags=${[model.task && t(has(`train.task.${model.task}`) ? `train.task.${model.task}` : "runs.task"), model.val_bits_per_byte && t("models.bits", { value: number(model.val_bits_per_byte, 2) })]}>
          <${LoadButton} served=${served.has(model.ref)} loading=${loading === model.ref} onLoad=${() => load(model.ref)} />
          <${More} model=${model} onLoad=${setChosen} onCard=${setCard} onMeasure=${setMeasured} onExport=${setWritten} /><//>`}<//>
      <${Group} title=${t("models.here")} none=${t("models.here_none")} list=${found.here}>${(model) => html`
        <${Card} key=${model.ref} name=${model.name} tags=${[bytes(model.size_bytes), model.license]} text=${model.about}>
          <${LoadButton} served=${served.has(model.ref)} loading=${loading === model.ref} onLoad=${() => load(model.ref)} />
          <${More} model=${model} onLoad=${setChosen} onCard=${setCard} onMeasure=${setMeasured} onExport=${setWritten} />
          <${Button} kind="quiet small" icon="trash" label=${t("models.remove", { name: model.name })} onClick=${() => setGone(model)} /><//>`}<//>
      ${exports.length > 0 && html`<section class="stack" aria-label=${t("models.exports")}><${Head2} title=${t("models.exports")} />
        <div class="card"><ul class="jobs">${exports.map((job) => html`<${JobLine} key=${job.id} job=${job}>${job.state === "done" && html`<${Exported} job=${job} />`}<//>`)}</ul></div></section>`}
      <section class="stack" aria-label=${t("models.pull")}>
        <${Head2} title=${t("models.pull")} />
        <${PullForm} />
        ${pulls.length > 0 && html`<div class="card"><ul class="jobs">${pulls.map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</ul></div>`}
        <div class="grid">${found.available.map((model) => html`<${Card} key=${model.ref} name=${model.name} tags=${[bytes(model.size_bytes), model.license]} text=${model.about}>
          <${PullButton} name=${model.name} /><//>`)}</div>
      </section>
      <${Group} title=${t("models.recommended")} none="" list=${found.recommended}>${(model) => html`
        <${Card} key=${model.ref} name=${model.ref} tags=${[t(model.fits ? "models.fits" : "models.too_large"), bytes(model.memory_bytes), model.license, ...(model.languages || [])]} text=${model.about}>
          <${PullButton} name=${model.ref} /><//>`}<//>`}
    ${card && html`<${ModelCard} name=${card} onClose=${() => setCard(null)} />`}
    ${measured && html`<${Evaluate} model=${measured} onClose=${() => setMeasured(null)} />`}
    ${chosen && html`<${LoadDialog} model=${chosen} runs=${found.runs} onClose=${() => setChosen(null)}
      onLoad=${(body) => change("load", body, chosen.ref)} />`}
    ${written && html`<${ExportDialog} model=${written} onClose=${() => setWritten(null)} />`}
    ${gone && html`<${Confirm} title=${t("models.remove", { name: gone.name })} text=${t("models.remove_text", { size: bytes(gone.size_bytes) })} action=${t("common.delete")}
      onYes=${() => change("remove", { model: gone.ref }, gone.ref)} onClose=${() => setGone(null)} />`}
  </div>`;
}

const Head2 = ({ title }) => html`<h2>${title}</h2>`;

function Group({ title, none, list, children }) {
  if (!list?.length && !none) return null;
  return html`<section class="stack" aria-label=${title}><${Head2} title=${title} />
    ${list?.length ? html`<div class="grid">${list.map(children)}</div>` : html`<p class="soft">${none}</p>`}</section>`;
}

function Card({ name, tags, text, children }) {
  return html`<article class="card model"><h3>${name}</h3>
    <div class="tags">${tags.filter(Boolean).map((one) => html`<span class="tag">${one}</span>`)}</div>
    ${text && html`<p>${text}</p>`}<div class="actions">${children}</div></article>`;
}

function LoadButton({ served, loading, onLoad }) {
  if (served) return html`<span class="state done">${t("models.is_loaded")}</span>`;
  return html`<${Button} kind="small strong" disabled=${loading} onClick=${onLoad}>${loading ? t("models.loading") : t("models.load")}<//>`;
}

function More({ model, onLoad, onCard, onMeasure, onExport }) {
  return html`
    <${Button} kind="small" onClick=${() => onLoad(model)}>${t("models.load_as")}<//>
    <${Button} kind="small" onClick=${() => onCard(model.ref)}>${t("models.card")}<//>
    <${Button} kind="small" onClick=${() => onMeasure(model.ref)}>${t("evaluate.run")}<//>
    <${Button} kind="small" onClick=${() => onExport(model)}>${t("models.export")}<//>`;
}

// A name of its own, fewer bits, an adapter: the same model may be loaded several times.
function LoadDialog({ model, runs, onLoad, onClose }) {
  const [name, setName] = useState(model.name.replace(/^.*\//, ""));
  const [bits, setBits] = useState("");
  const [adapter, setAdapter] = useState("");
  const adapters = runs.filter((run) => run.adapter);
  const send = (event) => {
    event.preventDefault();
    onLoad({ model: model.ref, name: name.trim(), quantize: bits || null, adapter: adapter || null });
    onClose();
  };
  return html`<${Dialog} title=${t("models.load_title", { name: model.name })} onClose=${onClose}>
    <form class="stack" onSubmit=${send}>
      <${Field} label=${t("models.load_name")}>${(given) => html`<${Text} value=${name} onValue=${setName} ...${given} />`}<//>
      <${Choice} label=${t("models.weights")} value=${bits} onValue=${setBits}
        options=${[["", t("models.bits_of.all")], ["int8", t("models.bits_of.int8")], ["int4", t("models.bits_of.int4")]]} />
      <p class="help">${t("models.weights_help")}</p>
      ${adapters.length > 0 && html`<${Field} label=${t("models.adapter")} help=${t("models.adapter_help")}>${(given) => html`<${Select} value=${adapter} onValue=${setAdapter}
        options=${[["", t("models.adapter_none")], ...adapters.map((run) => [run.ref, run.name])]} ...${given} />`}<//>`}
      <div class="actions end"><${Button} kind="strong" type="submit" disabled=${!/^[\w.-]{1,80}$/.test(name.trim())}>${t("models.load")}<//></div>
    </form>
  <//>`;
}

const STORED = { gguf: ["f16", "q8_0", "q4_0", "bf16", "f32"], hf: ["float32", "bfloat16"] };

function ExportDialog({ model, onClose }) {
  const [to, setTo] = useState("gguf");
  const [stored, setStored] = useState("");
  const [error, setError] = useState(null);
  const send = async (event) => {
    event.preventDefault();
    try {
      await post("/v1/studio/jobs/export", { model: model.ref, to, dtype: stored || null });
      say(t("models.export_begun"));
      look();
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} title=${t("models.export_title", { name: model.name })} onClose=${onClose}>
    <form class="stack" onSubmit=${send}><p class="soft">${t("models.export_about")}</p>
      <${Field} label=${t("models.format")}>${(given) => html`<${Select} value=${to} onValue=${(value) => { setTo(value); setStored(""); }}
        options=${["gguf", "hf", "onnx", "tensorflow"].map((one) => [one, t(`models.format_of.${one}`)])} ...${given} />`}<//>
      ${STORED[to] && html`<${Field} label=${t("models.stored")}>${(given) => html`<${Select} value=${stored} onValue=${setStored}
        options=${[["", t("models.stored_default")], ...STORED[to].map((one) => [one, one])]} ...${given} />`}<//>`}
      <${Problem} error=${error} />
      <div class="actions end"><${Button} kind="strong" type="submit">${t("models.export")}<//></div>
    </form>
  <//>`;
}

// The files of an export, to be kept.
function Exported({ job }) {
  const [found, error] = usePoll(() => get(`/v1/studio/jobs/${job.id}/exported`), 0, [job.id]);
  const fetch = (name) => download(`/v1/studio/jobs/${job.id}/exported/${name.split("/").map(encodeURIComponent).join("/")}`, name.replace(/^.*\//, "")).catch(failed);
  return html`<${Problem} error=${error} />
    ${found && html`<div class="actions">${found.files.map((file) => html`<${Button} key=${file.name} kind="small" icon="download" onClick=${() => fetch(file.name)}>${file.name} · ${bytes(file.size_bytes)}<//>`)}</div>`}`;
}

async function pull(name, accepted = []) {
  await post("/v1/studio/jobs/pull", { name, accept_license: accepted });
  say(t("models.pulling", { name }));
  look();
}

function PullButton({ name }) {
  return html`<${Button} kind="small" icon="download" label=${t("models.pull_one", { name })} onClick=${() => pull(name).catch(failed)}>${t("models.fetch")}<//>`;
}

function PullForm() {
  const [name, setName] = useState("");
  const [license, setLicense] = useState("");
  const [terms, setTerms] = useState(false);
  const send = (event) => {
    event.preventDefault();
    pull(name.trim(), terms && license.trim() ? [license.trim()] : []).then(() => setName("")).catch(failed);
  };
  return html`<form class="card stack" onSubmit=${send}>
    <${Field} label=${t("models.pull_name")} help=${t("models.pull_help")}>${(given) => html`<${Text} value=${name} onValue=${setName} placeholder="hf:Qwen/Qwen3-0.6B" ...${given} />`}<//>
    <${Check} label=${t("models.terms")} checked=${terms} onValue=${setTerms} />
    ${terms && html`<${Field} label=${t("models.license")}>${(given) => html`<${Text} value=${license} onValue=${setLicense} placeholder="gemma" ...${given} />`}<//>`}
    <div class="actions"><${Button} type="submit" icon="download" disabled=${!name.trim()}>${t("models.fetch")}<//></div>
  </form>`;
}

function ModelCard({ name, onClose }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    get(`/v1/studio/models/card?ref=${encodeURIComponent(name)}`).then(setFound).catch(setError);
  }, [name]);
  const config = found?.config;
  return html`<${Dialog} wide title=${name.replace(/^run:/, "")} onClose=${onClose}>
    <${Problem} error=${error} />
    ${found && html`<div class="stack">
      <${Facts} rows=${[
        [t("models.size"), bytes(found.facts.size_bytes)],
        found.facts.license && [t("models.license"), found.facts.license],
        config && [t("models.family"), config.model_type],
        config?.num_hidden_layers && [t("models.layers"), number(config.num_hidden_layers)],
        config?.hidden_size && [t("models.width"), number(config.hidden_size)],
        config?.vocab_size && [t("models.vocabulary"), number(config.vocab_size)],
        config?.max_position_embeddings && [t("models.context_length"), number(config.max_position_embeddings)],
      ]} />
      ${found.card ? html`<${Prose} text=${found.card} />` : html`<p class="soft">${t("models.no_card")}</p>`}
      ${config && html`<details><summary>config.json</summary><pre tabindex="0">${JSON.stringify(config, null, 2)}</pre></details>`}
    </div>`}
  <//>`;
}
