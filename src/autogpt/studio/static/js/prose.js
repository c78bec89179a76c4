// Markdown that a model or a card wrote, as safe elements: no HTML, no images, no scripts.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { html, useLayoutEffect, useRef } from "./html.js";

const escape = (text) => text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text), // markup in the text is shown, not obeyed
    image: ({ text, href }) => escape(text || href),
  },
});
const RULES = {
  FORBID_TAGS: ["img", "picture", "video", "audio", "svg", "math", "iframe", "form", "input", "button", "style"],
  FORBID_ATTR: ["style", "class", "id", "name"],
  ALLOWED_URI_REGEXP: /^(https?:|mailto:|#)/i,
  RETURN_DOM_FRAGMENT: true,
};

export function Prose({ text, className = "", ...rest }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const safe = DOMPurify.sanitize(marked.parse(text), RULES);
    for (const link of safe.querySelectorAll("a[href]")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    for (const scrolling of safe.querySelectorAll("pre, table")) scrolling.tabIndex = 0;
    box.current.replaceChildren(safe);
  }, [text]);
  return html`<div ref=${box} class="prose ${className}" ...${rest}></div>`;
}
