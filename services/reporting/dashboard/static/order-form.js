// A picture that cannot be fetched leaves its place empty. The form works without this.
"use strict";

document.addEventListener("error", (event) => {
  if (event.target.matches?.(".picture img")) event.target.remove();
}, true);
