"""Figures as a table that a person reads and as a document that is kept."""

import os
import platform

# The fastest of all that is not ours.
BEST = "best of the others"
# What we ask of ourselves: (start of the benchmark's name, subject, peer or None for an absolute
# figure, bar, goal). With a peer the figure is the ratio of medians, subject to peer.
BARS = [
    ("run --rm", "wharf CLI", "docker CLI, dockerd", 1 / 10, 1 / 15),
    ("runtime run", "wharf runtime", "crun", 1.0, 0.6),
    ("exec true", "wharf CLI", "docker CLI, dockerd", 1 / 10, None),
    ("log of 200 MB written, json-file", "wharf", "dockerd", 1 / 3, None),
    ("log of 200 MB written, local", "wharf", "dockerd", 1 / 3, None),
    ("log of 200 MB read, json-file", "wharf CLI", "docker CLI, dockerd", 1 / 10, None),
    ("log of 200 MB read, local", "wharf CLI", "docker CLI, dockerd", 1 / 10, None),
    ("cp of 200 MB in", "wharf CLI", "docker CLI, dockerd", 1.0, None),
    ("cp of 200 MB out", "wharf CLI", "docker CLI, dockerd", 1.0, None),
    ("load of 300 MB", "wharf CLI", "docker CLI, dockerd", 1 / 2, None),
    ("save of 300 MB", "wharf CLI", "docker CLI, dockerd", 1.0, None),
    ("rmi of 300 MB", "wharf CLI", "docker CLI, dockerd", 1 / 10, None),
    ("pull, gzip", "wharf CLI", BEST, 1 / 2, None),
    ("pull, zstd", "wharf CLI", BEST, 1 / 2, None),
    ("push, gzip", "wharf CLI", BEST, 1.0, None),
    ("push, zstd", "wharf CLI", BEST, 1.0, None),
    ("peak memory", "wharf", None, 100, None),
    ("1000 starts", "wharf", None, 15_000, None),
    ("memory per idle container", "wharf", None, 1.0, 0.6),
    ("idle engine before", "wharf", None, 30, None),
    ("idle engine after", "wharf", None, 30, None),
    ("engine descriptors", "wharf", None, 15, None),
]
# The subject that others of the same benchmark are compared with, the first that is there.
PEERS = ["docker CLI, dockerd", "dockerd", "crun", "runc"]


def result(figures, versions, load):
    """All that a later reader needs to make sense of the figures."""
    peers = {}
    for figure in figures:
        known = peers.get(figure["bench"])
        if figure["subject"] in PEERS and figure.get("median") and (
                known is None
                or PEERS.index(figure["subject"]) < PEERS.index(known["subject"])):
            peers[figure["bench"]] = figure
    for figure in figures:
        peer = peers.get(figure["bench"])
        if peer and "median" in figure:
            figure["peer"] = peer["subject"]
            figure["ratio"] = figure["median"] / peer["median"]
            figure["ratio_of_min"] = figure["min"] / peer["min"]
    return {
        "version": 1,
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load_before": load[0],
        "load_after": load[-1],
        "versions": versions,
        "figures": figures,
        "bars": bars(figures),
    }


def bars(figures):
    """Which of the asked figures are reached."""
    found = []
    for prefix, subject, peer, bar, goal in BARS:
        group = [f for f in figures if f["bench"].startswith(prefix) and "median" in f]
        ours = [f["median"] for f in group if f["subject"] == subject]
        theirs = [f["median"] for f in group if f["subject"] == peer]
        if peer == BEST:
            theirs = sorted(f["median"] for f in group if "wharf" not in f["subject"])
        if not ours or (peer and not theirs):
            continue
        value = ours[0] / theirs[0] if peer else ours[0]
        noise = noise_of(figures, prefix, subject)
        found.append({
            "bench": group[0]["bench"], "subject": subject, "peer": peer, "value": value,
            "noise": noise, "bar": bar, "reached": verdict(value, noise, bar),
            "goal": goal, "goal_reached": goal and verdict(value, noise, goal),
        })
    return found


def noise_of(figures, prefix, subject):
    """How far off a figure may be, where that was measured; else 0."""
    if not prefix.startswith("memory"):
        return 0
    return max((f["median"] for f in figures if f["bench"].startswith("noise of MemAvailable")
                and f["subject"] == subject and "median" in f), default=0)


def verdict(value, noise, limit):
    """Whether the limit is reached whatever the noise did."""
    if value - noise > limit:
        return "MISSED"
    return "reached" if 0 < value and value + noise <= limit else "too noisy to say"


def number(value):
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def table(document):
    """The document as text."""
    lines = [
        f"kernel {document['kernel']}, {document['cpus']} CPUs, load "
        f"{document['load_before'][0]:.1f} before and {document['load_after'][0]:.1f} after",
        ", ".join(f"{name} {version}" for name, version in document["versions"].items()),
    ]
    last = None
    for figure in document["figures"]:
        if figure["bench"] != last:
            last = figure["bench"]
            unit = f" [{figure['unit']}]" if figure["unit"] else ""
            lines += ["", f"{last}{unit}",
                      f"  {'':24}{'median':>10}{'min':>10}{'n':>5}  ratio of medians (of minima)"]
        if "median" not in figure:
            lines.append(f"  {figure['subject']:24}failed: {figure['failed'].splitlines()[0]}")
            continue
        ratio = ""
        if "ratio" in figure:
            ratio = (f"{figure['ratio']:.3f} ({figure['ratio_of_min']:.3f}) "
                     f"of {figure['peer']}")
        lines.append(f"  {figure['subject']:24}{number(figure['median']):>10}"
                     f"{number(figure['min']):>10}{figure['n']:>5}  {ratio}")
    if document["bars"]:
        lines += ["", "asked for"]
    for bar in document["bars"]:
        of = f" of {bar['peer']}" if bar["peer"] else ""
        goal = f", goal {number(bar['goal'])} {bar['goal_reached']}" if bar["goal"] else ""
        lines.append(f"  {bar['bench']}: {number(bar['value'])}{of}; bar {number(bar['bar'])} "
                     f"{bar['reached']}{goal}")
    return "\n".join(lines)
