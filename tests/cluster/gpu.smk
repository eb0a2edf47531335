# Two jobs that ask for a GPU, and one that does not; each writes down which GPUs it was given.
rule all:
    input:
        expand("gpu/{name}.txt", name=["one", "two", "none"]),


rule ask:
    output:
        "gpu/{name}.txt",
    resources:
        gpu=lambda wildcards: {"one": 1, "two": 2, "none": 0}[wildcards.name],
    shell:
        "echo ${{CUDA_VISIBLE_DEVICES:-}} > {output}"
