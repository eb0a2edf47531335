"use strict";
// Listen blind to a real tune and a machine's, and say which is which. The score stays in this browser.
const Guess = (() => {
  const LONGEST = 20; // seconds of a tune
  const FEWEST = 16; // notes
  const ENOUGH = 5; // rounds for an interval to say anything
  const place = document.getElementById("round"), tally = document.getElementById("tally");
  const key = () => `which-is-real: ${Data.study}`;

  function stored() {
    try {
      return JSON.parse(localStorage.getItem(key())) ?? [];
    } catch {
      return [];
    }
  }

  function store(score) {
    try {
      localStorage.setItem(key(), JSON.stringify(score));
    } catch {
      // a browser may keep nothing for a file; then the score lasts as long as the page
    }
  }

  let score = [];

  // Wilson's 95% interval of a share.
  function interval(right, n, z = 1.96) {
    const middle = (right + z * z / 2) / (n + z * z), half = z * Math.sqrt(right * (n - right) / n + z * z / 4) / (n + z * z);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  }

  function words(rounds) {
    const right = rounds.filter((round) => round.right).length, [low, high] = interval(right, rounds.length);
    if (rounds.length < ENOUGH) return `${right} of ${rounds.length} right; from ${ENOUGH} rounds on it is said what that shows.`;
    const verdict = low > 0.5 ? "you can tell them apart" : high < 0.5 ? "you take machines for people" : "that may be chance";
    return `${right} of ${rounds.length} right: ${percent(right / rounds.length)}, 95% interval ${percent(low)} to ${percent(high)}; chance is 50%: ${verdict}.`;
  }

  function show() {
    tally.replaceChildren();
    if (!score.length) return;
    tally.append(make("p", {}, words(score)));
    const list = make("ul");
    for (const writer of Data.writers) {
      const own = score.filter((round) => round.writer === writer.name);
      if (own.length) list.append(make("li", {}, `against ${writer.title}: ${own.filter((round) => round.right).length} of ${own.length}`));
    }
    tally.append(list, make("button", { type: "button", onclick: () => { score = []; store(score); show(); } }, "Forget my score"));
  }

  const random = (list) => list[Math.floor(Math.random() * list.length)];

  // A tune of a writer with enough notes to listen to, and its sound.
  function candidate(writers) {
    for (let tries = 0; tries < 50; tries++) {
      const writer = random(writers), tune = random(writer.tunes), hidden = make("div");
      const engraved = Score.engrave(hidden, tune.abc, "");
      const sound = engraved ? Score.sounding(engraved, tune.abc) : { notes: [] };
      if (sound.notes.length >= FEWEST) return { writer, tune, notes: sound.notes };
    }
    return null;
  }

  function round() {
    Sound.stop();
    place.replaceChildren();
    const real = candidate(Data.writers.filter((writer) => writer.kind === "real"));
    const made = candidate(Data.writers.filter((writer) => writer.kind !== "real"));
    if (!real || !made) {
      place.append(make("p", { class: "soft" }, "There are no tunes here with enough notes to choose between."));
      return;
    }
    const pair = Math.random() < 0.5 ? [real, made] : [made, real];
    const row = make("div", { class: "pair" }), said = make("p", { role: "status" }, "Listen to both, then choose.");
    const again = make("button", { type: "button", class: "another", hidden: true, onclick: round }, "Two more");
    const choices = [], heard = new Set();
    const answer = (chosen) => {
      Sound.stop();
      const right = chosen === real;
      score.push({ right, writer: made.writer.name });
      store(score);
      show();
      said.textContent = right ? "Right: these are the two." : "Wrong: the other one is real.";
      said.className = right ? "good" : "bad";
      row.replaceChildren(...pair.map((one) => Card.of(one.writer, one.tune)));
      again.hidden = false;
      again.focus({ preventScroll: true });
      place.scrollIntoView({ block: "start" });
    };
    pair.forEach((one, i) => {
      const letter = "AB"[i];
      const listened = () => {
        heard.add(letter);
        for (const choice of choices) choice.disabled = heard.size < 2;
      };
      choices.push(make("button", { type: "button", class: "choose", disabled: true, onclick: () => answer(one) }, `${letter} is real`));
      row.append(make("div", { class: "card" },
        make("h4", {}, `Tune ${letter}`),
        make("div", { class: "player" }, ...Card.player(() => ({ notes: one.notes, marks: [] }), `tune ${letter}`, LONGEST, listened)),
        choices[i]));
    });
    place.append(make("div", { class: "player" }, said, again), row);
    row.querySelector(".play").focus({ preventScroll: true });
  }

  function begin() {
    score = stored();
    show();
    if (Data.writers.some((writer) => writer.kind === "real")) {
      place.append(make("button", { type: "button", id: "start-guessing", onclick: round }, "Begin"));
    } else {
      document.getElementById("guess-words").textContent =
        "This page was made from a record that holds no real tunes; where the study was run, its gallery has them.";
    }
  }

  return { begin, interval };
})();
