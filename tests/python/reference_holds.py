"""The short form of the reference run is where such a run belongs.

usage: reference_holds.py results.json
"""

import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = {}
        for entry in json.load(file):
            results.setdefault(entry["stage"], []).append(100 * entry["value"])
    for stage, values in results.items():
        print(stage, *(f"{value:.2f}" for value in values))
    # A random encoder of this width reached 30.8 % (kNN) and 34.1 % (linear probe) in PyTorch.
    assert abs(results["untrained"][0] - 30.8) < 2
    assert abs(results["untrained_probe"][0] - 34.1) < 2
    # 117 steps, a third of an epoch, gave 4.7 and 2.8 points.
    assert results["curve"][-1] > results["untrained"][0] + 3, "the neighbours have learned nothing"
    assert results["probe"][0] > results["untrained_probe"][0] + 1.5, "the probe has learned nothing"
    assert results["tuned_accuracy"][0] > 15 and results["scratch_accuracy"][0] > 15


if __name__ == "__main__":
    main()
