// The feed of punches: newest first; while someone reads it, nothing moves.
import { h, icon } from "./dom.js";
import { on, recent, since } from "./live.js";

const SUMMARY_MS = 30_000;

export function feed(root, view, refresh) {
  const wanted = new Set(view.places);
  const rows = new Map();
  let waiting = [];
  let unsaid = 0;
  let reading = false;

  const status = h("span", { class: "bf-quiet" });
  const button = h("button", { type: "button", class: "bf-button bf-primary", hidden: true, onclick: release });
  const summary = h("p", { class: "bf-unseen", role: "status" });
  const list = h("ol", { class: "bf-feed-list", "aria-live": "off", "aria-label": view.title, tabindex: "0" });
  const none = h("p", { class: "bf-calm" }, view.empty);
  root.append(h("div", { class: "bf-feed-head" }, status, button), list, none, summary);

  function show(punches) {
    for (const punch of punches) {
      if (rows.has(punch.position)) continue;
      const node = line(punch);
      rows.set(punch.position, { punch, node });
      const after = [...list.children].find((other) => isBefore(other.punch, punch));
      list.insertBefore(node, after || null);
    }
    while (list.children.length > view.limit) {
      rows.delete(list.lastElementChild.punch.position);
      list.lastElementChild.remove();
    }
    none.hidden = list.children.length > 0;
    list.hidden = !none.hidden;
  }

  function release() {
    const fresh = waiting;
    waiting = [];
    scroller()?.scrollTo({ top: 0 });
    show(fresh);
    button.blur();
    look();
  }

  function say() {
    button.hidden = waiting.length === 0;
    button.textContent = view.show_new.replace("{n}", waiting.length);
    status.textContent = reading ? view.paused : view.running;
  }

  const scroller = () => root.closest("[data-testid='stMain']");
  function pause(isReading) {
    reading = isReading || (scroller()?.scrollTop ?? 0) > 120;
    if (!reading && waiting.length) show(waiting.splice(0));
    say();
  }

  const look = () => pause(root.matches(":hover") || root.contains(document.activeElement));
  root.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && pause(true));
  root.addEventListener("pointerleave", () => pause(root.contains(document.activeElement)));
  root.addEventListener("focusin", () => pause(true));
  root.addEventListener("focusout", () => setTimeout(look));
  requestAnimationFrame(() => scroller()?.addEventListener("scroll", look, { passive: true }));

  const stop = on("punch", (punch) => {
    if (wanted.size && !wanted.has(punch.place)) return;
    const last = list.lastElementChild;
    if (rows.has(punch.position) || (list.children.length >= view.limit && isBefore(punch, last.punch))) return;
    unsaid += 1;
    if (reading) waiting.push(punch);
    else {
      show([punch]);
      rows.get(punch.position)?.node.classList.add("bf-new");
    }
    say();
  });
  // Punches between the page's answer and the beginning of the stream would be missing: then the page asks again.
  const fill = () => since() !== null && since() > view.asked_at && refresh();
  const stopFilling = on("hello", fill);
  const timer = setInterval(() => {
    if (unsaid) summary.textContent = view.summary.replace("{n}", unsaid);
    unsaid = 0;
  }, SUMMARY_MS);

  show(view.rows);
  show(recent().filter((punch) => !wanted.size || wanted.has(punch.place)));
  say();
  fill();
  return () => {
    stop();
    stopFilling();
    clearInterval(timer);
    scroller()?.removeEventListener("scroll", look);
  };
}

function isBefore(one, other) {
  return one.instant === other.instant ? one.position < other.position : one.instant < other.instant;
}

function line(punch) {
  const node = h("li", { class: "bf-punch", "data-position": punch.position },
    h("time", { class: "bf-punch-time", datetime: punch.instant, title: punch.exact },
      punch.time, h("span", { class: "bf-quiet" }, punch.day || punch.zone)),
    h("span", { class: "bf-punch-who" }, h("span", { class: "bf-punch-name" }, h("bdi", { dir: "auto" }, punch.name)),
      h("span", { class: "bf-quiet" }, h("bdi", null, punch.pin))),
    h("span", { class: "bf-direction", "data-direction": punch.direction }, `${punch.arrow} ${punch.word}`),
    h("span", { class: "bf-punch-where" }, h("bdi", null, punch.place_name), h("span", { class: "bf-quiet" }, h("bdi", { dir: "auto" }, punch.terminal))),
    h("span", { class: "bf-punch-how" }, icon(punch.icon), h("span", null, punch.method)),
    punch.badge ? h("span", { class: "bf-badge", "data-tone": "warn" }, `◐ ${punch.badge}`) : h("span", { class: "bf-none" }));
  node.punch = punch;
  return node;
}
