# Needs a registered forecast (workflow.scripts.register); after its runs are trained, sets it beside what came of them.
# They have tables of their own: no law is fitted to them before it was tried on them. These tables grow over machines:
# what is on record and not in the results is taken from there.


use rule writing_table as targets_writing_table with:
    input:
        config=expand("{run}/config.json", run=SAMPLED_TARGET_DIRS),
        validity=expand("{writer}/validity.json", writer=SAMPLED_TARGET_DIRS),
        style=expand("{writer}/style.json", writer=SAMPLED_TARGET_DIRS),
        copying=expand("{writer}/copying.json", writer=SAMPLED_TARGET_DIRS),
    output:
        "<results>/targets/writing.csv",
    log:
        "<results>/logs/targets/writing_table.log",
    localrule: True


use rule runs_table as targets_table with:
    input:
        config=expand("{run}/config.json", run=TARGET_DIRS),
        history=expand("{run}/history.csv", run=TARGET_DIRS),
        perplexity=expand("{run}/perplexity.json", run=TARGET_DIRS),
        writing="<results>/targets/writing.csv" if SAMPLED_TARGET_DIRS else [],
    output:
        runs="<results>/targets/runs.csv",
        curves="<results>/targets/curves.csv",
        strata="<results>/targets/strata.csv",
    log:
        "<results>/logs/targets/runs_table.log",
    localrule: True


# How far the forecast was off.
rule forecast:
    input:
        registered=registered,
        runs="<results>/targets/runs.csv" if TARGET_DIRS else f"{config['recorded']}/targets/runs.csv",
    output:
        "<results>/forecast.json",
    log:
        "<results>/logs/forecast.log",
    localrule: True
    conda:
        "../envs/environment.yaml"
    params:
        code=code("score_forecast"),
    shell:
        """
        python -m workflow.scripts.score_forecast \
            --registered {input.registered:q} \
            --runs {input.runs:q} \
            --output {output:q} \
            >{log:q} 2>&1
        """
