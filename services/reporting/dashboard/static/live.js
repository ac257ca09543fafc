// Keeps the open page true: hears of changes and has htmx fetch the live part again. Everything works without it.
"use strict";

(() => {
  const zone = document.querySelector("[data-zone]");
  if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";

  for (const select of document.querySelectorAll("[data-submits]")) {
    select.form.querySelector("button").hidden = true;
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  for (const form of document.querySelectorAll("[data-filters]")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select, input[type=checkbox]")) form.requestSubmit();
    });
    // Empty filters stay out of the address.
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }

  const address = document.body.dataset.events;
  if (!address || !window.EventSource || !window.htmx) return;

  const state = document.querySelector("[data-live-state]");
  const show = (on) => {
    state.dataset.liveState = on ? "on" : "off";
    state.querySelector(".live-text").textContent = on ? state.dataset.on : state.dataset.off;
  };
  const changed = () => document.body.dispatchEvent(new CustomEvent("sync-changed"));

  let events = null;
  const listen = () => {
    events = new EventSource(address);
    events.addEventListener("changed", changed);
    events.addEventListener("resync", changed);
    events.addEventListener("open", () => show(true));
    events.addEventListener("error", () => {
      show(false);
      // A refused connection is not tried again by the browser: the login is over, or the service was too busy.
      if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 10000);
    });
  };

  // A browser opens few connections to one address, so a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      events.close();
    } else {
      listen();
      changed();
    }
  });
  listen();
})();
