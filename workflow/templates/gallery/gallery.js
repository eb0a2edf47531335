"use strict";
// The page: cards side by side, one beginning answered by ever larger models, and addresses of single tunes.
(() => {
  const at = (id) => document.getElementById(id);
  const groups = [...new Set(Data.writers.map((writer) => writer.group))];
  const UNPROMPTED = "";

  // The largest model of each architecture, and people.
  const largest = [...groups.map((group) => Data.writers.findLast((writer) => writer.group === group && writer.kind === "model")),
    Data.writers.find((writer) => writer.kind === "real")].filter(Boolean);

  // Tune k of every writer, by architecture and size.
  function sideBySide(k) {
    Sound.stop();
    at("which").value = k;
    at("previous").disabled = k <= 1;
    at("next").disabled = k >= Number(at("which").max);
    at("first").replaceChildren(...largest.filter((writer) => writer.tunes.length >= k)
      .map((writer) => Card.of(writer, writer.tunes[k - 1], writer.kind === "model" ? `Largest ${writer.title}` : writer.title)));
    at("groups").replaceChildren(...groups.map((group) => make("div", { class: "group" },
      make("h3", {}, group, group === "For comparison" ? "" : make("span", { class: "soft" }, ", from small to large")),
      make("div", { class: "strip", tabindex: 0, role: "region", "aria-label": `${group}, tune ${k}` },
        ...Data.writers.filter((writer) => writer.group === group && writer.tunes.length >= k)
          .map((writer) => Card.of(writer, writer.tunes[k - 1]))))));
  }

  const chosen = () => Math.min(Number(at("which").max), Math.max(1, Math.round(Number(at("which").value)) || 1));

  // Models of each architecture by size; the slider goes through them by rank.
  const ladders = groups.map((group) => Data.writers.filter((writer) => writer.group === group && writer.kind === "model"))
    .filter((ladder) => ladder.length);

  function tunesAfter(writer, prompt) {
    return prompt === UNPROMPTED ? writer.tunes : writer.prompts[prompt] ?? [];
  }

  function growing() {
    Sound.stop();
    const prompt = at("prompt").value, place = Number(at("size").value) - 1;
    const writers = ladders.map((ladder) => ladder[Math.min(place, ladder.length - 1)]);
    const most = Math.max(1, ...writers.map((writer) => tunesAfter(writer, prompt).length));
    const k = Math.min(most, Math.max(1, Math.round(Number(at("growing-which").value)) || 1));
    at("growing-which").max = most;
    at("growing-most").textContent = most;
    at("growing-which").value = k;
    const words = writers.map((writer) => writer.title).join(" and ");
    at("size-words").textContent = words;
    at("size").setAttribute("aria-valuetext", words);
    at("prompt-text").hidden = prompt === UNPROMPTED;
    at("prompt-text").textContent = Data.prompts[prompt] ?? "";
    at("answers").replaceChildren(...writers.filter((writer) => tunesAfter(writer, prompt).length >= k)
      .map((writer) => Card.of(writer, tunesAfter(writer, prompt)[k - 1])));
  }

  // #writer/k shows that tune, #writer the one that is shown already.
  function follow() {
    const [name, index] = decodeURIComponent(location.hash.slice(1)).split("/");
    const writer = Data.writers.find((one) => one.name === name), k = index === undefined ? chosen() : Number(index);
    if (!writer || !(k >= 1 && k <= writer.tunes.length)) return;
    sideBySide(k);
    engraveAll(); // or what is above it would grow on the way there
    const card = [...at("groups").querySelectorAll(".card")].find((one) => one.dataset.writer === name);
    card.classList.add("chosen");
    card.scrollIntoView({ block: "start", inline: "center" });
    card.focus({ preventScroll: true });
  }

  function engraveAll() {
    document.querySelectorAll("#first .card, #groups .card").forEach((card) => card.dispatchEvent(new Event("engrave")));
  }

  at("stepper").hidden = false;
  at("which").addEventListener("change", () => sideBySide(chosen()));
  at("previous").addEventListener("click", () => sideBySide(chosen() - 1));
  at("next").addEventListener("click", () => sideBySide(chosen() + 1));
  sideBySide(1);

  if (ladders.length) {
    at("growing-controls").hidden = false;
    at("size").max = Math.max(...ladders.map((ladder) => ladder.length));
    at("prompt").append(...Object.keys(Data.prompts).map((name) => make("option", { value: name }, name.replaceAll("_", " "))),
      make("option", { value: UNPROMPTED }, "none"));
    for (const [id, event] of [["prompt", "change"], ["growing-which", "change"], ["size", "input"]]) at(id).addEventListener(event, growing);
    growing();
  }

  Guess.begin();
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => { if (event.key === "Escape") Sound.stop(); });
  addEventListener("beforeprint", engraveAll);
  follow();
})();
