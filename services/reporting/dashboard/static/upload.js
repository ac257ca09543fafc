// Shows how much of a file is sent, and takes files that are dropped anywhere on their card. The form works without it.
"use strict";

(() => {
  const wire = () => {
    const form = document.querySelector("[data-upload]");
    if (!form) return;
    const card = form.closest("section");
    const file = form.querySelector("input[type=file]");
    const sending = form.querySelector(".sending");
    const bar = sending.querySelector("progress");
    const said = sending.querySelector("[role=status]");
    const button = form.querySelector("button[type=submit]");

    const over = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      card.classList.add("over");
    };
    card.addEventListener("dragenter", over);
    card.addEventListener("dragover", over);
    card.addEventListener("dragleave", () => card.classList.remove("over"));
    card.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      card.classList.remove("over");
      file.files = event.dataTransfer.files;
      file.focus();
    });

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.upload.addEventListener("progress", (now) => {
        if (!now.lengthComputable) return;
        bar.value = (100 * now.loaded) / now.total;
        said.textContent = now.loaded < now.total ? form.dataset.sending.replace("{percent}", Math.floor(bar.value)) : form.dataset.sent;
      });
      const fail = (sentence) => {
        said.textContent = sentence;
        button.disabled = false;
      };
      request.addEventListener("error", () => fail(form.dataset.broken));
      request.addEventListener("load", () => {
        if (request.status < 400) {
          location.assign(request.responseURL);
          return;
        }
        const page = new DOMParser().parseFromString(request.responseText, "text/html");
        const other = page.querySelector("#upload");
        if (!other) {
          fail(page.querySelector("main")?.textContent.trim().replace(/\s+/g, " ") || form.dataset.broken);
          return;
        }
        card.replaceWith(other);
        wire();
        other.querySelector("[role=alert]")?.focus();
      });
      button.disabled = true;
      sending.hidden = false;
      bar.value = 0;
      request.send(new FormData(form));
    });
  };
  wire();
})();
