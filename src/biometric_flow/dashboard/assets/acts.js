// What a person can do: buttons that say what will happen in a dialog first, and what came of it afterwards.
import { h } from "./dom.js";

const draftOf = (name, field) => `draft ${location.pathname} ${name} ${field}`;

export function told(view) {
  if (!view) return null;
  if (view.is_done) {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(`draft ${location.pathname} `)) sessionStorage.removeItem(key);
    }
  }
  return h("p", { class: view.is_done ? "bf-told" : "bf-banner", role: view.is_done ? "status" : "alert" },
    view.is_done ? "● " : "▲ ", view.text);
}

// Buttons in a row; `payload()` adds what the region knows, such as the rows that were chosen.
export function bar(actions, act, payload = () => ({})) {
  return h("div", { class: "bf-chips bf-actions" }, (actions || []).map((one) => {
    const give = (fields) => act({ ...one.payload, ...fields, ...payload(), name: one.name, at: Date.now() });
    const button = h("button", { type: "button", class: `bf-button${one.is_quiet ? "" : " bf-primary"}${one.is_danger ? " bf-danger" : ""}`,
      title: one.title || null, "aria-label": one.label || null,
      "data-focus": one.name, onclick: () => (one.dialog ? ask(one, button, give) : give({})) }, one.text);
    return button;
  }));
}

function ask(one, button, give) {
  const control = (field) => {
    const common = { name: field.name, required: field.required, "data-focus": field.name };
    const isSecret = field.type === "password"; // never kept, not in this tab either
    const kept = (!isSecret && sessionStorage.getItem(draftOf(one.name, field.name))) || "";
    if (field.type === "checks") return checks(field);
    const keep = (event) => isSecret || sessionStorage.setItem(draftOf(one.name, field.name), event.target.value);
    return h("label", { class: "bf-field" }, h("span", null, field.label), field.type === "select"
      ? h("select", common, field.options.map((one) => h("option", { value: [one].flat()[0] }, [one].flat().at(-1))))
      : h("input", { ...common, type: field.type, maxlength: field.maxlength, pattern: field.pattern, value: kept,
        oninput: keep, autocomplete: isSecret ? "new-password" : "off" }));
  };
  const heading = `bf-dialog-${one.name}`;
  const dialog = h("dialog", { class: "bf-dialog bf-region", "aria-labelledby": heading },
    h("form", { onsubmit: (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      const fields = Object.fromEntries(data);
      for (const field of one.dialog.fields) if (field.type === "checks") fields[field.name] = data.getAll(field.name);
      dialog.close();
      give(fields);
    } },
    h("h2", { id: heading }, one.dialog.title),
    one.dialog.text.map((text) => h("p", null, text)),
    one.dialog.fields.map(control),
    h("div", { class: "bf-chips" },
      h("button", { type: "submit", class: "bf-button bf-primary" }, one.dialog.confirm),
      h("button", { type: "button", class: "bf-button", onclick: () => dialog.close() }, one.dialog.cancel))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    button.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function checks(field) {
  return h("fieldset", { class: "bf-checks" }, h("legend", null, field.label), h("div", null, field.options.map(([value, text]) =>
    h("label", { class: "bf-check" }, h("input", { type: "checkbox", name: field.name, value, "data-focus": `${field.name} ${value}` }),
      h("bdi", null, text)))));
}
