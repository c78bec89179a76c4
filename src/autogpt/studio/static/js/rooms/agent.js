// Agent: what it was told to reach, step by step. There when the package behind it is.
import { html } from "../html.js";
import { Empty, Head } from "../parts.js";
import { t } from "../words.js";

export function Agent() {
  return html`<div class="room"><${Head} title=${t("room.agent")} about=${t("agent.about")} />
    <${Empty} icon="agent" title=${t("agent.empty")} text=${t("agent.empty_text")} /></div>`;
}
