// Inspect: how a model sees a text. There when the package that looks inside is.
import { html } from "../html.js";
import { Empty, Head } from "../parts.js";
import { t } from "../words.js";

export function Inspect() {
  return html`<div class="room"><${Head} title=${t("room.inspect")} about=${t("inspect.about")} />
    <${Empty} icon="inspect" title=${t("inspect.empty")} text=${t("inspect.empty_text")} /></div>`;
}
