// One card per terminal; a change of state arrives by itself.
import { h, since } from "./dom.js";
import { on } from "./live.js";

export function devices(root, view) {
  const cards = new Map();
  const list = h("ul", { class: "bf-devices-list" });
  for (const data of view.rows) {
    const item = h("li", null, card(data, view));
    cards.set(data.id, item);
    list.append(item);
  }
  root.append(h("p", { class: "bf-quiet", role: "status" }, view.count), view.rows.length ? list : nothing(view));
  return on("terminal", (data) => {
    const item = cards.get(data.id);
    if (!item) return;
    const isOpen = item.querySelector("details").open;
    const hadFocus = item.contains(document.activeElement);
    item.replaceChildren(card(data, view, isOpen));
    if (hadFocus) item.querySelector("summary").focus();
  });
}

function nothing(view) {
  return h("div", { class: "bf-empty" }, h("h2", null, view.empty.title), h("p", null, view.empty.text),
    view.empty.clear ? h("a", { class: "bf-button", href: "/devices" }, view.empty.clear) : null);
}

function card(data, view, isOpen = false) {
  const fact = (label, value, tone) => h("div", { class: "bf-fact" },
    h("dt", null, label), h("dd", { "data-tone": tone || null }, tone ? "◐ " : "", h("bdi", null, value)));
  return h("article", { class: "bf-device", "data-device": data.id, "data-state": data.state },
    h("header", null,
      h("h2", null, h("a", { href: `/devices?id=${encodeURIComponent(data.id)}` }, h("bdi", { dir: "auto" }, data.name))),
      h("span", { class: "bf-badge", "data-tone": data.tone }, `${data.shape} ${data.word}`),
      h("p", { class: "bf-quiet" }, h("bdi", null, data.place_name))),
    h("dl", { class: "bf-facts" },
      fact(view.last_contact, data.last_contact ? since(data.last_contact) : view.never),
      data.main.map((each) => fact(...each))),
    data.stale ? h("p", { class: "bf-reason" }, `${data.stale} `, since(data.as_of)) : null,
    data.reason ? h("p", { class: "bf-reason", dir: "auto" }, data.reason) : null,
    h("details", { open: isOpen }, h("summary", null, view.more),
      h("dl", { class: "bf-facts bf-more" },
        fact(view.in_state, since(data.since)), data.more.map((each) => fact(...each)))));
}
