# Needs every run's results; makes the tables, the fits, the figures and the summary.
import json


rule writing_table:
    input:
        config=expand("{run}/config.json", run=SAMPLED_DIRS),
        validity=expand("{writer}/validity.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
        style=expand("{writer}/style.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
        copying=expand("{writer}/copying.json", writer=SAMPLED_DIRS + BASELINE_DIRS),
    output:
        "<results>/writing.csv",
    log:
        "<results>/logs/writing_table.log",
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
            >{log} 2>&1
        """


rule runs_table:
    input:
        config=expand("{run}/config.json", run=RUN_DIRS),
        history=expand("{run}/history.csv", run=RUN_DIRS),
        perplexity=expand("{run}/perplexity.json", run=RUN_DIRS),
        writing="<results>/writing.csv",
    output:
        runs="<results>/runs.csv",
        curves="<results>/curves.csv",
        strata="<results>/strata.csv",
    log:
        "<results>/logs/runs_table.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("collect_runs"),
        folders=lambda wildcards, input: folders_of(input.config),
        kept=kept_flags,
        flags=table_flags,
    shell:
        """
        python -m workflow.scripts.collect_runs {params.kept} {params.flags} \
            --folders {params.folders:q} \
            --writing {input.writing:q} \
            --runs {output.runs:q} \
            --curves {output.curves:q} \
            --strata {output.strata:q} \
            >{log} 2>&1
        """


rule fit:
    input:
        runs="<results>/runs.csv",
    output:
        "<results>/fit.json",
    log:
        "<results>/logs/fit.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("fit_scaling"),
    shell:
        """
        python -m workflow.scripts.fit_scaling {input.runs:q} \
            --output {output:q} \
            >{log} 2>&1
        """


# The losses of n-grams, which those of models are held against.
rule ngram_loss:
    input:
        corpus=f"{CORPUS}/corpus.json",
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
            >{log} 2>&1
        """


rule plots:
    input:
        runs="<results>/runs.csv",
        fit="<results>/fit.json",
        curves="<results>/curves.csv",
        strata="<results>/strata.csv",
        writing="<results>/writing.csv",
        ngrams="<results>/baselines.csv" if config["ngram_orders"] else [],
    output:
        [figure_in_report(name) for name in FIGURES],
        expand("<results>/captions/{figure}.{suffix}", figure=FIGURES, suffix=("md", "tex")),
        expand("<results>/{figure}.pdf", figure=FIGURES),
    log:
        "<results>/logs/plots.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=figure_flags,
        code=code("plot_scaling"),
        folder=subpath(output[-1], parent=True),
        tables=subpath(input.runs, parent=True),
    shell:
        """
        python -m workflow.scripts.plot_scaling {params.flags} \
            --results_dir {params.folder:q} \
            --tables {params.tables:q} \
            >{log} 2>&1
        """


# Draws from the tables that are there, however they came there and whatever else is out of date:
# it asks for nothing, so nothing is trained. Those of trials and of the corpus too, and of a study with a registered
# forecast its page, with two more.
rule figures:
    log:
        "<results>/logs/figures.log",
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
            {params.page}
        ) >{log} 2>&1
        """


rule summary:
    input:
        runs="<results>/runs.csv",
        fit="<results>/fit.json",
        writing="<results>/writing.csv",
        corpus=f"{CORPUS}/corpus.json",
        tokenizer=f"{CORPUS}/tokenizer.json",
        strata="<results>/strata.csv",
        ngrams="<results>/baselines.csv" if config["ngram_orders"] else [],
    output:
        expand("<results>/tables/{table}.{suffix}", table=TABLES_SHOWN, suffix=("csv", "tex", "md")),
        page=report(
            "<results>/summary.md",
            caption="../workflow/report/summary.rst",
            category="Tables",
        ),
    log:
        "<results>/logs/summary.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_summary"),
        prompts=json.dumps(config["prompts"]),
        ngrams=lambda wildcards, input: f"--ngrams {shlex.quote(input.ngrams)}" if input.ngrams else "",
        folder=subpath(output[0], parent=True),
    shell:
        """
        python -m workflow.scripts.write_summary \
            --prompts {params.prompts:q} \
            --runs {input.runs:q} \
            --fit {input.fit:q} \
            --writing {input.writing:q} \
            --corpus {input.corpus:q} \
            --strata {input.strata:q} {params.ngrams} \
            --tables_dir {params.folder:q} \
            --output {output.page:q} \
            >{log} 2>&1
        """


rule lr_transfer:
    input:
        config=expand("{run}/config.json", run=TRIAL_DIRS),
        perplexity=expand("{run}/perplexity_val.json", run=TRIAL_DIRS),
    output:
        table="<results>/lr_transfer.csv",
        summary="<results>/lr_transfer.json",
        figure=report(
            "<results>/lr_transfer.png",
            caption="../workflow/report/lr_transfer.rst",
            category="Figures",
        ),
        captions=expand("<results>/captions/lr_transfer.{suffix}", suffix=("md", "tex")),
        pdf="<results>/lr_transfer.pdf",
    log:
        "<results>/logs/lr_transfer.log",
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
            >{log} 2>&1
        """


rule ablations:
    input:
        config=expand("{run}/config.json", run=ABLATION_DIRS),
        perplexity=expand("{run}/perplexity_val.json", run=ABLATION_DIRS),
        tunes=expand("{run}/perplexity_val_tunes.csv", run=ABLATION_DIRS),
    output:
        table="<results>/ablations.csv",
        summary="<results>/ablations.json",
        figure=report(
            "<results>/ablations.png",
            caption="../workflow/report/ablations.rst",
            category="Figures",
        ),
        captions=expand("<results>/captions/ablations.{suffix}", suffix=("md", "tex")),
        pdf="<results>/ablations.pdf",
    log:
        "<results>/logs/ablations.log",
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
            >{log} 2>&1
        """


# Keeps what is there in the folder that the study is recorded in; it asks for nothing, so nothing is trained.
rule record:
    log:
        "<results>/logs/record.log",
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
            >{log} 2>&1
        """
