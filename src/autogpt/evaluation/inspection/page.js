"use strict";
(() => {
  const read = (id) => document.getElementById(id).textContent;
  const found = JSON.parse(read("found"));
  const words = JSON.parse(read("words"));
  const page = document.getElementById("page");
  const { tokens, attention, worked } = found;
  const count = tokens.length;
  const mean = attention.heads;
  const state = { language: document.documentElement.lang, layer: worked.layer, head: worked.head, token: found.focus, fixed: true };
  let packed = null; // key and weight, two bytes each: [layer][head, the last the mean][token][kept]

  const say = (key, values = {}) =>
    words[state.language][key].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
  const number = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
  const percent = (value) => (value === 0 ? "—" : value < 0.0005 ? "< 0.1%" : `${(100 * value).toFixed(1)}%`);
  const vector = (values) => `(${values.map((value) => number(value)).join(", ")}, …)`;
  const shown = (id) => found.shown[id];
  const named = (place) => shown(tokens[place].id);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name.startsWith("--")) element.style.setProperty(name, value);
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  const section = (title, ...children) => make("section", {}, make("h2", {}, say(title)), ...children);
  const soft = (text) => make("p", { class: "soft small" }, text);
  function table(columns, rows, name = "") {
    const head = columns.map(([text, kind]) => make("th", { scope: "col", class: kind }, text));
    const body = rows.map((cells) =>
      make("tr", {}, ...cells.map((cell, place) => (cell instanceof Node ? cell : make("td", { class: columns[place][1] }, String(cell))))));
    return make("div", { class: "scroll" }, make("table", { class: name }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
  }

  function row(layer, head, token) {
    const start = (((layer * (attention.heads + 1) + head) * count + token) * attention.kept) * 2;
    const pairs = [];
    for (let place = 0; place < attention.kept; place++) {
      const weight = packed[start + 2 * place + 1];
      if (weight === 0) break; // they fall
      pairs.push([packed[start + 2 * place], weight / 65535]);
    }
    return pairs;
  }

  // -- tokens ---------------------------------------------------------------------------------

  let chips = [];
  const told = make("p", { class: "told", "aria-live": "polite" });
  const strip = make("div", { class: "chips" });

  function tokenSection() {
    chips = tokens.map((token, place) => {
      const heat = token.surprise_bits === undefined ? 0 : Math.min(token.surprise_bits / 16, 1);
      return make("button", {
        class: "chip", type: "button", tabindex: place === state.token ? 0 : -1, "--heat": heat,
        title: `${place} · ${say("id")} ${token.id}`,
        onpointerenter: () => { if (!state.fixed) choose(place); else look(place); },
        onclick: () => { state.fixed = true; choose(place); },
      }, shown(token.id));
    });
    strip.replaceChildren();
    chips.forEach((chip, place) => { strip.append(chip); if (found.breaks[place]) strip.append(make("br")); });
    strip.onpointerleave = () => look(null);
    strip.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose(Math.max(0, Math.min(count - 1, state.token + step)));
      chips[state.token].focus();
    };
    const box = section("tokens", soft(say("tokens_about")), strip, told, soft(say("tokens_hint")));
    box.className = count <= 160 ? "sticky" : "";
    return box;
  }

  function look(place) {
    if (packed === null) return;
    strip.classList.toggle("looking", place !== null);
    if (place === null) { tell(state.token); return; }
    for (const chip of chips) { chip.style.setProperty("--weight", 0); chip.classList.remove("strong"); }
    for (const [key, weight] of row(state.layer, state.head, place)) {
      chips[key].style.setProperty("--weight", Math.sqrt(weight));
      chips[key].classList.toggle("strong", weight > 0.3);
    }
    tell(place);
  }

  function tell(place) {
    const token = tokens[place];
    const bytes = token.bytes.map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(" ");
    const head = state.head === mean ? say("all_heads") : `${say("head")} ${state.head}`;
    const parts = [`${say("token")} ${place}: `, make("b", {}, shown(token.id)), ` · ${say("id")} ${token.id} · ${say("bytes")} ${bytes}`];
    if (token.surprise_bits === undefined) parts.push(` · ${say("first_token")}`);
    else {
      const guesses = token.expected.slice(0, 3).map((one) => `${shown(one.id)} ${percent(one.p)}`).join(", ");
      parts.push(` · ${say("surprise_bits")} ${number(token.surprise_bits, 2)} · ${say("rank")} ${token.rank + 1} · ${say("expected")}: ${guesses}`);
    }
    if (packed !== null) {
      const pairs = row(state.layer, state.head, place).slice(0, 6).map(([key, weight]) => `${named(key)} ${percent(weight)}`);
      parts.push(make("br"), `${say("layer")} ${state.layer}, ${head} ${say("looks_at")}: ${pairs.join(", ")}`);
    }
    told.replaceChildren(...parts);
  }

  function choose(place) {
    chips[state.token].classList.remove("focus");
    chips[state.token].tabIndex = -1;
    state.token = place;
    chips[place].classList.add("focus");
    chips[place].tabIndex = 0;
    look(place);
    drawMap();
    fillLens();
    markTerms();
  }

  // -- attention ------------------------------------------------------------------------------

  const canvas = make("canvas", { role: "img" });
  const pointed = make("p", { class: "soft small" });
  let cells = [], layerSelect, headSelect;

  function attentionSection() {
    layerSelect = make("select", { onchange: () => turn(+layerSelect.value, state.head) },
      ...Array.from({ length: attention.layers }, (_, layer) => make("option", { value: layer }, layer)));
    headSelect = make("select", { onchange: () => turn(state.layer, +headSelect.value) },
      ...Array.from({ length: mean + 1 }, (_, head) => make("option", { value: head }, head === mean ? say("all_heads") : head)));
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const place = (value, start, size) => Math.min(count - 1, Math.max(0, Math.floor(((value - start) / size) * count)));
      return [place(event.clientY, box.top, box.height), place(event.clientX, box.left, box.width)];
    };
    canvas.onpointermove = (event) => {
      if (packed === null) return;
      const [from, to] = at(event);
      const pair = row(state.layer, state.head, from).find(([key]) => key === to);
      pointed.textContent = `${from} ${named(from)} → ${to} ${named(to)}: ${pair ? percent(pair[1]) : "—"}`;
      look(from);
    };
    canvas.onpointerleave = () => { pointed.textContent = "\u00a0"; look(null); };
    canvas.onclick = (event) => choose(at(event)[0]);
    pointed.textContent = "\u00a0";
    const box = section("attention", soft(say("attention_about")),
      make("div", { class: "controls" },
        make("label", {}, `${say("layer")} `, layerSelect), make("label", {}, `${say("head")} `, headSelect)),
      make("div", { class: "map" }, make("div", {}, canvas, pointed, attention.complete ? null : soft(say("kept_note", { kept: attention.kept }))), habitsBox()));
    return box;
  }

  const COLORS = { first: [120, 130, 140], itself: [0, 104, 163], previous: [214, 96, 0], elsewhere: [46, 150, 90] };
  const css = (color) => `rgb(${color.map(Math.round).join(" ")})`;

  function habitsBox() {
    const grid = make("div", { class: "grid" });
    grid.style.gridTemplateColumns = `auto repeat(${attention.heads}, auto)`;
    cells = [];
    for (let layer = 0; layer < attention.layers; layer++) {
      grid.append(make("span", {}, layer));
      for (let head = 0; head < attention.heads; head++) {
        const habit = attention.habits[layer * attention.heads + head];
        const parts = { first: habit.first, itself: habit.itself, previous: habit.previous };
        const named3 = Math.min(1, parts.first + parts.itself + parts.previous);
        parts.elsewhere = 1 - named3;
        const total = Object.values(parts).reduce((sum, part) => sum + part, 0) || 1;
        const color = [0, 1, 2].map((channel) =>
          Object.entries(parts).reduce((sum, [name, part]) => sum + (part / total) * COLORS[name][channel], 0));
        const title = `${say("layer")} ${layer}, ${say("head")} ${head}: ` +
          ["first", "itself", "previous"].map((name) => `${say("on_" + name)} ${percent(habit[name])}`).join(", ");
        const cell = make("button", { type: "button", title, "aria-label": title, onclick: () => turn(layer, head) });
        cell.style.background = css(color);
        grid.append(cell);
        cells.push(cell);
      }
    }
    const legend = make("div", { class: "legend" }, ...Object.entries(COLORS).map(([name, color]) => {
      const patch = make("i");
      patch.style.background = css(color);
      return make("span", {}, patch, say(name === "elsewhere" ? name : "on_" + name));
    }));
    return make("div", {}, make("h3", {}, say("habits")), soft(say("habits_about")), make("div", { class: "scroll" }, grid), legend);
  }

  function turn(layer, head) {
    state.layer = layer;
    state.head = head;
    layerSelect.value = layer;
    headSelect.value = head;
    cells.forEach((cell, place) => cell.classList.toggle("chosen", place === layer * attention.heads + head));
    drawMap();
    tell(state.token);
  }

  function drawMap() {
    if (packed === null) return;
    const size = Math.max(1, Math.min(26, Math.floor(600 / count)));
    const side = size * count;
    canvas.width = canvas.height = side;
    const style = getComputedStyle(document.documentElement);
    const paint = canvas.getContext("2d");
    paint.fillStyle = style.getPropertyValue("--code");
    paint.fillRect(0, 0, side, side);
    paint.fillStyle = style.getPropertyValue("--accent");
    const gap = size > 6 ? 1 : 0;
    for (let token = 0; token < count; token++) {
      for (const [key, weight] of row(state.layer, state.head, token)) {
        paint.globalAlpha = Math.sqrt(weight);
        paint.fillRect(key * size, token * size, size - gap, size - gap);
      }
    }
    paint.globalAlpha = 1;
    paint.strokeStyle = style.getPropertyValue("--warm");
    paint.lineWidth = 1.5;
    paint.strokeRect(0.75, state.token * size + 0.75, (state.token + 1) * size - 1.5, Math.max(size, 3) - 1.5);
    canvas.setAttribute("aria-label", `${say("layer")} ${state.layer}, ${say("head")} ${state.head}`);
  }

  // -- the formula ----------------------------------------------------------------------------

  function workedSection() {
    const rest = worked.seen - worked.keys.length;
    const columns = [[say("token"), ""], [say("products"), "vector"], [say("dot"), "number"], [say("score"), "number"],
      [say("exponential", { largest: number(worked.largest_score, 2) }), "number"], [say("share"), "number"], [say("value"), "vector"]];
    const rows = worked.keys.map((key) => [`${key.token} ${named(key.token)}`,
      `${key.products.map((value) => number(value, 2)).join(" + ").replaceAll("+ −", "− ")} + …`,
      number(key.product), number(key.score), number(key.exponential, 4), number(key.weight, 4), vector(key.value)]);
    if (rest > 0) rows.push([say("rest", { count: rest }), "", "", "", "", number(worked.rest, 4), ""]);
    rows.push([say("sum"), "", "", "", number(worked.sum_of_exponentials, 4), "1", ""]);
    return section("worked", make("p", { class: "formula" }, "softmax(QKᵀ / √d) V"),
      soft(say("worked_about", { token: named(worked.token), place: worked.token, layer: worked.layer, head: worked.head, width: worked.width })),
      soft(say("key_head", { head: worked.head, key_head: worked.key_head })),
      make("p", {}, `q = ${vector(worked.query)}`), table(columns, rows),
      make("p", {}), table([["", ""], ["", "vector"]], [
        [say("output"), vector(worked.output)], [say("model_output"), vector(worked.model_output)],
        [say("difference", { width: worked.width }), worked.difference.toExponential(1)]]));
  }

  // -- positions, lens, next word, loss, cache ------------------------------------------------

  function positionSection() {
    const own = found.positions;
    const parts = [soft(say(`${own.kind}_about`, { place: own.position }))];
    if (own.vector.length) parts.push(make("p", {}, vector(own.vector.slice(0, 8))));
    for (const rotary of own.rotary) {
      const total = rotary.angles.length;
      const pairs = Array.from({ length: total }, (_, pair) => pair).filter((pair) => pair % Math.max(1, Math.floor(total / 8)) === 0);
      parts.push(table([[say("pair"), "number"], [say("turn"), "number"], [say("wavelength"), "number"], [say("angle"), "number"], ["cos", "number"], ["sin", "number"]],
        pairs.map((pair) => [pair, rotary.radians_per_token[pair].toPrecision(3), rotary.wavelengths[pair].toPrecision(4),
          rotary.angles[pair].toPrecision(4), number(rotary.cos[pair], 4), number(rotary.sin[pair], 4)])));
    }
    return section("positions", ...parts);
  }

  const lensBox = make("div");
  function fillLens() {
    const lens = found.lens.find((one) => one.token === state.token) || found.lens.find((one) => one.token === found.focus);
    const columns = [[say("layer"), "number"], ...["1", "2", "3", "4", "5"].map((name) => [name, ""]), [say("entropy"), "number"]];
    const rows = lens.layers.map((layer, place) => [make("th", { scope: "row", class: "number" }, place),
      ...layer.top.map((one) => make("td", { class: "lens", "--weight": one.p }, shown(one.id), make("small", {}, percent(one.p)))),
      number(layer.entropy_bits, 1)]);
    lensBox.replaceChildren(soft(say("lens_about", { token: named(lens.token), place: lens.token })), table(columns, rows, "lens-table"));
  }

  function nextSection() {
    const stages = found.next.stages;
    const title = (stage) => say(stage.name, { value: stage.value === null ? "" : +stage.value.toPrecision(4) });
    const columns = [[say("token"), ""], [say("logit"), "number"], ...stages.map((stage) => [title(stage), "meter"])];
    const rows = found.next.tokens.map((token, place) => [shown(token.id), number(token.logit, 2), ...stages.map((stage) => {
      const share = stage.probabilities[place];
      const bar = make("span", { class: "bar" });
      bar.style.width = `${100 * share}%`;
      if (share === 0) bar.style.visibility = "hidden";
      return make("td", { class: "meter" }, percent(share), bar);
    })]);
    rows.push([say("left"), "", ...stages.map((stage) => stage.left.toLocaleString("en"))]);
    rows.push([say("entropy"), "", ...stages.map((stage) => number(stage.entropy_bits, 2))]);
    return section("next", soft(say("next_about")), table(columns, rows));
  }

  let bars = [];
  function lossSection() {
    const { terms, mean: average, perplexity, bits_per_byte: bits } = found.loss;
    if (average === null) return section("loss", soft(say("loss_none")));
    const largest = Math.max(...terms);
    bars = terms.map((term, place) => {
      const bar = make("div", { title: `${place + 1} ${named(place + 1)}: −ln p = ${number(term)}`, onclick: () => choose(place + 1), onpointerenter: () => tell(place + 1) });
      bar.style.height = `${Math.max(1, (100 * term) / largest)}%`;
      return bar;
    });
    const first = terms.slice(0, 12).map((term) => number(term, 2)).join(" + ") + (terms.length > 12 ? " + …" : "");
    return section("loss", soft(say("loss_about")), make("div", { class: "terms" }, ...bars),
      make("p", {}, say("loss_sum", { terms: first, count: terms.length, mean: number(average, 4), perplexity: perplexity.toLocaleString("en", { maximumFractionDigits: 2 }), bits: bits === null ? "—" : number(bits, 4) })));
  }
  const markTerms = () => bars.forEach((bar, place) => bar.classList.toggle("focus", place + 1 === state.token));

  function cacheSection() {
    const { model, cache, sizes } = found;
    return section("cache", soft(say("cache_about", { layers: model.layers, key_value_heads: model.key_value_heads, width: model.head_dim, bytes: cache.bytes_per_number, per_token: sizes.per_token })),
      table([["", ""], ["", "number"]], [[say("cache_text"), sizes.text],
        [say("cache_context", { context: model.context.toLocaleString("en") }), sizes.context], [say("cache_unshared"), sizes.unshared]]));
  }

  function draw() {
    const { model, sizes } = found;
    const name = model.name || model.family;
    document.documentElement.lang = state.language;
    document.title = `${say("title")}: ${name}`;
    const other = state.language === "en" ? "zh" : "en";
    page.replaceChildren(
      make("header", {}, make("p", { class: "eyebrow" }, "AutoGPT inspect"),
        make("button", { id: "switch", type: "button", lang: other, onclick: () => { state.language = other; draw(); } }, say("other_language")),
        make("h1", {}, `${say("title")}: ${name}`), make("p", {}, say("lead", { model: name })),
        soft(say("facts", { parameters: sizes.parameters, layers: model.layers, heads: model.heads, key_value_heads: model.key_value_heads, width: model.head_dim, vocabulary: model.vocab_size.toLocaleString("en") }))),
      tokenSection(), attentionSection(), workedSection(), positionSection(),
      section("lens", lensBox), nextSection(), lossSection(), cacheSection(),
      make("footer", {}, make("p", {}, say("made", { seconds: found.wall_s.toFixed(2), dtype: model.dtype }))));
    fillLens();
    chips[state.token].classList.add("focus");
    turn(state.layer, state.head);
    markTerms();
  }

  async function unpack() {
    const data = Uint8Array.from(atob(read("attention")), (letter) => letter.charCodeAt(0));
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
    packed = new Uint16Array(await new Response(stream).arrayBuffer());
    turn(state.layer, state.head);
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
  unpack();
})();
