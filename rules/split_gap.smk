# Needs the tunes themselves; makes split_gap: what test loss owes to relatives of the test tunes in training. Some models
# are trained on a split that pays them no heed, and on the same without the relatives of its held-out tunes.
SPLIT_CORPUS = f"{CORPORA}/{study.corpus_name(config | {'split_by': 'cluster'})}-{{way}}"
OF_SPLIT_CORPUS = [path.replace(CORPUS, SPLIT_CORPUS) for path in OF_CORPUS]
SPLIT_RUN = "<results>/split_gap/{way}/{model}/{tokens}-seed{seed}"
SPLIT_DIRS = [f"<results>/split_gap/{way}/{run}" for way in SPLITS_COMPARED for run in study.split_gap(config)]


if not SOURCE_AWAY:

    use rule prepare as prepare_split with:
        output:
            [path.replace(CORPUS, SPLIT_CORPUS) for path in CORPUS_FILES],
            f"{SPLIT_CORPUS}/tunes.tsv",
            f"{SPLIT_CORPUS}/quarantine.csv",
            report=f"{SPLIT_CORPUS}/corpus.json",
        log:
            f"<results>/logs/prepare/{{way}}.log",

    # Of a study that is itself split in this way it is the same corpus.
    ruleorder: prepare > prepare_split


# What is trained by itself, as a trial is.
use rule train as train_split with:
    input:
        corpus=f"{SPLIT_CORPUS}/corpus.json",
        tokens=OF_SPLIT_CORPUS,
    output:
        weights=f"{SPLIT_RUN}/model.safetensors",
        config=f"{SPLIT_RUN}/config.json",
        history=f"{SPLIT_RUN}/history.csv",
    log:
        "<results>/logs/split_gap/{way}-{model}-{tokens}-seed{seed}.log",
    wildcard_constraints:
        model=ANY,


use rule trial_loss as split_loss with:
    input:
        config=f"{SPLIT_RUN}/config.json",
        weights=beside(f"{SPLIT_RUN}/model.safetensors"),
        corpus=f"{SPLIT_CORPUS}/corpus.json",
        tokens=OF_SPLIT_CORPUS,
    output:
        summary=f"{SPLIT_RUN}/perplexity.json",
        tunes=f"{SPLIT_RUN}/perplexity_tunes.csv",
    log:
        "<results>/logs/split_gap/perplexity-{way}-{model}-{tokens}-seed{seed}.log",


rule split_gap:
    input:
        corpus=f"{SPLIT_CORPUS.format(way=SPLITS_COMPARED[0])}/corpus.json",
        config=expand("{run}/config.json", run=SPLIT_DIRS),
        perplexity=expand("{run}/perplexity.json", run=SPLIT_DIRS),
        tunes=beside(
            f"{SPLIT_CORPUS.format(way=SPLITS_COMPARED[0])}/tunes.tsv",
            *expand("{run}/perplexity_tunes.csv", run=SPLIT_DIRS),
        ),
    output:
        table="<results>/split_gap.csv",
        summary="<results>/split_gap.json",
        figure=reported("<results>/split_gap.png", "Figures", "What relatives of test tunes in training do"),
        captions=expand("<results>/captions/split_gap.{suffix}", suffix=("md", "tex")),
        pdf="<results>/split_gap.pdf",
    log:
        "<results>/logs/split_gap.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        look=figure_flags,
        code=code("collect_split_gap"),
        corpus=subpath(input.corpus, parent=True),
        # Folders of the runs as the inputs name them, so that they are where these are.
        folders=lambda wildcards, input: folders_of(input.config),
    shell:
        """
        python -m workflow.scripts.collect_split_gap {params.look} \
            --corpus {params.corpus:q} \
            --folders {params.folders:q} \
            --table {output.table:q} \
            >{log:q} 2>&1
        """
