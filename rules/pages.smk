# Needs what was written, judged and fitted; makes pages to look at.


# What engraves and times tunes in a browser; npm fetches it once, and compares it with the hash in its lock file.
rule abcjs:
    input:
        files_of_workflow("abcjs/package*.json"),
    output:
        expand("data/abcjs/{file}", file=("abcjs-basic-min.js", "LICENSE.md")),
    log:
        "<results>/logs/abcjs.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("install_abcjs"),
        folder=subpath(output[0], parent=True),
    shell:
        """
        python -m workflow.scripts.install_abcjs --output {params.folder:q} >{log:q} 2>&1
        """


# Of a study that is recorded and was not run here, the tunes on record.
rule gallery:
    input:
        tables=[f"{TABLES}/{table}" for table in ("runs.csv", "writing.csv", "fit.json")],
        writers=gallery_sources,
        abcjs=rules.abcjs.output[0],
        abcjs_licence=rules.abcjs.output[1],
        templates=templates("gallery"),
    output:
        page=reported("<results>/gallery/index.html", "Tunes", "Gallery: what each model writes", caption="gallery"),
        licence="<results>/gallery/abcjs-LICENSE.md",
    log:
        "<results>/logs/gallery.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_gallery"),
        flags=gallery_flags,
    shell:
        """
        python -m workflow.scripts.write_gallery {params.flags} \
            --abcjs {input.abcjs:q} \
            --output {output.page:q} \
            >{log:q} 2>&1
        cp {input.abcjs_licence:q} {output.licence:q}
        """


rule model_card:
    input:
        runs="<results>/runs.csv",
        writing="<results>/writing.csv",
        corpus=f"{CORPUS}/corpus.json",
        configs=expand("{run}/config.json", run=SAMPLED_DIRS),
    output:
        "<results>/model_card.md",
    log:
        "<results>/logs/model_card.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_model_card"),
        results=subpath(output[0], parent=True),
    shell:
        """
        python -m workflow.scripts.write_model_card \
            --runs {input.runs:q} \
            --writing {input.writing:q} \
            --corpus {input.corpus:q} \
            --configs {input.configs:q} \
            --results {params.results:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """


# Each claim of the original study and of this one, by a stated test of the tables.
rule claims:
    input:
        runs="<results>/runs.csv",
        fit="<results>/fit.json",
        writing="<results>/writing.csv",
        corpus=f"{CORPUS}/corpus.json",
        forecast="<results>/forecast.json" if config["targets"] and Path(REGISTERED).exists() else [],
        original=local("docs/original-study/runs.csv"),
        templates=templates("claims"),
    output:
        page=reported("<results>/claims.html", "Findings", "What is claimed, and what the tables say"),
        facts="<results>/claims.json",
    log:
        "<results>/logs/claims.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_claims"),
        tables=subpath(input.runs, parent=True),
        original=subpath(input.original, parent=True),
    shell:
        """
        python -m workflow.scripts.write_claims \
            --tables {params.tables:q} \
            --corpus {input.corpus:q} \
            --original {params.original:q} \
            --output {output.page:q} \
            >{log:q} 2>&1
        """
