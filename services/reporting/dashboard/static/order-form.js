// Says so when the page itself cannot be reached, and leaves the place of a picture empty that cannot be fetched.
// The form works without it.
"use strict";

(() => {
  document.addEventListener("error", (event) => {
    if (event.target.matches?.(".picture img")) event.target.remove();
  }, true);

  const tell = (event) => {
    // What is checked while somebody types may fail in silence; a button may not.
    if (!event.target.matches?.("#order-form")) return;
    const notice = document.createElement("p");
    notice.className = "notice wait";
    const over = event.detail?.ctx?.response?.status === 401;
    notice.textContent = over ? event.target.dataset.over : event.target.dataset.broken;
    const notices = document.querySelector("#notices");
    notices.replaceChildren(notice);
    notices.focus();
  };
  document.addEventListener("htmx:error", tell);
  document.addEventListener("htmx:response:error", tell);
})();
