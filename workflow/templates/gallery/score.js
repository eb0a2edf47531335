"use strict";
// Engraves ABC, and says which notes sound when. What a model wrote is text: its directives do nothing here.
const Score = (() => {
  const WIDTH = 560; // of the staff, in abcjs's units; the picture takes the width of its card
  const SPEED = 120; // beats a minute, where a tune gives no tempo
  const LONGEST = 600; // seconds
  const SMALLEST = 0.7; // of its size that a title may be set in

  // A text without directives. Every character stays where it is, so that places in it hold.
  function inert(abc) {
    return abc.replace(/^([ \t]*)%%/gm, "$1% ").replace(/^([ \t]*)I:/gm, "$1% ").replace(/\[I:/g, "[r:");
  }

  // Engrave a tune into an element; abcjs's object of it, or null if nothing came of it.
  function engrave(element, abc, title) {
    element.replaceChildren();
    let tune = null;
    try {
      [tune] = ABCJS.renderAbc(element, inert(abc), {
        responsive: "resize", add_classes: true, staffwidth: WIDTH, paddingtop: 2, paddingbottom: 2, paddingleft: 2, paddingright: 2,
        wrap: { minSpacing: 1.5, maxSpacing: 2.7, preferredMeasuresPerLine: 4 },
        format: { titlefont: "system-ui 18", subtitlefont: "system-ui 13", composerfont: "system-ui 12", infofont: "system-ui 12" },
      });
    } catch (error) {
      element.textContent = "abcjs cannot engrave this text.";
    }
    const picture = element.querySelector("svg");
    if (picture) {
      picture.setAttribute("aria-label", `Score of ${title}`);
      picture.querySelectorAll(".abcjs-debug-msg").forEach((message) => message.remove());
      picture.querySelectorAll("text").forEach((text) => fit(text, picture.viewBox.baseVal.width));
    }
    return tune;
  }

  // A title that is wider than the score is set smaller, and cut if that is not enough.
  function fit(text, width) {
    const wide = text.getBBox().width;
    if (wide < 0.99 * width) return;
    const scale = Math.min(1, Math.max(SMALLEST, 0.98 * width / wide)), piece = text.querySelector("tspan") ?? text;
    text.setAttribute("font-size", scale * Number.parseFloat(text.getAttribute("font-size")));
    const share = 0.98 * width / (wide * scale);
    if (share < 1) piece.textContent = `${piece.textContent.slice(0, Math.floor(share * piece.textContent.length) - 2)}…`;
  }

  // What sounds in a tune: its notes for `Sound`, and the marks of the score by time. Chord symbols are silent.
  function sounding(tune, abc) {
    const options = /^Q:/m.test(abc) ? { chordsOff: true } : { chordsOff: true, qpm: SPEED };
    const none = { notes: [], marks: [] };
    try {
      const audio = tune.setUpAudio(options);
      const whole = 60 / audio.tempo / tune.getBeatLength(); // seconds of a whole note
      const notes = audio.tracks.flat().filter((event) => event.cmd === "note" && event.duration > 0).map((event) => ({
        start: event.start * whole, duration: event.duration * whole, pitch: event.pitch,
        volume: Math.min(1, (event.volume || 90) / 127), at: event.startChar,
      })).filter((note) => note.start < LONGEST && Number.isFinite(note.start + note.duration));
      const marks = notes.map((note) => ({ time: note.start, end: note.start + note.duration, element: tune.getElementFromChar(note.at) }));
      return { notes, marks };
    } catch (error) {
      return none; // a text may be too odd to have a time
    }
  }

  function midi(abc) {
    return ABCJS.synth.getMidiFile(inert(abc), { midiOutputType: "binary", chordsOff: true });
  }

  return { engrave, sounding, midi };
})();
