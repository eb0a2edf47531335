# Needs the ABC or MIDI files that config's `corpus` names; makes data/corpora/<name>, the picture of
# its audit, and the index that copies are found by.
from importlib import metadata

# A corpus that is prepared is used as it is while its source is away.
if not SOURCE_AWAY:

    rule prepare:
        input:
            raw=raw_files,
        output:
            CORPUS_FILES,
            f"{CORPUS}/tunes.tsv",
            f"{CORPUS}/quarantine.csv",
            report=f"{CORPUS}/corpus.json",
        log:
            f"<results>/logs/prepare/{study.corpus_name(config)}.log",
        conda:
            "../envs/environment.yaml"
        threads: 64
        params:
            flags=prepare_flags,
            code=code("prepare"),
            raw=raw_listing,
            package=metadata.version("music21") if MUSIC21 in corpus_paths() else "",
            folder=subpath(output.report, parent=True),
        shell:
            """
            python -m workflow.scripts.prepare {params.flags} \
                --output_dir {params.folder:q} \
                --workers {threads} \
                >{log:q} 2>&1
            """


rule plot_corpus:
    input:
        corpus=f"{CORPUS}/corpus.json",
    output:
        figure=reported(f"{CORPUS}/corpus.png", "Figures", "What the corpus is made of"),
        captions=expand(f"{CORPUS}/captions/corpus.{{suffix}}", suffix=("md", "tex")),
        pdf=f"{CORPUS}/corpus.pdf",
    log:
        f"<results>/logs/plot_corpus/{study.corpus_name(config)}.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        flags=figure_flags,
        code=code("plot_corpus"),
    shell:
        """
        python -m workflow.scripts.plot_corpus {params.flags} \
            --corpus {input.corpus:q} \
            --output {output.pdf:q} \
            >{log:q} 2>&1
        """


rule copy_index:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        with_its_folder(f"{CORPUS}/copy_index/index.json"),  # written last; beside it stand the arrays that it lists
    log:
        f"<results>/logs/copy_index/{study.corpus_name(config)}.log",
    conda:
        "../envs/environment.yaml"
    resources:
        mem_mb=4000,  # of the largest index; of music21's corpus a tenth of that
    params:
        code=code("copy_index"),
        data=subpath(input.corpus, parent=True),
        folder=folder_written,
    shell:
        """
        python -m workflow.scripts.copy_index \
            --data_dir {params.data:q} \
            --output {params.folder:q} \
            >{log:q} 2>&1
        """
