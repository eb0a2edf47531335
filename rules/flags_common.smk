# Needs rules/common.smk; makes what jobs are told: the flags of their commands, and the tables that these are of.
# Every job is told what to do in one string of flags: Snakemake compares the values of parameters as a set, without
# their names, and would not see that two of them changed places.
def train_flags(wildcards):
    """Flags of train for the run that the wildcards name; a trial has a rate of its own, which may be too high."""
    if "rate" not in wildcards.keys():
        return ask(study.train_flags, config, wildcards.model, budget_of(wildcards))
    flags = ask(study.train_flags, config, wildcards.model, learning_rate=wildcards.rate)
    return f"{flags} --keep_diverged"


def prepare_flags(wildcards):
    way = {"split_by": wildcards.way} if "way" in wildcards.keys() else {}
    return study.prepare_flags(config | way)


def sample_flags(wildcards):
    return study.sample_flags(config)


def baseline_flags(wildcards):
    return study.baseline_flags(config)


def judge_flags(wildcards):
    """The prompts whose answers are judged; a baseline gave none."""
    prompts = [] if wildcards.writer.startswith("baselines/") else config["prompts"]
    return f"--prompts {' '.join(prompts)}".strip()


def tables_of(wildcards):
    """The tables of what a writer wrote, by itself and after each prompt."""
    _, name, *run = wildcards.writer.split("/")
    if not run:
        return str(table_of_baseline(name))
    _, seed = run[0].split("-seed")
    return [table.format(model=name, seed=seed) for table in tables_of_tunes(f"<results>/{wildcards.writer}")]


def transfer_flags(wildcards):
    """The learning rates in use, which the trials are held against."""
    rates = " ".join(f"{arch}={study.rate_in_use(config, arch)}" for arch in config["learning_rates"])
    return f"--rates {rates} {plan_flags()}".strip()


def ablation_flags(wildcards):
    """The settings that others are compared with."""
    return f"--base {' '.join(config['ablations'])} {plan_flags()}".strip()


def lost_results(wildcards):
    """Results that are gone though the table made of them is there, which alone Snakemake would be content with."""
    if not Path(RESULTS, "runs.csv").exists():
        return []
    wanted = expand(
        "{run}/{file}",
        run=RUN_DIRS,
        file=study.SCORED,
    )
    wanted += expand(
        "{writer}/{file}.json",
        writer=SAMPLED_DIRS + BASELINE_DIRS,
        file=("validity", "style", "copying"),
    )
    wanted = CORPUS_FILES + [path.replace("<results>", RESULTS) for path in wanted]
    return [path for path in wanted if not Path(path).exists()]


def kind_of(table):
    """What a table is of: the runs that were forecast, or those of the fit."""
    return "targets" if Path(table).parent.name == "targets" else "models"


def kept_flags(wildcards, output):
    """Where rows stand of runs that another machine trained."""
    kind = kind_of(output[0])
    return shlex.join(["--kept", str(study.recorded_tables(config, kind))]) if ELSEWHERE[kind][1] else ""


def plan_flags():
    """The plan of this machine, if there is one of this study."""
    return shlex.join(["--plan", str(Path(RESULTS, "plan.json"))]) if PLAN else ""


def missing_flags(wildcards, output):
    """The runs that have no result and are not to be trained, those that were forecast too, and where they are listed."""
    if kind_of(output.runs) == "targets":
        return ""
    missing = [f"{kind}/{run}" for kind, runs in MISSING.items() for run in runs]
    return shlex.join(["--missing_table", output.missing, "--missing", *missing])


def table_flags(wildcards, output):
    """What the corpus is called, and the budget that strata.csv is of; of runs that were forecast, the plan of this
    machine instead, if there is one."""
    of_kind = f"--strata_tokens {max(BUDGETS)}" if kind_of(output.runs) == "models" else plan_flags()
    return f"--corpus_name {study.corpus_name(config)} {of_kind}".strip()


def figure_flags(wildcards):
    """How wide figures are."""
    return f"--width {config['figure_width']}"


def picture_of_corpus(wildcards):
    """What draws the corpus, prepared here or on record, beside the results; else nothing."""
    found = [path for path in (f"{CORPUS}/corpus.json", f"{TABLES}/corpus.json") if Path(path).exists()]
    if not found:
        return ""
    command = ["python", "-m", "workflow.scripts.plot_corpus", "--corpus", found[0]]
    return f"{shlex.join([*command, '--output', f'{RESULTS}/corpus.pdf'])} {figure_flags(wildcards)}"


def page_of_forecast(wildcards):
    """What writes the page on a registered forecast, and its figures, beside those of the results; else nothing."""
    if not Path(TABLES, "registered.json").exists():
        return ""
    command = ["python", "-m", "workflow.scripts.write_reference", "--tables", TABLES]
    options = ["--original", "docs/original-study", "--output", f"{RESULTS}/forecast.md"]
    return f"{shlex.join([*command, *options])} {figure_flags(wildcards)}"


def registered(wildcards):
    """The registered forecast, which stands whatever runs again."""
    if not Path(REGISTERED).exists():
        small = f" --study FILE --config scale={config['scale']:g}" if config["scale"] != 1 else ""
        raise WorkflowError(
            f"{REGISTERED} does not exist: a forecast is registered before its runs are trained, by"
            f" python -m workflow.scripts.register {RESULTS}{small}"
        )
    return ancient(local(REGISTERED))
