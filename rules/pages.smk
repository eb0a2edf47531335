# Needs what was written, judged and fitted; makes pages of HTML to look at.


# What engraves and times tunes in a browser; npm fetches it once, and compares it with the hash in its lock file.
rule abcjs:
    input:
        expand("workflow/abcjs/{file}", file=("package.json", "package-lock.json")),
    output:
        expand("data/abcjs/{file}", file=("abcjs-basic-min.js", "LICENSE.md")),
    log:
        "<results>/logs/abcjs.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("install_abcjs"),
        folder=subpath(output[0], parent=True),
    shell:
        """
        python -m workflow.scripts.install_abcjs --output {params.folder:q} >{log} 2>&1
        """


# Of a study that is recorded and was not run here, the tunes on record.
rule gallery:
    input:
        tables=[f"{TABLES}/{table}" for table in ("runs.csv", "writing.csv", "fit.json")],
        writers=gallery_sources,
        abcjs=rules.abcjs.output,
        templates=templates("gallery"),
    output:
        report(
            "<results>/gallery/index.html",
            caption="../workflow/report/gallery.rst",
            category="Tunes",
            labels={"": "Gallery: what each model writes"},
        ),
        licence="<results>/gallery/abcjs-LICENSE.md",
    log:
        "<results>/logs/gallery.log",
    conda:
        "../envs/environment.yaml"
    params:
        code=code("write_gallery"),
        flags=gallery_flags,
    shell:
        """
        python -m workflow.scripts.write_gallery {params.flags} \
            --abcjs {input.abcjs[0]:q} \
            --output {output[0]:q} \
            >{log} 2>&1
        cp {input.abcjs[1]:q} {output.licence:q}
        """
