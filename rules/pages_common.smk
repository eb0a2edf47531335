# Needs rules/common.smk; makes what rules share that write pages: what a report shows, templates, whose tunes are shown.
# A report of a study that was made in part is one of what is there: Snakemake refuses one of which a file is missing.
REPORTS_WHAT_IS_THERE = (
    any(word.split("=")[0] == "--report" for word in sys.argv) and "--report-after-run" not in sys.argv
)
# What is made when it is asked for, and is in a report if it is there.
ON_DEMAND = [
    path
    for path in (
        f"{RESULTS}/{name}" for name in ("gallery/index.html", "lr_transfer.png", "ablations.png", "split_gap.png")
    )
    if REPORTS_WHAT_IS_THERE and Path(path).exists()
]


def reported(path, category, label, caption=None):
    """A file that `snakemake --report` shows under this label, with the caption in workflow/report, which has its name."""
    if REPORTS_WHAT_IS_THERE and not Path(path.replace("<results>", RESULTS)).exists():
        return path
    caption = f"../workflow/report/{caption or Path(path).stem}.rst"
    return report(path, caption=caption, category=category, labels={category.removesuffix("s"): label})


def files_of_workflow(*patterns):
    """Files of workflow/ that a job reads and whose content it depends on, relative: a study may be moved."""
    folder = Path(workflow.basedir, "workflow")
    found = sorted(os.path.relpath(path) for pattern in patterns for path in folder.glob(pattern))
    return list(map(local, found))


# Writers that the gallery shows: of each model the first seed, and the baselines; or None of a study not run here.
SHOWN = (
    [f"<results>/models/{run}" for run in study.first_runs(config) if f"<results>/models/{run}" in SAMPLED_DIRS]
    + [
        f"<results>/targets/{run}"
        for run in study.targets(config)
        if Path(RESULTS, "targets", run, "validity.json").exists()
    ]
    + BASELINE_DIRS
    if TABLES == RESULTS
    else None
)


def gallery_sources(wildcards):
    """The files that stand for what the gallery shows."""
    if SHOWN is None:
        return [str(path) for path in sorted(Path(TABLES, "samples").glob("*.abc"))]
    judged = expand("{writer}/{file}.json", writer=SHOWN, file=("validity", "copying"))
    models = [writer for writer in SHOWN if writer not in BASELINE_DIRS]
    folders = [str(table_of_baseline(Path(writer).name)) for writer in BASELINE_DIRS]
    for writer in models:
        seed = writer.rpartition("-seed")[2]
        folders += [table.format(model=Path(writer).parent.name, seed=seed) for table in tables_of_tunes(writer)]
    return judged + beside(*expand("{writer}/config.json", writer=models), *folders)


def gallery_flags(wildcards, input):
    """The study, and whose tunes are shown."""
    name = Path(RESULTS).name if RESULTS != "results" else "default"
    flags = ["--study", name, "--tables", os.path.dirname(input.tables[0])]
    if SHOWN is not None:
        flags += ["--writers", *dict.fromkeys(folders_of(path for path in input.writers if path.endswith(".json")))]
    return shlex.join(map(str, flags))


def templates(page):
    """The templates that a page is made of."""
    return files_of_workflow("templates/page.*", f"templates/{page}/*")
