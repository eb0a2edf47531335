import gc
import signal
import sys

# What holds while `python -m workflow.scripts.x` imports, which takes a second where torch is among it, until `cli.run`
# takes over. Ctrl-C ends it without a word, in place of a traceback. And nothing is garbage yet: to look for some while
# modules are made, and once more at the end, takes a third of the time of a job that does next to nothing.
if sys.argv[:1] == ["-m"]:
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
