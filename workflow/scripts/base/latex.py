"""Text and tables for LaTeX: what a rule wrote, as a paper can take it in with \\input."""

LETTERS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "α": r"\(\alpha\)", "β": r"\(\beta\)", "×": r"\(\times\)", "±": r"\(\pm\)", "∝": r"\(\propto\)", "²": r"\(^2\)",
    "…": r"\dots{}", "–": "--", "−": r"\(-\)",
}  # fmt: skip


def escape(text: str) -> str:
    """A text as LaTeX sets it as it stands."""
    return "".join(LETTERS.get(letter, letter) for letter in text)


def tabular(header: list[str], rows: list[list[str]]) -> str:
    """A table with the rules of the package booktabs: text to the left in the first column, all else to the right."""
    lines = [" & ".join(map(escape, line)) + r" \\" for line in (header, *rows)]
    columns = "l" + "r" * (len(header) - 1)
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"
