"""Teach a support vector machine to read handwritten digits, and say how well it does.

The data is scikit-learn's own: 1,797 pictures of 8 by 8 points, written by 43 people.
Everything that is left in outputs/ is kept with the run.
"""

import argparse
import json
import os
import time

import joblib
from sklearn import __version__ as sklearn_version
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gamma", type=float, default=0.001, help="how local the model is")
    args = parser.parse_args()

    pictures, digits = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        pictures, digits, test_size=0.25, random_state=0, stratify=digits
    )
    print(f"scikit-learn {sklearn_version}: {len(x_train)} pictures to learn from, {len(x_test)} to test", flush=True)

    begin = time.perf_counter()
    model = SVC(gamma=args.gamma).fit(x_train, y_train)
    print(f"gamma={args.gamma:g}: trained in {time.perf_counter() - begin:.2f} s", flush=True)

    guessed = model.predict(x_test)
    accuracy = accuracy_score(y_test, guessed)
    wrong = confusion_matrix(y_test, guessed)
    for digit, row in enumerate(wrong):
        print(f"  {digit}: {row[digit]:2d} of {row.sum():2d} right", flush=True)
    print(f"accuracy: {accuracy:.4f}", flush=True)

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")
    with open("outputs/metrics.json", "w", encoding="utf-8") as file:
        json.dump({"gamma": args.gamma, "accuracy": accuracy}, file)


if __name__ == "__main__":
    main()
