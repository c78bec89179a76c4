// Uploaded files: dropping them, choosing among them, looking into them.
import { del, get, upload } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { Bar, Button, Check, Drop, failed, usePoll } from "./parts.js";
import { Look } from "./results.js";
import { bytes, language, t } from "./words.js";

const READ = ".txt,.text,.md,.markdown,.jsonl,.ndjson,.json,.csv,.tsv,.parquet,.gz,.zst,.conll,.bio,.iob,.iob2,.ner";

export function useUploads() {
  const [found, error, again] = usePoll(() => get("/v1/studio/uploads"), 0);
  return [found?.uploads.filter((one) => one.whole) || null, error, again];
}

// Several files (or one), with a look into the last that was chosen.
export function DataPicker({ chosen, onChosen, onLook, model, single = false }) {
  const [uploads, , again] = useUploads();
  const [sending, setSending] = useState(null);
  const last = chosen[chosen.length - 1];
  const take = async (files) => {
    let ids = single ? [] : [...chosen];
    for (const file of single ? files.slice(0, 1) : files) {
      setSending({ name: file.name, share: 0 });
      try {
        const done = await upload(file, (share) => setSending({ name: file.name, share }));
        ids = [...ids, done.id];
      } catch (error) {
        failed(error);
      }
    }
    setSending(null);
    again();
    onChosen(ids);
  };
  const remove = async (one) => {
    try {
      await del(`/v1/studio/uploads/${one.id}`);
      onChosen(chosen.filter((id) => id !== one.id));
      again();
    } catch (error) {
      failed(error);
    }
  };
  const toggle = (id, on) => onChosen(on ? (single ? [id] : [...chosen, id]) : chosen.filter((each) => each !== id));
  return html`<div class="stack">
    <${Drop} text=${t("data.drop")} hint=${t("data.formats")} accept=${READ} multiple=${!single} onFiles=${take} />
    ${sending && html`<div role="status"><p class="small soft">${sending.name}</p><${Bar} share=${sending.share} label=${t("data.sending", { name: sending.name })} /></div>`}
    ${uploads?.length > 0 && html`<ul class="files" aria-label=${t("data.files")}>${uploads.map((one) => html`<li key=${one.id} class=${chosen.includes(one.id) ? "chosen" : ""}>
      <${Check} label=${one.name} checked=${chosen.includes(one.id)} onValue=${(on) => toggle(one.id, on)} />
      <span class="soft small">${bytes(one.size_bytes)}</span>
      <${Button} icon="trash" kind="quiet small" label=${t("data.remove", { name: one.name })} onClick=${() => remove(one)} />
    </li>`)}</ul>`}
    ${last && html`<${LookInto} key=${`${last}.${model}`} id=${last} model=${model} onLook=${onLook} />`}
  </div>`;
}

function LookInto({ id, model, onLook }) {
  const [look, setLook] = useState(null);
  const spoken = language.value;
  useEffect(() => {
    let over = false;
    const query = model ? `?model=${encodeURIComponent(model)}` : "";
    get(`/v1/studio/uploads/${id}/look${query}`)
      .then((found) => {
        if (over) return;
        setLook(found);
        onLook?.(found);
      })
      .catch((error) => !over && setLook({ error }));
    return () => {
      over = true;
    };
  }, [id, model, spoken]);
  if (!look) return html`<div role="status"><p class="small soft">${t("data.looking")}</p><${Bar} busy label=${t("data.looking")} /></div>`;
  return html`<${Look} look=${look} />`;
}
