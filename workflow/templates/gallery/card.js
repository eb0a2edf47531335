"use strict";
// A card: one tune of one writer, to see, hear and check. Texts of models are only ever put in as text.
const Data = JSON.parse(document.getElementById("data").textContent);

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
};

const percent = (share) => `${Math.round(100 * share)}%`;

const Card = (() => {
  const steps = () => Data.steps;
  // Scores are engraved when they come near the window: two hundred at once would take seconds.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) entry.target.dispatchEvent(new Event("near"));
  }, { rootMargin: "300px" });

  function save(name, parts, type) {
    const address = URL.createObjectURL(new Blob(parts, { type }));
    const link = make("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  // The ABC with the prompt, what was not judged, and what the checker found each told apart.
  function text(tune) {
    const element = make("pre"), edges = new Set([0, tune.prompt, tune.judged, tune.abc.length]);
    for (const [start, end] of tune.marks) edges.add(start).add(end);
    const places = [...edges].filter((place) => place <= tune.abc.length).sort((a, b) => a - b);
    for (let i = 0; i + 1 < places.length; i++) {
      const [start, end] = [places[i], places[i + 1]], found = tune.marks.filter((mark) => mark[0] <= start && end <= mark[1]);
      const piece = tune.abc.slice(start, end);
      const about = [...new Set(found.map((mark) => mark[3]))].join("; ");
      if (found.length) element.append(make("mark", { title: about, "data-start": found.map((mark) => mark[0]).join(" ") }, piece));
      else if (end <= tune.prompt) element.append(make("span", { class: "given" }, piece));
      else if (start >= tune.judged) element.append(make("span", { class: "unjudged" }, piece));
      else element.append(piece);
    }
    return element;
  }

  function verdicts(tune) {
    const list = make("ul", { class: "steps", "aria-label": "Checks" });
    for (const [name, { label, why, none }] of Object.entries(steps())) {
      if (!(name in tune.steps)) continue;
      const passed = tune.steps[name];
      const about = passed === null ? none : `${why}: ${passed ? "yes" : "no"}`;
      list.append(make("li", { class: passed === null ? "none" : passed ? "good" : "bad", title: about }, label));
    }
    return list;
  }

  // Where a training tune stands: a file, and the line that it begins at.
  const place = (source) => source.replace(/:(\d+)$/, ", line $1");

  function likeness(copied) {
    if (!copied) return null;
    const words = [make("span", { class: copied.is_copy ? "bad" : "soft" },
      `${copied.is_copy ? "A copy: its" : "Its"} notes are ${percent(copied.similarity)} like those of ${place(copied.nearest)}`)];
    if (copied.stretch_of) {
      words.push(make("span", { class: "soft" }, `; the longest stretch it shares is ${percent(copied.stretch)} of it, with ${place(copied.stretch_of)}`));
    }
    return make("p", {}, ...words, ".");
  }

  // A list of what was found; each leads to its place in the ABC.
  function faults(tune, abc) {
    const line = (start) => tune.abc.slice(0, start).split("\n").length;
    const list = make("ol", { class: "faults" });
    for (const [start, , , message] of tune.marks) {
      const show = () => {
        abc.querySelectorAll("mark.chosen").forEach((mark) => mark.classList.remove("chosen"));
        for (const mark of abc.querySelectorAll("mark")) {
          if (!mark.dataset.start.split(" ").includes(String(start))) continue;
          mark.classList.add("chosen");
          mark.scrollIntoView({ block: "nearest" });
        }
      };
      list.append(make("li", {}, make("button", { type: "button", class: "link", onclick: show }, `line ${line(start)}`), `: ${message}`));
    }
    return list;
  }

  function counted(tune) {
    const bars = tune.marks.filter((mark) => mark[2] === "rhythm").length, remarks = tune.marks.filter((mark) => mark[2] === "soft").length;
    const grammar = tune.marks.length - bars - remarks;
    const words = [[grammar, "of grammar"], [bars, "of bars"]].filter(([n]) => n).map(([n, of]) => `${n} ${of}`).join(", ");
    return `ABC, ${words ? `faults: ${words}` : "no faults found"}${remarks ? `; ${remarks} remark${remarks === 1 ? "" : "s"}` : ""}`;
  }

  // What plays a tune: a button and a bar. `score` engraves it if that is not done yet.
  function player(score, name, longest = Infinity, heard = () => {}) {
    const button = make("button", { type: "button", class: "play" }, "▶ Play"), bar = make("progress", { max: 1, value: 0, "aria-label": "Played" });
    button.setAttribute("aria-label", `Play ${name}`);
    button.addEventListener("click", () => {
      if (button.classList.contains("playing")) return Sound.stop();
      const { notes, marks } = score();
      if (!notes.length) {
        button.disabled = true;
        button.textContent = "no notes to play";
        return;
      }
      heard();
      button.classList.add("playing");
      const lit = new Set();
      const light = (time) => {
        for (const mark of marks) {
          const on = mark.time <= time && time < mark.end;
          for (const part of mark.element?.abselem?.elemset ?? []) part.classList.toggle("sounding", on), on ? lit.add(part) : lit.delete(part);
        }
      };
      Sound.play(notes, (time, end) => { bar.max = end || 1; bar.value = time; light(time); }, () => {
        button.classList.remove("playing");
        button.textContent = "▶ Play";
        bar.value = 0;
        for (const part of lit) part.classList.remove("sounding");
      }, longest);
      button.textContent = "■ Stop";
    });
    return [button, bar];
  }

  // One tune of a writer. `heading` is what stands above it; the tune's own address is #writer/index.
  function of(writer, tune, heading = writer.title) {
    const name = `${heading}, tune ${tune.index}`, file = `${writer.name}-${String(tune.index).padStart(3, "0")}`;
    const score = make("div", { class: "score" });
    let engraved = null;
    const see = () => engraved ??= { tune: Score.engrave(score, tune.abc, name) };
    const hear = () => see().tune ? Score.sounding(engraved.tune, tune.abc) : { notes: [], marks: [] };
    score.addEventListener("near", see);
    near.observe(score);
    const abc = text(tune);
    const card = make("article", { class: "card", tabindex: -1, "data-writer": writer.name, "data-index": tune.index, "aria-label": name },
      make("h4", {}, heading, " ", make("span", { class: "soft" }, `tune ${tune.index}`)),
      make("p", { class: "soft" }, writer.note),
      score,
      make("div", { class: "player" }, ...player(hear, name),
        make("button", { type: "button", "aria-label": `Download ${name} as ABC`, onclick: () => save(`${file}.abc`, [tune.abc], "text/vnd.abc") }, ".abc"),
        make("button", { type: "button", "aria-label": `Download ${name} as MIDI`, onclick: () => save(`${file}.mid`, [].concat(Score.midi(tune.abc)), "audio/midi") }, ".mid")),
      verdicts(tune),
      likeness(tune.copied),
      make("details", {}, make("summary", {}, counted(tune)), abc, faults(tune, abc)));
    card.addEventListener("engrave", see);
    return card;
  }

  return { of, player };
})();
