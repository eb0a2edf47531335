"""Tables of benchmarks/README.md on laws: how often intervals hold, verdicts are wrong, and optima are off."""


def covered(rows: list[dict]) -> list[str]:
    """Lines on how often 95% intervals held the truth, if a result tells it."""
    if not rows:
        return []
    return [
        "",
        "| law, five sizes, 1% noise | tables | α, straight line | α | E | E, cut at the lowest loss |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['E_true']:g} + {row['A']:g}/N^{row['alpha_true']:g} | {row['repetitions']} |"
            f" {row['line_alpha']:.1%} | {row['alpha']:.1%} | {row['E']:.1%} | {row['E_cut_at_lowest_loss']:.1%} |"
            for row in rows
        ),
    ]


def verdicts(result: dict) -> list[str]:
    """Lines on how often each verdict is given on tables whose law is known, and how often intervals hold."""
    cells = result["verdicts"]
    names = list(cells[0]["verdicts"])
    groups: dict[tuple[str, int], list[dict]] = {}
    for cell in cells:
        groups.setdefault((cell["truth"], cell["sizes"]), []).append(cell)
    effects = result["effects"]
    columns = ("line_alpha", "E", "alpha")
    return [
        f"Tables of sizes over two decades, {cells[0]['tables']} of each kind, means over one and three seeds and over"
        " noise of 0.3, 1 and 3%. *Wrong* counts verdicts that the law contradicts: on average, and at most in any of"
        " these six kinds.",
        "",
        f"| law | sizes | {' | '.join(names)} | wrong | at most |",
        "|---" * (len(names) + 4) + "|",
        *(
            f"| {truth} | {sizes} | "
            + " | ".join(f"{sum(cell['verdicts'][name] for cell in some) / len(some):.0%}" for name in names)
            + f" | {sum(cell['wrong'] for cell in some) / len(some):.1%} | {max(cell['wrong'] for cell in some):.1%} |"
            for (truth, sizes), some in groups.items()
        ),
        "",
        "How often 95% intervals hold where each size deviates from the law by so many times the 1% noise of its seeds;"
        " in brackets, of sizes alone.",
        "",
        "| sizes | seeds | deviation | α, straight line | E, half the lowest loss | its α |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['sizes']} | {row['seeds']} | {row['effect']:g} | "
            + " | ".join(f"{row[f'{name}_pooled']:.1%} ({row[f'{name}_alone']:.1%})" for name in columns)
            + " |"
            for row in effects
        ),
    ]


def forecasts(result: dict) -> list[str]:
    """Lines on how often intervals of forecasts hold what a run then has."""
    rows = result["forecasts"]
    times = ("2", "8", "30")
    return [
        f"{rows[0]['tables']} tables of each law, and one more run of 2, 8 and 30 times the FLOP of the largest: of one"
        " budget, a larger model; of four, N and D that grow alike. *Half-width*: of the interval, as a share of the"
        " loss, the median. *If right*: how often the interval of one law holds as if it were right: the straight line"
        " of log loss on log N or Chinchilla's law.",
        "",
        "| law | sizes | budgets | seeds | noise | " + " | ".join(f"holds at {one}×" for one in times) + " | half-width"
        " | if right |",
        "|---" * 10 + "|",
        *(
            f"| {row['name']} | {row['sizes']} | {row['budgets']} | {row['seeds']} | {row['noise']:.1%} | "
            + " | ".join(f"{share:.1%}" for share in row["held"])
            + " | " + ", ".join(f"{width / 2:.1%}" for width in row["width"])
            + " | " + ", ".join(f"{share:.0%}" for share in row["if_right"]) + " |"
            for row in rows
        ),
    ]  # fmt: skip


def isoflop_bias(result: dict) -> list[str]:
    """Lines on the bias of parabolas at equal FLOP."""
    return [
        "Mean relative error of the best N over five budgets, without noise; with 0.3% noise, in the last two,"
        " root mean squares.",
        "",
        "| law | sizes | spread by a factor | they are | whole parabola | window of 2 | corrected | noise: window |"
        " noise: corrected |",
        "|---" * 9 + "|",
        *(
            f"| {row['law']} | {row['sizes']} | {row['factor']:g} | {row['sizes_are']} | {row['whole']:.1%} |"
            f" {row.get('window', float('nan')):.1%} | {row.get('corrected', float('nan')):.1%} |"
            f" {row['noisy'].get('window', float('nan')):.1%} | {row['noisy'].get('corrected', float('nan')):.1%} |"
            for row in result["bias"]
        ),
    ]
