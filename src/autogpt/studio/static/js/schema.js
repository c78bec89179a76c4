// Forms from JSON Schema, as the registry of tasks gives it.
import { html } from "./html.js";
import { Area, Check, Field, Select, Text } from "./parts.js";
import { has, language, t } from "./words.js";

export function said(schema, name) {
  const text = language.value === "zh" ? schema[`${name}_zh`] || schema[name] : schema[name];
  return text || "";
}

// The kind of field for a schema: of several possibilities the one a person can type.
function kind(schema) {
  const options = schema.oneOf || schema.anyOf;
  if (options) {
    const simple = options.find((one) => one.type === "array" && (one.items?.type || "string") === "string")
      || options.find((one) => ["string", "number", "integer", "boolean"].includes(one.type));
    return simple ? kind(simple) : { type: "json" };
  }
  if (schema.enum) return { type: "enum", values: schema.enum };
  if (schema.type === "array") return { type: (schema.items?.type || "string") === "string" ? "list" : "json" };
  if (["string", "number", "integer", "boolean"].includes(schema.type)) return { ...schema };
  return { type: "json" };
}

// What a field is called: by the catalogue, or as the task spells it.
export const title = (name) => {
  if (has(`param.${name}`)) return t(`param.${name}`);
  const words = name.replace(/_/g, " ");
  return words[0].toUpperCase() + words.slice(1);
};

export function SchemaField({ name, schema, value, onValue, required }) {
  const shape = kind(schema);
  const help = said(schema, "description");
  const label = `${title(name)}${required ? " *" : ""}`;
  const usual = schema.default === undefined || schema.default === null ? "" : String(schema.default);
  if (shape.type === "boolean")
    return html`<div class="field"><${Check} label=${label} checked=${value ?? schema.default ?? false} onValue=${onValue} />
      ${help && html`<p class="help">${help}</p>`}</div>`;
  return html`<${Field} label=${label} help=${shape.type === "list" ? `${help} ${t("form.list")}` : help}>${(given) => {
    if (shape.type === "enum")
      return html`<${Select} value=${value ?? ""} onValue=${onValue} ...${given}
        options=${[...(required ? [] : [["", usual || t("setting.usual")]]), ...shape.values.map((one) => [String(one), String(one)])]} />`;
    if (shape.type === "integer" || shape.type === "number")
      return html`<input type="number" min=${shape.minimum} max=${shape.maximum} step=${shape.type === "integer" ? 1 : "any"}
        value=${value ?? ""} placeholder=${usual} onInput=${(e) => onValue(e.target.value)} ...${given} />`;
    if (shape.type === "json")
      return html`<${Area} class="mono" rows="3" value=${value ?? ""} onValue=${onValue} placeholder=${usual} ...${given} />`;
    return html`<${Text} value=${value ?? ""} onValue=${onValue} placeholder=${usual} required=${required} ...${given} />`;
  }}<//>`;
}

// What was typed, as the values that the schema wants; empty fields are left out.
export function typed(schema, values) {
  const found = {};
  for (const [name, property] of Object.entries(schema.properties || {})) {
    const value = values[name];
    if (value === undefined || value === "" || value === null) continue;
    const shape = kind(property);
    if (shape.type === "integer" || shape.type === "number") found[name] = Number(value);
    else if (shape.type === "list") found[name] = String(value).split(/[,，、\n]/).map((one) => one.trim()).filter(Boolean);
    else if (shape.type === "json") {
      try {
        found[name] = JSON.parse(value);
      } catch {
        throw Object.assign(new Error(t("form.json", { name: title(name) })), { hint: "" });
      }
    } else found[name] = value;
  }
  return found;
}
