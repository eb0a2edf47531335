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


rule plots:
    input:
        runs="<results>/runs.csv",
        fit="<results>/fit.json",
        curves="<results>/curves.csv",
        strata="<results>/strata.csv",
        writing="<results>/writing.csv",
    output:
        [figure_in_report(name) for name in FIGURES],
        expand("<results>/{figure}.pdf", figure=FIGURES),
    log:
        "<results>/logs/plots.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("plot_scaling"),
        folder=subpath(output[-1], parent=True),
        tables=subpath(input.runs, parent=True),
    shell:
        """
        python -m workflow.scripts.plot_scaling \
            --results_dir {params.folder:q} \
            --tables {params.tables:q} \
            >{log} 2>&1
        """


# Draws from the tables that are there, however they came there and whatever else is out of date:
# it asks for nothing, so nothing is trained. Of a study with a registered forecast also its page, with two more figures.
rule figures:
    log:
        "<results>/logs/figures.log",
    conda:
        "../envs/environment.yaml"
    params:
        folder=RESULTS,
        tables=TABLES,
        page=page_of_forecast,
    shell:
        """
        (
            python -m workflow.scripts.plot_scaling \
                --results_dir {params.folder:q} \
                --tables {params.tables:q}
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
    output:
        report(
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
    shell:
        """
        python -m workflow.scripts.write_summary \
            --prompts {params.prompts:q} \
            --runs {input.runs:q} \
            --fit {input.fit:q} \
            --writing {input.writing:q} \
            --corpus {input.corpus:q} \
            --output {output:q} \
            >{log} 2>&1
        """


# The page on the study that this one grew out of, from what it tells of itself and from our recorded results.
rule original_study:
    input:
        facts="docs/original-study/runs.csv",
        claims="docs/original-study/claims.csv",
        ours=expand(
            "docs/default-study/{file}",
            file=("fit.json", "writing.csv", "corpus.json"),
        ),
    output:
        page="docs/original-study.md",
        figures=expand("docs/original-study.{suffix}", suffix=("png", "pdf")),
    log:
        "<results>/logs/original_study.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_original"),
    shell:
        """
        python -m workflow.scripts.write_original \
            --facts docs/original-study \
            --study docs/default-study \
            --output {output.page:q} \
            >{log} 2>&1
        """


# The page on the checker of ABC, from the checker's own lists and what other programs were recorded to say.
rule checker_page:
    input:
        "docs/checker/programs.json",
    output:
        "docs/checker.md",
    log:
        "<results>/logs/checker_page.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_checker_page"),
    shell:
        """
        python -m workflow.scripts.write_checker_page \
            --programs {input:q} \
            --output {output:q} \
            >{log} 2>&1
        """


# The page from a table to a forecast, of the recorded runs of the default study.
rule laws_page:
    input:
        "docs/default-study/runs.csv",
    output:
        page="docs/laws.md",
        fit="docs/laws/fit.json",
        figure="docs/laws/forecast.png",
    log:
        "<results>/logs/laws_page.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("fit_scaling"),
        page_code=code("write_laws_page"),
    shell:
        """
        (
            python -m workflow.scripts.fit_scaling {input:q} \
                --predict 1M,8M \
                --best-for 1e13 \
                --output {output.fit:q} \
                --plot {output.figure:q}
            python -m workflow.scripts.write_laws_page --fit {output.fit:q} --output {output.page:q}
            rm docs/laws/forecast.pdf docs/laws/forecast_surface.* # the page shows the one picture
        ) >{log} 2>&1
        """


# The page on the reference study, of what is recorded of it. (Which of it is there, the command finds out.)
rule reference_page:
    input:
        expand(
            "docs/reference-study/{file}",
            file=("runs.csv", "fit.json", "published.csv"),
        ),
        "docs/original-study/runs.csv",
    output:
        page="docs/reference-study/README.md",
        derived="docs/reference-study/derived.json",
        figures=expand("docs/reference-study/{figure}.png", figure=("forecast", "frontier")),
    log:
        "<results>/logs/reference_page.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_reference"),
    shell:
        """
        python -m workflow.scripts.write_reference \
            --tables docs/reference-study \
            --original docs/original-study \
            --output {output.page:q} \
            >{log} 2>&1
        """


# Asks the programs that are installed, and records what they say in docs/checker/programs.json. It has no output, so that
# the page can be written where they are not.
rule compare_programs:
    log:
        "<results>/logs/compare_programs.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("compare_programs"),
    shell:
        """
        python -m workflow.scripts.compare_programs --output docs/checker/programs.json >{log} 2>&1
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
        pdf="<results>/lr_transfer.pdf",
    log:
        "<results>/logs/lr_transfer.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=transfer_flags,
        code=code("collect_transfer"),
        folders=lambda wildcards, input: folders_of(input.config),
    shell:
        """
        python -m workflow.scripts.collect_transfer {params.flags} \
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
        pdf="<results>/ablations.pdf",
    log:
        "<results>/logs/ablations.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=ablation_flags,
        code=code("collect_ablations"),
        folders=lambda wildcards, input: folders_of(input.config),
    shell:
        """
        python -m workflow.scripts.collect_ablations {params.flags} \
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
