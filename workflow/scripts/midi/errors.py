"""Why a MIDI file gave no ABC."""


class ConversionError(Exception):
    """This MIDI gives no ABC: ``reason`` is a short code to count by, ``detail`` is for a person to read.

    ``not_midi``: no MIDI header.
    ``midi_smpte``: timed in seconds, not in beats.
    ``midi_division``: a quarter note lasts no tick.
    ``midi_empty``: no note.
    ``midi_voices``: more channels of tracks than midi2abc can hold.
    ``midi_timeout``: midi2abc did not end within the time allowed.
    ``midi_memory``: the program said that memory ran out. If it dies of that without a word, it counts as a crash.
    ``midi_crash``: killed by a signal, named in the detail.
    ``midi_failed``: an exit status other than 0, and what the program said of it.
    ``midi_runaway``: more ABC than allowed, or so many bars that the program gave up.
    ``midi_unlike``: the ABC does not say what the MIDI plays; the detail has both measures of how far they agree.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)  # both as arguments, or it could not be pickled by a worker process
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
