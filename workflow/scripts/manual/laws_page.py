"""The page that leads from a table of runs to a forecast, with what the commands on it print.

Needs what `fit_scaling` found of the table that the page shows.
"""

import textwrap

from workflow.scripts.findings.words import lines_of

WIDTH = 110  # of what was printed
QUESTIONS = "--predict 1M,8M --best-for 1e13"
COMMAND = f"python -m workflow.scripts.fit_scaling runs.csv {QUESTIONS} --plot forecast.pdf"
PAGE = """# From your table to a forecast

Written by `snakemake docs/laws.md`; the words below are what the command printed of
[our own table](default-study/runs.csv).

You have a table of runs: a size, the tokens it read and the loss it reached. Ask it what a larger run will reach, and
how to spend a budget of compute:

    pip install -r requirements.txt
    {command}

The file may be separated by commas, tabs or semicolons, and its columns may have their usual names (`N`, `num_params`,
`val_loss`, `eval/loss`, `compute`). A `note` says which column was taken for what; `--columns
params=model/params,loss=eval/loss` says it where that fails, and `--loss-unit bits` or `ppl` what the losses are.

```
{printed}
```

![Loss against parameters, the law, and the forecast](laws/forecast.png)

{caption}

How to read it:

1. **`forecast`** is the loss of one more run, with a 95% interval: in brackets is what it may come out to, and what
   larger runs have come out to in simulations ([how often](../benchmarks/README.md)).
2. **By which law**: each law was fitted to the smaller runs and predicted the larger ones; the one that missed least is
   told, of those that the interval allows. `misses larger runs by` says how much that was. The average of laws,
   weighted by these errors, stands beside it.
3. **`beyond the runs`** says how far from what was measured the run is. An interval grows with it; at a hundred times
   the compute it is wide, and should be.
4. **`best`** is the N and D that the law thinks best for so much compute, at the cost of a token that your runs have.
   `none` is an end that the runs leave open: spread sizes and tokens further apart to close it.
5. The first lines are about one budget of tokens, the next about all of them: E, A, B, α and β with their intervals,
   and how the best size grows with compute. Where your runs share no budget, as in IsoFLOP tables, these come first.
6. **`warning`** and **`no ...`** are reasons to doubt a law, and why one is not there.

`fit.json` has all of it as numbers; [the schema](../workflow/schemas/fit.schema.json) explains each key.
[method.md](method.md#laws) has every rule, its source and how often it errs. From Python:

```python
from workflow.scripts.findings.fit_table import fit_table
from workflow.scripts.forecasts.ask import Place, Questions

table, found = fit_table("runs.csv", questions=Questions(runs=(Place(1e6, 8e6),), flops=(1e13,)))
found["groups"]["gpt"]["predictions"][0]["pi95"]
```

To check a forecast, leave the largest runs out of the table, forecast them, and look. `forecast` in `fit.json` has done
it for the largest size.
"""


def page(fit: dict, caption: str) -> str:
    """The page; ``fit`` are the contents of the fit.json that its command wrote, ``caption`` is that of its figure."""
    lines = (textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines_of(fit))
    return PAGE.format(command=COMMAND, printed="\n".join(lines), caption=caption)
