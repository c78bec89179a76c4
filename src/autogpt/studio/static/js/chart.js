// Lines over steps, tokens or time: uPlot with the page's colors, and words for who cannot see it.
import uPlot from "uplot";
import { html, useEffect, useRef } from "./html.js";
import { useShared } from "./kept.js";
import { drawn } from "./theme.js";
import { count, duration, number, t } from "./words.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SHOWN = { tokens: count, steps: (value) => number(value), time: duration };

const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

// series: [{ name, color: 1..6, points: [[x, y]], dots, thin }]
export function Chart({ series, by = "steps", logX = false, logY = false, label, height = 260, digits = 3, legend = true }) {
  const box = useRef(null);
  const plot = useRef(null);
  const mode = useShared(drawn);
  const kept = series.filter((one) => one.points.length);
  const shape = [mode, by, logX, logY, label, height, ...kept.map((one) => one.name)].join("|");
  const data = () => {
    const tables = kept.map((one) => {
      const points = one.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!logX || x > 0) && (!logY || y > 0));
      return [points.map(([x]) => x), points.map(([, y]) => y)];
    });
    return tables.length ? uPlot.join(tables) : [[]];
  };
  useEffect(() => {
    if (!kept.length) return undefined;
    const line = color("--line"), soft = color("--soft");
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: `12px ${color("--sans")}` };
    const show = SHOWN[by];
    plot.current = new uPlot({
      width: box.current.clientWidth,
      height,
      scales: { x: { time: false, distr: logX ? 3 : 1 }, y: { distr: logY ? 3 : 1 } },
      axes: [
        { ...axis, ...(by === "time" || logX ? {} : { incrs: WHOLE }), space: 64, values: (_, splits) => splits.map((value) => (value === null ? "" : show(value))) },
        { ...axis, size: 58, values: (_, splits) => splits.map((value) => (value === null ? "" : number(value))) },
      ],
      cursor: { points: { size: 7 } },
      legend: { show: legend },
      series: [
        { label: t(`curve.${by}`), value: (_, value) => (value === null ? "–" : show(value)) },
        ...kept.map((one) => ({
          label: one.name,
          stroke: color(`--series-${one.color}`),
          width: one.thin ? 1.2 : 2.2,
          dash: one.dash,
          spanGaps: true,
          points: { show: Boolean(one.dots) || one.points.length < 3, size: 6 },
          value: (_, value) => (value === null ? "–" : number(value, digits)),
        })),
      ],
    }, data(), box.current);
    const sizes = new ResizeObserver(() => box.current && plot.current?.setSize({ width: box.current.clientWidth, height }));
    sizes.observe(box.current);
    return () => {
      sizes.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data()));
  const said = kept.map((one) => {
    const [x, y] = one.points[one.points.length - 1];
    return `${one.name}: ${number(y, digits)} (${SHOWN[by](x)})`;
  });
  return html`<div class="plot" ref=${box} role="img" aria-label=${`${label}. ${said.join("; ")}`}></div>`;
}
