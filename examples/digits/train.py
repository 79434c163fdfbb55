"""Teach a support vector machine to read handwritten digits, and say how well it does.

The data is scikit-learn's own: 1,797 pictures of 8 by 8 points, written by 43 people.
What mlflow logs, and everything that is left in outputs/, is kept with the run.
"""

import argparse
import os
import time

import joblib
import mlflow
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
    with mlflow.start_run():  # this very run, where it is one: its name is in the environment
        mlflow.log_param("gamma", args.gamma)
        mlflow.log_metric("accuracy", accuracy)
        for digit, row in enumerate(wrong):
            print(f"  {digit}: {row[digit]:2d} of {row.sum():2d} right", flush=True)
            mlflow.log_metric("recall", row[digit] / row.sum(), step=digit)
    print(f"accuracy: {accuracy:.4f}", flush=True)

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")


if __name__ == "__main__":
    main()
