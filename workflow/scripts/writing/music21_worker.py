"""Let music21 parse texts of ABC and make MIDI of them. Run as a program, by `programs.Music21`, on strangers' text.

It imports nothing of ours, and runs without an environment: the folders to import from are its arguments. Each line of
its input is a text in JSON, and each line of its output an answer: how many notes and chords, or what music21 raised.
"""

import json
import os
import re
import sys

ADDRESS = re.compile(r"\b0x[0-9a-f]+|(?<=id\(\)=)\d+")  # of an object in memory, another every time


def count_notes(text: str) -> int:
    """Notes and chords that music21 finds in ABC text (parsed as text, never opened as a path) and writes as MIDI."""
    from music21.abcFormat import ABCHandler, translate
    from music21.midi.translate import streamToMidiFile

    handler = ABCHandler()
    handler.process(text)
    if handler.definesReferenceNumbers():
        streams = [translate.abcToStreamScore(part) for part in handler.splitByReferenceNumber().values()]
    else:
        streams = [translate.abcToStreamScore(handler)]
    for stream in streams:
        without_faults(stream)
        streamToMidiFile(stream).writestr()  # raises what it cannot write; the bytes are of no use
    return sum(len(stream.recurse().notes) for stream in streams)


def without_faults(score):
    """Mend in a score what music21 itself put there, and then cannot write as MIDI.

    These are parts of nothing, one for each V: in a header; a part without bars beside others that have them; and a
    field that was put into several bars as one object.
    """
    are_in_bars = any(part.getElementsByClass("Measure") for part in score.parts)
    for part in list(score.parts):
        if not part.recurse().notes:
            score.remove(part)
        elif are_in_bars and not part.getElementsByClass("Measure"):
            part.makeMeasures(inPlace=True)
    seen = set()
    for stream in score.recurse(streamsOnly=True):
        for sign in list(stream.getElementsByClass(("TimeSignature", "KeySignature", "MetronomeMark"))):
            if id(sign) in seen:
                stream.remove(sign)
            seen.add(id(sign))


def answer(line: str) -> dict:
    try:
        return {"notes": count_notes(json.loads(line))}
    except Exception as error:  # music21 raises whatever its parser stumbles over: all of it is a verdict
        said = ADDRESS.sub("…", f"{type(error).__name__}: {error}".split("\n")[0])
        return {"error": said[:200]}


def main() -> None:
    sys.path[:] = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what music21 prints is no answer
    import music21.abcFormat
    import music21.midi.translate  # noqa: F401 - half a second, before the first text is asked for

    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
