// What a run writes while it trains, followed from where the last look ended.
import { get } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Chart } from "./chart.js";
import { Choice, Facts } from "./parts.js";
import { count, duration, number, t } from "./words.js";

// Entries of one or several files of JSON lines of a run: "metrics" or "samples".
export function useLines(run, what, live) {
  const [entries, setEntries] = useState([]);
  const state = useRef({ run: null, offset: 0, kept: [] });
  useEffect(() => {
    let timer, over = false;
    const name = `${run}/${what}`;
    if (state.current.run !== name) state.current = { run: name, offset: 0, kept: [] };
    const look = async () => {
      const mine = state.current;
      try {
        const found = await get(`/v1/studio/runs/${encodeURIComponent(run)}/${what}?after=${mine.offset}`);
        if (over) return;
        if (found.reset) mine.kept = [];
        mine.offset = found.offset;
        if (found.entries.length || found.reset) {
          mine.kept = [...mine.kept, ...found.entries];
          setEntries(mine.kept);
        }
        if (found.entries.length >= 4000) return look(); // there is more
      } catch {
        // the folder is not there yet, or the server is away: asked again below
      }
      if (!over && live) timer = setTimeout(look, document.hidden ? 5000 : 1200);
      return undefined;
    };
    look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [run, what, live]);
  return entries;
}

const X = { steps: (entry) => entry.step, tokens: (entry) => entry.tokens, time: (entry) => entry.elapsed_s };

export function line(entries, kind, by, value) {
  return entries.filter((entry) => entry.kind === kind && entry[value] !== undefined)
    .map((entry) => [X[by](entry), entry[value]]);
}

export function Curves({ entries }) {
  const [by, setBy] = useState("steps");
  const [scale, setScale] = useState("linear");
  const [what, setWhat] = useState("loss");
  const options = [["loss", t("curve.loss")], ["bits_per_byte", t("curve.bits")], ["tokens_per_s", t("curve.speed")], ["learning_rate", t("curve.rate")]];
  const train = line(entries, "train", by, what);
  const validation = line(entries, "validation", by, what);
  return html`<div class="stack">
    <div class="actions">
      <${Choice} label=${{ text: t("curve.what"), hidden: true }} value=${what} onValue=${setWhat} options=${options} />
      <${Choice} label=${{ text: t("curve.by"), hidden: true }} value=${by} onValue=${setBy} options=${axes()} />
      <${Choice} label=${{ text: t("curve.scale"), hidden: true }} value=${scale} onValue=${setScale} options=${[["linear", t("curve.linear")], ["log", t("curve.log")]]} />
    </div>
    <${Chart} by=${by} logX=${scale === "log"} logY=${scale === "log"} label=${options.find(([key]) => key === what)[1]}
      digits=${what === "tokens_per_s" ? 0 : what === "learning_rate" ? 5 : 3} series=${[
        { name: t("curve.training"), color: 1, thin: true, points: train },
        { name: t("curve.validation"), color: 2, dots: true, points: validation },
      ]} />
  </div>`;
}

export const axes = () => [["steps", t("curve.steps")], ["tokens", t("curve.tokens")], ["time", t("curve.time")]];

export function Figures({ entries, planned }) {
  const last = entries[entries.length - 1];
  const seen = entries.filter((entry) => entry.kind === "validation");
  const val = seen[seen.length - 1];
  const train = entries.filter((entry) => entry.kind === "train").pop();
  const forecast = planned?.predicted;
  return html`<${Facts} rows=${[
    [t("figure.steps"), html`${number(last?.step)}${planned?.steps ? html`<small>${t("figure.of", { value: number(planned.steps) })}</small>` : ""}`],
    [t("figure.tokens"), html`${count(last?.tokens)}${planned?.tokens ? html`<small>${t("figure.of", { value: count(planned.tokens) })}</small>` : ""}`],
    [t("figure.time"), html`${duration(last?.elapsed_s)}${planned?.budget_s ? html`<small>${t("figure.of", { value: duration(planned.budget_s) })}</small>` : ""}`],
    [t("figure.loss"), number(train?.loss, 3)],
    [t("figure.val_loss"), number(val?.loss, 3)],
    [t("figure.bits"), html`${number(val?.bits_per_byte, 3)}${forecast ? html`<small>${t("figure.forecast", { low: number(forecast.bits_per_byte_low, 2), high: number(forecast.bits_per_byte_high, 2) })}</small>` : ""}`],
    [t("figure.speed"), t("figure.per_s", { count: count(train?.tokens_per_s) })],
  ]} />`;
}

export function Samples({ entries }) {
  if (!entries.length) return null;
  const steps = [...new Set(entries.map((one) => one.step))];
  const [chosen, setChosen] = useState(null);
  const step = chosen === null || !steps.includes(chosen) ? steps[steps.length - 1] : chosen;
  const at = steps.indexOf(step);
  return html`<section class="card"><header><h2>${t("samples.title")}</h2>
      ${steps.length > 1 && html`<label class="check small"><span>${t("samples.after", { count: step })}</span>
        <input type="range" min="0" max=${steps.length - 1} value=${at} aria-valuetext=${t("samples.after", { count: step })}
          onInput=${(e) => setChosen(Number(e.target.value) === steps.length - 1 ? null : steps[Number(e.target.value)])} /></label>`}
    </header>
    <div class="samples">${entries.filter((one) => one.step === step).map((one) => html`<figure>
      <blockquote lang=${/[\u4e00-\u9fff]/.test(one.prompt + one.text) ? "zh" : undefined}><b>${one.prompt}</b>${one.text}</blockquote></figure>`)}</div>
    <p class="help">${t("samples.help")}</p></section>`;
}
