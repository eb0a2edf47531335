# Scaling laws for symbolic music: ABC tunes in, scaling plot out.
#
# Needs config.yaml (and, for another study, one file of studies/ given with --configfile).
# Makes results/scaling_plot.pdf and everything on the way to it.
from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config.yaml"


# A study file sends its outputs elsewhere with `pathvars: {results: results/lakh}`.
pathvars:
    results="results",


include: "rules/common.smk"
include: "rules/flags_common.smk"
include: "rules/pages_common.smk"
include: "rules/corpus.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/analysis.smk"
include: "rules/forecast.smk"
include: "rules/split_gap.smk"
include: "rules/pages.smk"
include: "rules/docs.smk"


report: "workflow/report/study.rst"


rule all:
    default_target: True
    input:
        expand("<results>/{figure}.pdf", figure=FIGURES),
        "<results>/summary.md",
        "<results>/model_card.md",
        "<results>/claims.html",
        f"{CORPUS}/corpus.pdf",
        lost_results,
        ON_DEMAND,
        "<results>/forecast.json" if config["targets"] and Path(REGISTERED).exists() else [],
