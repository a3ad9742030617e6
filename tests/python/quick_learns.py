"""The README's first command shows an encoder that has learned.

usage: quick_learns.py runs/moco_cifar10-*
"""

import json
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    results = {
        entry["stage"]: 100 * entry["value"]
        for entry in json.loads((folder / "results.json").read_text(encoding="utf-8"))
    }
    print(*(f"{stage} {value:.2f}" for stage, value in results.items()))
    untrained, neighbours, accuracy = (
        results[stage] for stage in ("untrained", "neighbours", "accuracy")
    )
    # Ten classes: chance is 10 %.
    assert untrained <= 30, "a random network solves the set"
    assert neighbours >= untrained + 25, "pre-training taught too little"
    assert accuracy > neighbours, "fine-tuning taught nothing"
    events = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    warnings = [event for event in map(json.loads, events) if event["event"] == "warning"]
    assert not warnings, warnings


if __name__ == "__main__":
    main()
