# Needs the ABC files that config's `corpus` names; makes data/corpora/<name>.
from importlib import metadata


rule prepare:
    input:
        raw=raw_files,
        code=code("prepare"),
    output:
        CORPUS_FILES,
        f"{CORPUS}/tunes.tsv",
        f"{CORPUS}/quarantine.csv",
        report=f"{CORPUS}/corpus.json",
    params:
        source=config["corpus"],
        package=metadata.version("music21") if config["corpus"] == MUSIC21 else "",
        folder=subpath(output.report, parent=True),
        val=config["val_fraction"],
        test=config["test_fraction"],
        longest=config["max_chars"],
        notes=config["min_notes"],
    log:
        f"<results>/logs/prepare/{study.corpus_name(config)}.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.prepare \
            --input_path {params.source:q} \
            --output_dir {params.folder:q} \
            --val_fraction {params.val} \
            --test_fraction {params.test} \
            --max_chars {params.longest} \
            --min_notes {params.notes} \
            > {log} 2>&1
        """
