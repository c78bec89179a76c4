// Line icons, drawn here: 24 units, one stroke. They are decoration; words stand beside them.
import { html } from "./html.js";

const SHAPES = {
  chat: "M4 5h16v11H9l-5 4z",
  tasks: "M5 6h4v4H5zM13 8h6M5 14h4v4H5zM13 16h6",
  train: "M4 19h16M6 15l4-5 4 3 5-8",
  runs: "M4 6h16M4 12h10M4 18h13",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  system: "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4",
  inspect: "M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5",
  agent: "M12 3v3M6 8h12v10H6zM9.5 12v2M14.5 12v2M3 12v3M21 12v3",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14A8 8 0 1110 4a6.5 6.5 0 0010 10z",
  auto: "M12 3a9 9 0 100 18 9 9 0 000-18zM12 3v18M12 7a5 5 0 010 10",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V6M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  retry: "M20 11a8 8 0 10-2 6M20 4v7h-7",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  close: "M6 6l12 12M18 6L6 18",
  upload: "M12 16V5M7 10l5-5 5 5M5 19h14",
  download: "M12 5v11M7 11l5 5 5-5M5 19h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  sliders: "M4 8h9M17 8h3M15 6v4M4 16h3M11 16h9M9 14v4",
  columns: "M4 5h16v14H4zM12 5v14",
  shade: "M4 18h4v-4H4zM10 18h4V10h-4zM16 18h4V5h-4z",
  check: "M5 13l4 4L19 7",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.5",
  shield: "M12 3l7 3v6c0 4-3 7-7 9-4-2-7-5-7-9V6z",
  play: "M8 5l11 7-11 7z",
  report: "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h5",
  more: "M5 12h.5M12 12h.5M19 12h.5",
  key: "M8 12a4 4 0 110 .01M12 12h9M18 12v4",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${SHAPES[name]} />
  </svg>`;
}
