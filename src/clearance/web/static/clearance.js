// What pages do beyond HTML: local times, copying, and the keyboard in the inbox. Without it, everything still works.
"use strict";
(() => {
  const HOUR = 3_600_000;
  const MINUTE = 60_000;
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function left(milliseconds) {
    if (milliseconds <= 0) return "no time left";
    if (milliseconds >= 72 * HOUR) return `${Math.floor(milliseconds / (24 * HOUR))} days left`;
    if (milliseconds >= HOUR) return `${Math.floor(milliseconds / HOUR)} h left`;
    if (milliseconds >= MINUTE) return `${Math.floor(milliseconds / MINUTE)} min left`;
    return "under a minute left";
  }

  function words(time) {
    const moment = new Date(time.dateTime);
    if (time.dataset.show === "left") return left(moment - Date.now());
    if (time.dataset.show === "full") return full.format(moment);
    const today = moment.toDateString() === new Date().toDateString();
    return today ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
  }

  function refresh() {
    for (const time of document.querySelectorAll("time[data-show]")) {
      const said = words(time);
      if (time.textContent !== said) time.textContent = said;
    }
    for (const button of document.querySelectorAll("button.copy[hidden]")) button.hidden = !navigator.clipboard;
  }

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1_500);
  }

  // Single letters can be turned off (WCAG 2.1.4), and never reach a field or a modified key.
  const shortcuts = {
    get on() {
      return localStorage.getItem("shortcuts") !== "off";
    },
    toggle() {
      localStorage.setItem("shortcuts", this.on ? "off" : "on");
      this.show();
    },
    show() {
      const line = document.querySelector("[data-keys]");
      if (!line) return;
      line.hidden = false;
      line.querySelector(".on").hidden = !this.on;
      const button = line.querySelector("[data-keys-toggle]");
      button.textContent = this.on ? "Turn shortcuts off" : "Turn keyboard shortcuts on";
      button.setAttribute("aria-pressed", String(this.on));
    },
  };

  function cards() {
    // Those that are folded away cannot be focused.
    return [...document.querySelectorAll("[data-card]")].filter((card) => !card.closest(".same-act:not([open])"));
  }

  function move(step) {
    const all = cards();
    const here = all.findIndex((card) => card.contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, here + step))];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function press(key) {
    const card = document.activeElement.closest?.("[data-card]") ?? (cards().length === 1 ? cards()[0] : null);
    const target = card?.querySelector(`[data-key="${key}"]`);
    if (!target) return;
    // Approving takes a second key, on a button that is seen to be focused; the others only open something.
    if (key === "a") target.focus();
    else target.click();
    if (key === "r") card.querySelector("details.reject[open] textarea")?.focus();
  }

  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (modified || event.target.matches("input, textarea, select") || !shortcuts.on) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (["a", "r", "e"].includes(event.key)) press(event.key);
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (button?.matches(".copy")) void copy(button);
    else if (button?.matches("[data-keys-toggle]")) shortcuts.toggle();
  });

  document.addEventListener("htmx:after:swap", refresh);
  setInterval(refresh, 30_000);
  refresh();
  shortcuts.show();
  document.getElementById("flash")?.focus({ preventScroll: true });
})();
