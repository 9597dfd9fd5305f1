// Makes waiting live, and nothing else: without it the page works by forms and reloads.

// One turn at a time, the first that has not ended: a browser opens six connections to a host, and forms need one.
function followNext() {
  const turn = document.querySelector("[data-live]");
  if (turn) follow(turn);
}

function follow(turn) {
  const base = turn.dataset.live;
  const line = turn.querySelector(".line");
  const bar = turn.querySelector("progress");
  const image = turn.querySelector(".preview img");
  const source = new EventSource(`${base}/events`);
  let shown = "";

  source.addEventListener("update", ({ data }) => {
    const told = JSON.parse(data);
    if (line.textContent !== told.line) line.textContent = told.line;
    if (told.steps) {
      bar.max = told.steps;
      bar.value = told.step;
    }
    if (told.preview) {
      const bytes = Uint8Array.from(atob(told.preview), (letter) => letter.charCodeAt(0));
      if (shown) URL.revokeObjectURL(shown);
      shown = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      image.src = shown;
      image.alt = "A first impression of the picture";
      image.hidden = false;
    }
  });
  source.addEventListener("final", async () => {
    source.close();
    const answer = await fetch(base);
    if (!answer.ok) return location.reload();
    const atEnd = innerHeight + scrollY > document.body.scrollHeight - 200;
    turn.outerHTML = await answer.text();
    if (atEnd) document.getElementById("compose")?.scrollIntoView({ block: "end" });
    refreshPeople();
    followNext();
  });
}

async function refreshPeople() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("aside");
  const old = document.querySelector("aside");
  if (fresh && old && !old.contains(document.activeElement)) old.replaceWith(fresh);
}

followNext();

document.addEventListener("click", ({ target }) => {
  const example = target.closest("[data-example]");
  if (!example) return;
  const box = document.getElementById("text");
  box.value = example.dataset.example;
  box.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches(".compose textarea")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

document.addEventListener("change", ({ target }) => {
  if (!target.matches("input[type=file]")) return;
  const list = target.closest("form").querySelector(".files");
  list.replaceChildren(
    ...[...target.files].map((file) => {
      const image = new Image();
      image.src = URL.createObjectURL(file);
      image.alt = file.name;
      return image;
    }),
  );
});

document.addEventListener("submit", (event) => {
  // A second click on a form that is on its way would only send the same thing again.
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

addEventListener("pageshow", () => {
  // The way back from where a form led to: it may be sent once more.
  for (const form of document.forms) delete form.dataset.sent;
});
