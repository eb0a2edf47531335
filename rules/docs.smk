# Needs what is recorded in docs/; makes the pages of docs/ that a rule writes, and draws the figures on record again.


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
        captions=expand("docs/captions/original-study.{suffix}", suffix=("md", "tex")),
    log:
        "<results>/logs/original_study.log",
    localrule: True
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
            >{log:q} 2>&1
        """


# The page on the checker of ABC, from the checker's own lists and what other programs were recorded to say.
rule checker_page:
    input:
        "docs/checker/programs.json",
    output:
        "docs/checker.md",
    log:
        "<results>/logs/checker_page.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_checker_page"),
    shell:
        """
        python -m workflow.scripts.write_checker_page \
            --programs {input:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """


# The page from a table to a forecast, of the recorded runs of the default study.
rule laws_page:
    input:
        "docs/default-study/runs.csv",
    output:
        page="docs/laws.md",
        fit="docs/laws/fit.json",
        figure="docs/laws/forecast.png",
        caption="docs/laws/captions/forecast.md",
    log:
        "<results>/logs/laws_page.log",
    localrule: True
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
            python -m workflow.scripts.write_laws_page \
                --fit {output.fit:q} \
                --caption {output.caption:q} \
                --output {output.page:q}
            rm docs/laws/forecast.pdf docs/laws/forecast_surface.* docs/laws/captions/*_surface.* # the page shows one picture
        ) >{log:q} 2>&1
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
    localrule: True
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
            >{log:q} 2>&1
        """


# What the corpora hold and have too much of, from what is recorded of them.
rule data_statement:
    input:
        default="docs/default-study/corpus.json",
        reference="docs/reference-study/corpus.json",
    output:
        "docs/data-statement.md",
    log:
        "<results>/logs/data_statement.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_data_statement"),
    shell:
        """
        python -m workflow.scripts.write_data_statement \
            --default {input.default:q} \
            --reference {input.reference:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """


# The pages of prose that take numbers from files, each from its template in workflow/templates/pages. It has no output: a
# page such as README.md would be gone while it is written anew, or for good where a source is missing.
rule pages_of_docs:
    input:
        files_of_workflow("templates/pages/**/*.j2"),
    log:
        "<results>/logs/pages_of_docs.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_pages"),
    shell:
        """
        python -m workflow.scripts.write_pages >{log:q} 2>&1
        """


# For a reviewer: every figure of every study on record once more, from the tables in git, beside the one in docs/. It asks
# for nothing, so nothing is trained, and it changes nothing that is on record.
rule redraw:
    log:
        "<results>/logs/redraw.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 8  # one process for each study, and no more than --cores
    shell:
        """
        python -m workflow.scripts.redraw --output results/recorded --jobs {threads} 2>&1 | tee {log:q}
        """


# Asks the programs that are installed, and records what they say in docs/checker/programs.json. It has no output, so that
# the page can be written where they are not.
rule compare_programs:
    log:
        "<results>/logs/compare_programs.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("compare_programs"),
    shell:
        """
        python -m workflow.scripts.compare_programs --output docs/checker/programs.json >{log:q} 2>&1
        """


# The README's tune: the third of the largest model of the reference study, whatever it is like.
rule tune_picture:
    input:
        "docs/reference-study/samples/modern_6m.abc",
    output:
        "docs/reference-study/tune.svg",
    log:
        "<results>/logs/tune_picture.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("engrave"),
    shell:
        """
        python -m workflow.scripts.engrave --book {input:q} --tune 3 --output {output:q} >{log:q} 2>&1
        """
