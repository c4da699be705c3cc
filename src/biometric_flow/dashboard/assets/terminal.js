// One terminal: state, how full, what is wrong, what it can be told, what became of that.
import { BACK, h, since } from "./dom.js";
import { bar, told } from "./acts.js";
import { badge, table } from "./listing.js";
import { on } from "./live.js";

export function terminal(root, view, refresh, state, act) {
  const fact = ([label, value, tone]) => h("div", { class: "bf-fact" }, h("dt", null, label),
    h("dd", { "data-tone": tone || null }, tone ? "◐ " : "", h("bdi", null, value)));
  const filled = (one) => h("div", { class: "bf-fill" }, h("span", null, one.label),
    h("span", { "data-tone": one.tone || null }, one.tone ? "◐ " : "", h("bdi", null, one.text)),
    one.percent === null ? null : h("span", { class: "bf-meter", "aria-hidden": "true" },
      h("span", { style: `inline-size:${one.percent}%` })));
  const card = (title, ...inside) => h("section", { class: "bf-card" }, h("h2", null, title), ...inside);
  root.append(
    h("p", { class: "bf-back" }, h("a", { href: view.back.href }, `${BACK} ${view.back.text}`)),
    h("div", { class: "bf-card-head" },
      h("div", null, h("h1", null, h("bdi", { dir: "auto" }, view.name)),
        h("p", { class: "bf-quiet" }, h("bdi", null, view.place_name))),
      badge([view.shape, view.word, view.tone])),
    h("p", { class: "bf-quiet" }, `${view.since_label} `, since(view.since), " · ", `${view.contact_label} `,
      view.last_contact ? since(view.last_contact) : view.never),
    told(view.told) || "",
    view.stale ? h("p", { class: "bf-reason" }, `${view.stale} `, since(view.as_of)) : "",
    view.reason ? h("p", { class: "bf-reason", dir: "auto" }, view.reason) : "",
    view.findings.length ? card(view.findings_title, h("ul", { class: "bf-lines" }, view.findings.map((one) =>
      h("li", null, h("span", { "data-tone": one.tone }, one.tone === "bad" ? "■ " : "◐ "),
        h("bdi", { dir: "auto" }, one.text), one.since ? [" ", h("span", { class: "bf-quiet" }, since(one.since))] : null,
        one.actions.length ? bar(one.actions, act) : null)))) : "",
    h("div", { class: "bf-halves" },
      card(view.full_title, h("div", { class: "bf-fills" }, view.full.map(filled))),
      card(view.facts_title, h("dl", { class: "bf-facts bf-pairs" }, view.facts.map(fact)))),
    card(view.actions_title, view.no_actions ? h("p", { class: "bf-quiet" }, view.no_actions) : bar(view.actions, act)),
    card(view.jobs_title, h("p", { class: "bf-quiet", role: "status" }, view.jobs.count),
      view.jobs.rows.length ? table(view.jobs_title, view.jobs.head, view.jobs.rows) : h("p", null, view.jobs.empty)),
    h("p", null, h("a", { href: view.punches.href }, view.punches.text)));
  return on("terminal", (one) => one.id === view.id && refresh());
}
