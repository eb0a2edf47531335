# Needs every run's results; makes the tables, the fits, the figures and the summary.
import json


rule writing_table:
    input:
        config=expand("{run}/config.json", run=SAMPLED_DIRS),
        validity=expand("{writer}/validity.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
        style=expand("{writer}/style.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
        copying=expand("{writer}/copying.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
    output:
        reported("<results>/writing.csv", "Tables", "Writers: validity, style and copies of what each wrote"),
    log:
        "<results>/logs/writing_table.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("collect_writing"),
        folders=lambda wildcards, input: folders_of(input.validity),
        kept=kept_flags,
    shell:
        """
        python -m workflow.scripts.collect_writing {params.kept} \
            --folders {params.folders:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """


rule runs_table:
    input:
        config=expand("{run}/config.json", run=RUN_DIRS),
        history=expand("{run}/history.csv", run=RUN_DIRS),
        perplexity=expand("{run}/perplexity.json", run=RUN_DIRS),
        writing="<results>/writing.csv",
    output:
        runs=reported("<results>/runs.csv", "Tables", "Runs: size, tokens, FLOP, losses and validity"),
        curves=reported("<results>/curves.csv", "Tables", "Curves: validation loss on the way"),
        strata=reported("<results>/strata.csv", "Tables", "Strata: losses by kind of tune and place in it"),
        missing="<results>/missing.csv",
    log:
        "<results>/logs/runs_table.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("collect_runs"),
        folders=lambda wildcards, input: folders_of(input.config),
        kept=kept_flags,
        flags=table_flags,
        missing=missing_flags,
        writing=lambda wildcards, input: shlex.join(["--writing", input.writing]) if input.writing else "",
    shell:
        """
        python -m workflow.scripts.collect_runs {params.kept} {params.flags} {params.missing} \
            --folders {params.folders:q} \
            {params.writing} \
            --runs {output.runs:q} \
            --curves {output.curves:q} \
            --strata {output.strata:q} \
            >{log:q} 2>&1
        """


rule fit:
    input:
        runs="<results>/runs.csv",
    output:
        reported("<results>/fit.json", "Tables", "Fit: every law with its intervals, and the verdicts"),
    log:
        "<results>/logs/fit.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("fit_scaling"),
    shell:
        """
        python -m workflow.scripts.fit_scaling {input.runs:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """


# The losses of n-grams, which those of models are held against.
rule ngram_loss:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        "<results>/baselines.csv",
    log:
        "<results>/logs/ngram_loss.log",
    conda:
        "../envs/environment.yaml"
    params:
        orders=" ".join(map(str, config["ngram_orders"])),
        code=code("calc_ngram_loss"),
        data=subpath(input.corpus, parent=True),
    shell:
        """
        python -m workflow.scripts.calc_ngram_loss \
            --data_dir {params.data:q} \
            --orders {params.orders} \
            --output {output:q} \
            >{log:q} 2>&1
        """


# The page shows the figures, so that one job makes them all.
rule plots:
    input:
        runs="<results>/runs.csv",
        fit="<results>/fit.json",
        curves="<results>/curves.csv",
        strata="<results>/strata.csv",
        writing="<results>/writing.csv",
        missing="<results>/missing.csv",
        ngrams="<results>/baselines.csv" if config["ngram_orders"] else [],
        corpus=f"{CORPUS}/corpus.json",
        tokenizer=f"{CORPUS}/tokenizer.json",
        picture=f"{CORPUS}/corpus.png",
        words_of_picture=f"{CORPUS}/captions/corpus.md",
        captions=files_of_workflow(*(f"report/{figure}.rst" for figure in [*FIGURES, "corpus"])),
        templates=templates("summary"),
    output:
        expand("<results>/captions/{figure}.{suffix}", figure=FIGURES, suffix=("md", "tex")),
        expand("<results>/tables/{table}.{suffix}", table=TABLES_SHOWN, suffix=("csv", "tex", "md")),
        expand("<results>/{figure}.pdf", figure=FIGURES),
        figures=[reported(f"<results>/{name}.png", "Figures", label) for name, label in FIGURES.items()],
        summary="<results>/summary.md",
        page=reported("<results>/summary.html", "Findings", "The study on one page"),
    log:
        "<results>/logs/plots.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        flags=figure_flags,
        code=code("plot_scaling", "write_summary"),
        folder=subpath(output.summary, parent=True),
        tables=subpath(input.runs, parent=True),
        prompts=json.dumps(config["prompts"]),
        ngrams=lambda wildcards, input: f"--ngrams {shlex.quote(input.ngrams)}" if input.ngrams else "",
    shell:
        """
        (
            python -m workflow.scripts.plot_scaling {params.flags} \
                --results_dir {params.folder:q} \
                --tables {params.tables:q}
            python -m workflow.scripts.write_summary {params.ngrams} \
                --prompts {params.prompts:q} \
                --runs {input.runs:q} \
                --fit {input.fit:q} \
                --writing {input.writing:q} \
                --strata {input.strata:q} \
                --missing {input.missing:q} \
                --corpus {input.corpus:q} \
                --figures {output.figures:q} {input.picture:q} \
                --tables_dir {params.folder:q}/tables \
                --output {output.summary:q} \
                --html {output.page:q}
        ) >{log:q} 2>&1
        """


# Draws from the tables that are there, however they came there and whatever else is out of date:
# it asks for nothing, so nothing is trained. Those of trials and of the corpus too, the claims, and of a study with a
# registered forecast its page, with two more.
rule figures:
    log:
        "<results>/logs/figures.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        flags=figure_flags,
        folder=RESULTS,
        tables=TABLES,
        corpus=picture_of_corpus,
        page=page_of_forecast,
    shell:
        """
        (
            python -m workflow.scripts.plot_scaling {params.flags} --trials \
                --results_dir {params.folder:q} \
                --tables {params.tables:q}
            {params.corpus}
            python -m workflow.scripts.write_claims --tables {params.tables:q} --output {params.folder:q}/claims.html
            {params.page}
        ) >{log:q} 2>&1
        """


rule lr_transfer:
    input:
        config=expand("{run}/config.json", run=TRIAL_DIRS),
        perplexity=expand("{run}/perplexity_val.json", run=TRIAL_DIRS),
    output:
        table="<results>/lr_transfer.csv",
        summary="<results>/lr_transfer.json",
        figure=reported("<results>/lr_transfer.png", "Figures", "Trials of learning rates"),
        captions=expand("<results>/captions/lr_transfer.{suffix}", suffix=("md", "tex")),
        pdf="<results>/lr_transfer.pdf",
    log:
        "<results>/logs/lr_transfer.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        flags=transfer_flags,
        look=figure_flags,
        code=code("collect_transfer"),
        folders=lambda wildcards, input: folders_of(input.config),
    shell:
        """
        python -m workflow.scripts.collect_transfer {params.flags} {params.look} \
            --folders {params.folders:q} \
            --table {output.table:q} \
            >{log:q} 2>&1
        """


rule ablations:
    input:
        config=expand("{run}/config.json", run=ABLATION_DIRS),
        perplexity=expand("{run}/perplexity_val.json", run=ABLATION_DIRS),
        tunes=expand("{run}/perplexity_val_tunes.csv", run=ABLATION_DIRS),
    output:
        table="<results>/ablations.csv",
        summary="<results>/ablations.json",
        figure=reported("<results>/ablations.png", "Figures", "Trials of other settings"),
        captions=expand("<results>/captions/ablations.{suffix}", suffix=("md", "tex")),
        pdf="<results>/ablations.pdf",
    log:
        "<results>/logs/ablations.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        flags=ablation_flags,
        look=figure_flags,
        code=code("collect_ablations"),
        folders=lambda wildcards, input: folders_of(input.config),
    shell:
        """
        python -m workflow.scripts.collect_ablations {params.flags} {params.look} \
            --folders {params.folders:q} \
            --table {output.table:q} \
            >{log:q} 2>&1
        """


# Keeps what is there in the folder that the study is recorded in; it asks for nothing, so nothing is trained.
rule record:
    log:
        "<results>/logs/record.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        results=RESULTS,
        corpus=CORPUS,
        folder=config["recorded"],
    shell:
        """
        python -m workflow.scripts.record \
            --results {params.results:q} \
            --corpus {params.corpus:q} \
            --output={params.folder:q} \
            >{log:q} 2>&1
        """
