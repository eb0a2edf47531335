"use strict";
// Plays notes as plucked strings. They are computed here, so no samples are fetched.
const Sound = (() => {
  const AHEAD = 1, EVERY = 200; // seconds of notes that are handed over ahead; milliseconds from one look to the next
  const LONGEST = 4, RELEASE = 0.08; // seconds
  const LOWEST = 21, HIGHEST = 108; // of a piano
  const strings = new Map(); // AudioBuffer by pitch
  let context = null, now = null;

  // Karplus and Strong 1983, tuned by an all-pass filter as in Jaffe and Smith 1983: noise that goes round in a loop of
  // one period, and loses its high parts on the way.
  function pluck(rate, pitch) {
    const frequency = 440 * 2 ** ((pitch - 69) / 12);
    const period = rate / frequency - 0.5, size = Math.max(2, Math.floor(period - 0.1)), rest = period - size;
    const tuning = (1 - rest) / (1 + rest);
    const loss = 0.001 ** (1 / (frequency * Math.min(3, 600 / frequency + 0.8))); // a round; 60 dB in these seconds
    const loop = new Float32Array(size), sound = new Float32Array(Math.floor(rate * LONGEST));
    let seed = pitch + 1, last = 0;
    for (let i = 0; i < size; i++) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      last = 0.5 * last + 0.5 * (seed / 1073741824 - 1); // softer than plain noise
      loop[i] = last;
    }
    let at = 0, before = 0, passed = 0, passedFrom = 0, top = 0;
    for (let i = 0; i < sound.length; i++) {
      const mean = loss * 0.5 * (loop[at] + before);
      before = loop[at];
      passed = tuning * (mean - passed) + passedFrom;
      passedFrom = mean;
      sound[i] = loop[at];
      top = Math.max(top, Math.abs(sound[i]));
      loop[at] = passed;
      at = (at + 1) % size;
    }
    return sound.map((value) => value / top);
  }

  function string(pitch) {
    const key = Math.min(HIGHEST, Math.max(LOWEST, Math.round(pitch)));
    if (!strings.has(key)) {
      const samples = pluck(context.sampleRate, key);
      const buffer = context.createBuffer(1, samples.length, context.sampleRate);
      buffer.copyToChannel(samples, 0);
      strings.set(key, buffer);
    }
    return strings.get(key);
  }

  // Hand one note over; `begin` is when the tune began.
  function sound(note, begin, out) {
    const source = context.createBufferSource(), gain = context.createGain();
    const start = begin + note.start, end = start + Math.min(note.duration, LONGEST - RELEASE);
    source.buffer = string(note.pitch);
    gain.gain.setValueAtTime(0.3 * note.volume, start);
    gain.gain.setTargetAtTime(0, end, RELEASE / 3);
    source.connect(gain).connect(out);
    source.start(start);
    source.stop(end + RELEASE);
  }

  // notes: [{start, duration, pitch, volume}] in seconds, MIDI numbers and 0 to 1. `tick(seconds, of)` while it plays,
  // `done()` when it ends or is stopped. Only one tune plays at a time.
  async function play(notes, tick, done, longest = Infinity) {
    stop();
    context ??= new AudioContext();
    const mine = { done, out: context.createDynamicsCompressor() };
    now = mine;
    await context.resume();
    if (now !== mine) return; // stopped while the sound card woke up
    mine.out.connect(context.destination);
    const ordered = notes.filter((note) => note.start < longest).sort((a, b) => a.start - b.start);
    const end = Math.min(longest, Math.max(0, ...ordered.map((note) => note.start + note.duration)));
    const begin = context.currentTime + 0.1;
    let next = 0;
    const look = () => {
      const time = context.currentTime - begin;
      while (next < ordered.length && ordered[next].start < time + AHEAD) sound(ordered[next++], begin, mine.out);
      tick(Math.max(0, time), end);
      if (time > end + 0.3) stop();
    };
    mine.timer = setInterval(look, EVERY);
    look();
  }

  function stop() {
    if (!now) return;
    const { timer, out, done } = now;
    now = null;
    clearInterval(timer);
    out.disconnect();
    done();
  }

  return { play, stop };
})();
